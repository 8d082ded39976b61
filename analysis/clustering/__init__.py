"""Which units of a group are alike: distances, merge trees, k-means, maps of units.

What comes in: a model's unit groups and, for what units do, an excitation to listen to.
What goes out: squared distances, a `MergeTree` per group (every K at once), moments, projections.
`contributions` measures what units do; `removal` is the surgeon's order.
`unit_space` says how two units are compared: by which distance, and on which sound.
Open `merge_tree` first, then `unit_space`.
"""
