"""The page that a how-to adds is a page."""

from streamlit.testing.v1 import AppTest

from tests.helpers.documents import examples
from tests.helpers.places import ROOT
from tests.helpers.tiny_models import tiny_whisper

_ALONE = """
from tests.helpers.tiny_models import tiny_whisper
draw(None, tiny_whisper())
"""
"""In place of the frame, which would load a model."""


def test_the_page_of_the_how_to_lists_the_heads() -> None:
    example, _ = examples(ROOT / "docs" / "how-to" / "page.md", "python")
    body, end = example.text.rsplit("\n\n", 1)
    assert end == "run_page(draw)\n"
    app = AppTest.from_string(body + _ALONE, default_timeout=60).run()
    assert not app.exception
    assert app.title[0].value == "Heads"
    listed = app.dataframe[0].value
    heads = [group for group in tiny_whisper().groups if group.component == "heads"]
    assert listed["Layer"].tolist() == [group.title for group in heads]
    assert listed["Heads"].tolist() == [group.n_units for group in heads]
