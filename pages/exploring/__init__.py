"""Looking into a model: measurements that are waited for, maps of units, what is selected.

What comes in: the model on show, its trees and statistics as they are computed.
What goes out: the group, cluster or units on show, kept across pages and in the address.
Open `cluster_selection` first.
"""
