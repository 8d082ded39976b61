"""How good a model is: corpora, word error rates, significance, sweeps, drift, speed.

What comes in: folders or hub ids of speech with transcripts, and the models to compare.
What goes out: scores with intervals and tests, rows of a sweep and their tables.
Results are stored as they come, so that a killed run goes on where it was.
`scoring` counts the errors, `significance` tests them.
`ladder` makes the words that a slider shows.
Open `corpus_evaluation` first, then `sweep`.
"""
