"""What Streamlit's collector looks through after every run, and what is let go."""

import gc
import weakref

from streamlit.testing.v1 import AppTest

from pages.planning.mode import MODE_KEY, SIMPLE
from tests.helpers.streamlit_app import compress, is_made, session_of, settle


def test_libraries_are_spared(app: AppTest) -> None:
    assert gc.get_freeze_count() > len(gc.get_objects())


def test_a_deleted_variant_leaves_the_memory(app: AppTest) -> None:
    # fewer controls: the simulated browser keeps each one's `format_func`, as no real one does
    settle(app.segmented_control(key=MODE_KEY).set_value(SIMPLE).run())
    assert is_made(compress(app))
    (variant,) = session_of(app).variants
    weights = weakref.ref(variant.model.model)
    settle(app.switch_page("pages/transcribe.py"))
    app.button(key=f"row-delete:{variant.id}").click()
    del variant
    settle(app)
    settle(app.switch_page("pages/compress.py"))
    gc.unfreeze()  # what was alive when a library was loaded is not looked through otherwise
    gc.collect()
    assert weights() is None
