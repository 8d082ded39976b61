"""The models that a visitor made: the table, comparison, drift, saving, lineage.

What comes in: the session's variants.
What goes out: rows that act, measured drift and speed, checkpoints and archives.
Open `table` first.
"""
