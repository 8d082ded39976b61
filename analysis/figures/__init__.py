"""All pictures, as Plotly figures of computed results; no other package makes a figure.

What comes in: results of the packages before this one, and colours of `palette`.
What goes out: figures whose titles state what they show, in both themes.
Nothing is computed here but positions and words.
Open `layout` first, then the module named after what is drawn.
"""
