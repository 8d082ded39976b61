"""Overview tells which parameters of two models differ: tensors, layers and units."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from analysis.models.parameter_difference import (
    group_differences,
    group_table,
    tensor_differences,
    tensor_table,
    unit_table,
)
from analysis.serving import VARIABLE, Serving
from pages.session import at_hand
from pages.session.session import Session, on_best_device
from pages.session.shelves import ModelKey, Shelf
from pages.variants.difference import LAYERS, UNITS
from tests.helpers.streamlit_app import click, compress, session_of, settle


def test_a_variant_differs_where_it_was_merged(app: AppTest) -> None:
    compress(app)
    settle(app.switch_page("pages/overview.py"))
    click(app, "compare-parameters")
    session = session_of(app)
    assert session.model is not None
    pair = session.model, session.variants[0].model
    groups = group_differences(*pair)
    for view, table, by in (
        (None, tensor_table(tensor_differences(*pair)), "relative_norm"),
        (LAYERS, group_table(groups), "most_relative_norm"),
        (UNITS, unit_table(groups), "relative_norm"),
    ):
        if view is not None:
            app.segmented_control(key="difference:view").set_value(view)
            settle(app)
        [shown] = [each.value for each in app.dataframe if by in each.value]
        assert shown.sort_index().equals(table)
        known = shown[by].dropna()
        assert known.is_monotonic_decreasing
    app.selectbox(key="difference:second").set_value("")
    settle(app)
    click(app, "compare-parameters")
    [shown] = [each.value for each in app.dataframe if "unit" in each.value]
    assert (shown["relative_norm"] == 0).all(), "a model does not differ from itself"


def test_a_chosen_model_stays_chosen_when_another_is_deleted(app: AppTest) -> None:
    compress(app)
    session = session_of(app)
    [first] = session.variants
    second = session.duplicate_variant(first)
    settle(app.switch_page("pages/overview.py"))
    app.selectbox(key="difference:second").set_value(second.id)
    settle(app)
    session.remove_variant(first)
    settle(app)
    assert app.selectbox(key="difference:second").value == second.id
    session.remove_variant(second)
    settle(app)
    assert list(app.selectbox(key="difference:second").options) == ["original", "demo-hubert"]


def test_models_that_were_in_use_before_can_be_the_other_side(
    open_app: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_app(model="demo-hubert")
    session = session_of(app)
    hubert = session.model
    session.use(on_best_device("demo-whisper"))
    settle(app)
    monkeypatch.setattr(at_hand, "model_shelf", lambda: Shelf(1))  # the server let it go
    settle(app.switch_page("pages/overview.py"))
    box = app.selectbox(key="difference:second")
    assert list(box.options) == ["original", "demo-hubert"]
    assert box.value != ""
    click(app, "compare-parameters")
    assert session.model is not None
    assert hubert is not None
    [shown] = [each.value for each in app.dataframe if "relative_norm" in each.value]
    table = tensor_table(tensor_differences(session.model, hubert))
    assert shown.sort_index().equals(table)
    told = [caption.value for caption in app.caption if "info" in caption.value]
    assert any("name their tensors differently" in text for text in told)
    assert any("alone has decoder.0" in text.replace("\\", "") for text in told)


def test_what_is_at_hand_is_named_and_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the visitor had in use, and the bundled ones; never what another visitor loaded."""
    usual = on_best_device("demo-hubert")
    half = ModelKey("demo-hubert", None, usual.device, "bfloat16")
    folders = [ModelKey(f"/{place}/small", None, "cpu", "float32") for place in "ab"]
    alone = ModelKey("/a/large", "v1", "cpu", "float32")
    shelf: Shelf[object, None] = Shelf(1)
    shelf.get((ModelKey("/c/secret", None, "cpu", "float32"), ()), lambda watch: None)
    monkeypatch.setattr(at_hand, "model_shelf", lambda: shelf)
    session = Session(on_best_device("demo-whisper"), used=[*folders, alone, half])
    assert [one.name for one in at_hand.models_at_hand(session)] == [
        *("demo-hubert, bfloat16", "large, v1", "/b/small", "/a/small", "demo-hubert"),
    ]
    session.key = usual
    assert "demo-hubert" not in [one.name for one in at_hand.models_at_hand(session)]
    monkeypatch.setenv(VARIABLE, Serving(host="0.0.0.0").model_dump_json())
    assert [one.name for one in at_hand.models_at_hand(session)] == [
        *("demo-hubert, bfloat16", "demo-whisper"),
    ]
