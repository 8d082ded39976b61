"""What the how-tos add works: a page, and a method."""

import inspect
import textwrap

import numpy as np
from streamlit.testing.v1 import AppTest

from analysis.clustering.distances import euclidean_distances
from analysis.clustering.merge_tree import ward_tree
from analysis.compression import selection
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


def test_the_method_of_the_how_to_drops_the_first_units() -> None:
    branch, _ = examples(ROOT / "docs" / "how-to" / "method.md", "python")
    source = inspect.getsource(selection.pruning_labels)
    before, otherwise = "    elif method == SURGEON:", textwrap.indent(branch.text, "    ")
    assert before in source
    names = dict(vars(selection))
    exec(source.replace(before, otherwise + before), names)
    tree = ward_tree(euclidean_distances(np.diag([3.0, 1, 2, 5, 1]).astype(np.float32)))
    labels = names["pruning_labels"](tree, 2, "first", seed=0, group="encoder.0.ffn")
    assert labels.tolist() == [-1, -1, -1, 0, 1]
