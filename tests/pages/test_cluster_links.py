"""A link to a cluster leads to the same view, and one to what is not there changes nothing."""

from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from analysis.clustering.curves import knee
from analysis.clustering.trees import build_trees
from analysis.models.loading import load
from pages.planning.settings import widget_key
from tests.helpers.streamlit_app import address, key, session_of, settle


def test_copied_link_brings_a_colleague_to_the_same_view(open_app: Callable[..., AppTest]) -> None:
    chosen = {"units": "3,9,3", "side": "members"}
    app = open_app(group="decoder.0.ffn", k="500", model="demo-whisper", **chosen)
    settle(app.switch_page("pages/clusters.py"))
    model = session_of(app).model
    assert model is not None
    assert app.selectbox(key=widget_key(model, "group")).value == "decoder.0.ffn"
    assert app.slider(key=widget_key(model, "look-k:decoder.0.ffn")).value == 500
    assert app.dataframe[0].value["channel"].tolist() == [3, 9]
    assert address(app).items() >= {"units": "3,9", "side": "members"}.items()


def test_link_to_a_cluster_chooses_all_of_it(open_app: Callable[..., AppTest]) -> None:
    labels = build_trees(load("demo-whisper"))["encoder.1.ffn"].labels(40)
    largest = np.flatnonzero(labels == np.bincount(labels).argmax())
    chosen = {"cluster": str(largest[0]), "side": "members"}
    app = open_app(group="encoder.1.ffn", k="40", model="demo-whisper", **chosen)
    settle(app.switch_page("pages/clusters.py"))
    assert app.dataframe[0].value["channel"].tolist() == largest.tolist()
    assert address(app)["cluster"] == str(largest[0])
    assert "units" not in address(app)


@pytest.mark.parametrize(
    "link", [{"group": "encoder.99.ffn", "k": "5"}, {"group": "encoder.1.ffn", "k": "9" * 5000}]
)
def test_a_link_to_what_is_not_there_changes_nothing(
    open_app: Callable[..., AppTest], link: dict[str, str]
) -> None:
    app = open_app(model="demo-whisper", cluster=link["k"], **link)
    settle(app.switch_page("pages/clusters.py"))
    group = str(app.selectbox(key=key(app, "group")).value)
    bend = knee(build_trees(load("demo-whisper"))[group])
    assert app.slider(key=key(app, f"look-k:{group}")).value == bend
    assert "cluster" not in address(app)
