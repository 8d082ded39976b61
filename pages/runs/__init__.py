"""Long runs of a visitor: sweeps over a corpus, and training, with what they found.

What comes in: choices made on Evaluate and Train.
What goes out: jobs and processes that can be cancelled and gone on with, and their results drawn.
Open `sweeps` first, then `training`.
"""
