"""What units do, looked at one by one: what each hears, what it answers to, where heads look.

What comes in: a model, the sound that it listens to, the units that somebody chose.
What goes out: moments that can be played, activity over time, patterns of attention.
Indices are kept on disk beside the statistics, so that the next look takes no run of the model.
Open `moments` first, then `attention`.
"""
