"""Checkpoints, and where their units are.

What comes in: a demo name, a folder or a hub id.
What goes out: a read-only `SpeechModel`, its unit groups, their weights, what it costs and holds.
A new model family is one file in `architectures`, and a class in `modeling_merged_units`.
Open `speech_model` first, then `unit_groups`.
"""
