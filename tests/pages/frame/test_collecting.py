"""What Streamlit's collector looks through after every run, and what is let go."""

import gc
import time
import weakref
from types import SimpleNamespace

import pytest
from streamlit.runtime.state.session_state import SessionState, WStates
from streamlit.testing.v1 import AppTest

from pages.frame import collecting
from pages.planning.mode import MODE_KEY, SIMPLE
from tests.helpers.streamlit_app import compress, is_made, key, session_of, settle


def test_libraries_are_spared(app: AppTest) -> None:
    assert gc.get_freeze_count() > len(gc.get_objects())


def test_a_deleted_variant_leaves_the_memory(app: AppTest) -> None:
    # fewer controls: the simulated browser keeps each one's `format_func`, as no real one does
    settle(app.segmented_control(key=MODE_KEY).set_value(SIMPLE).run())
    app.slider(key=key(app, "sparsity")).set_value(23)  # a plan that no other visitor has made
    assert is_made(compress(app))
    (variant,) = session_of(app).variants
    weights = weakref.ref(variant.model.model)
    settle(app.switch_page("pages/transcribe.py"))
    app.button(key=f"row-delete:{variant.id}").click()
    del variant
    settle(app)
    settle(app.switch_page("pages/compress.py"))
    deadline = time.monotonic() + 20  # a thread that is about to end may hold it for a moment
    while weights() is not None and time.monotonic() < deadline:
        app.run()  # the controls of the page before are gone with the second run of this one
        gc.unfreeze()  # what was alive when a library was loaded is not looked through otherwise
        gc.collect()
    assert weights() is None


class _Overtaking:
    """What is known of a widget; as it is freed, another thread's run lets go of one more."""

    def __init__(self, known: dict[str, object]) -> None:
        self._known = known

    def __del__(self) -> None:
        if self._known:
            self._known.popitem()


def test_two_runs_of_one_tab_may_let_go_of_the_same_widgets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known: dict[str, object] = {}
    known.update({f"button-{number}": _Overtaking(known) for number in range(8)})
    state = SessionState(_new_widget_state=WStates(widget_metadata=known))  # type: ignore[arg-type]
    context = SimpleNamespace(session_state=SimpleNamespace(_state=state))
    monkeypatch.setattr(collecting, "get_script_run_ctx", lambda: context)
    collecting.forget_gone_widgets()
    assert not known
