"""Coalesce's computing core: loads, inspects, compresses, transcribes; knows no interface.

What comes in: checkpoints, recipes, audio and corpora.
What goes out: models, transcripts, scores, figures and files.
Each package imports only from those before it: plan, models, speech, clustering, compression,
delivery, evaluation and inspection, training, figures and cli.
Open `plan` first, then `models`.
"""

import os
from importlib.metadata import PackageNotFoundError, version

# Before torch is loaded: its threads wait for each other by spinning. Where other processes want
# the same cores, the default of 300,000 turns made compressing three times slower; with 5,000 an
# idle machine is as fast.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

try:
    __version__ = version("coalesce")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"
