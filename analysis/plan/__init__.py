"""The recipe as data: what decides a compressed model, before any model is loaded.

What comes in: the names and numbers that a person, a file or a checkpoint gives.
What goes out: validated plans, recipes, training records and training settings, and their JSON.
It loads neither torch nor transformers nor NumPy, so that the shell can print its help at once.
Open `compression_plan` first; `choices` has every named choice in one sentence.
"""
