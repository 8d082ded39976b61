"""Training with data: fine-tuning of compressed models, and self-pinching gates.

What comes in: a model, a corpus of utterances, the settings of `analysis.plan`.
What goes out: a finished `SpeechModel` with its training record, and a log that pages can follow.
A run can be stopped, killed and gone on with to the step; it may use several processes.
Open `run` first; `gates` are the paper's.
"""
