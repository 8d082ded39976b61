"""What Streamlit's collector looks through after every run."""

import gc

from streamlit.testing.v1 import AppTest


def test_libraries_are_spared(app: AppTest) -> None:
    assert gc.get_freeze_count() > len(gc.get_objects())
