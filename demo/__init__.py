"""The bundled demo models: two small speech recognisers, and the scripts that make them.

What comes in: synthesised speech, and recordings of spoken digits.
What goes out: the models, clips, held-out corpus and excitation that ship with Coalesce.
Open `build` first.
"""
