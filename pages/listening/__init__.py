"""Clips and transcripts on the page: where audio comes from, how it is shown and compared.

What comes in: bundled clips, uploads, the microphone; transcripts of several models.
What goes out: the clip on show, its player, the models' words side by side and on one time axis,
the report of a comparison; for the first page also what `rehearsal` makes beforehand, and its
`opening`, which loads no model library.
Open `clips` first.
"""
