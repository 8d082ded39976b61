"""What is timed and measured; each prints a ratio against a peer in the same run.

What comes in: a model, and where one is needed a corpus.
What goes out: printed ratios, or a table that a killed run goes on with.
Open `engine` first.
"""
