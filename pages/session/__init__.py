"""What one visitor has, and what all visitors of a server share.

What comes in: the visitor's address and clicks; models from `analysis`.
What goes out: the `Session` with its jobs, variants and clips; shelves of shared models and trees.
`jobs` runs what outlives a script run, `job_box` draws it.
Open `session` first.
"""
