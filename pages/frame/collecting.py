"""Keeps Streamlit's garbage collection after every run from stopping all work."""

import gc
import sys

_seen = 0


def spare_libraries() -> None:
    """Take what the libraries brought along out of the collector's rounds, once they are loaded.

    Streamlit collects all garbage after every run, and while a job is watched that is three times
    a second. Looking through half a million objects that never go takes 0.2 to 0.5 s, in which
    neither pages nor jobs can move; so whenever modules have been added, what is alive is frozen
    anew. What is frozen is freed as ever when the last reference to it goes, models too, but for
    cycles, which wait for the next time.
    """
    global _seen
    if len(sys.modules) != _seen:
        _seen = len(sys.modules)
        gc.unfreeze()
        gc.collect()
        gc.freeze()
