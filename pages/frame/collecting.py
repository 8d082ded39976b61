"""What Streamlit leaves lying, and what it looks through too often: memory and time of a run."""

import gc
import sys

from streamlit.runtime.scriptrunner import get_script_run_ctx

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


def forget_gone_widgets() -> None:
    """Let go of the widgets that the last run did not draw; at the beginning of a run.

    Streamlit keeps what it knows of a widget, the callback and all that it refers to, until the tab
    is closed: a model that was deleted would stay in memory for the button that deleted it. A
    widget that is still there has a value. A run that is overtaken by the next one may still be at
    it, in its own thread: what the other draws just now is not known here, and stays; what it has
    let go of is gone.
    """
    context = get_script_run_ctx()
    if context is None:
        return
    state = context.session_state._state
    widgets = state._new_widget_state
    known = set(widgets.widget_metadata)  # first: what is drawn from now on is not in it
    for gone in known - state._old_state.keys() - widgets.states.keys():
        widgets.widget_metadata.pop(gone, None)
