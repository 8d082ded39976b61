"""All pictures, as Plotly figures or marked words of computed results; nothing else draws them.

What comes in: results of the packages before this one, and colours of `palette`.
What goes out: figures whose titles state what they show, in both themes; HTML in which every word
is escaped, for a page or for a report that leaves it.
Nothing is computed here but positions and words.
Open `layout` first, then the module named after what is drawn.
"""
