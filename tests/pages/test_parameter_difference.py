"""Overview tells which parameters of two models differ: tensors, layers and units."""

from streamlit.testing.v1 import AppTest

from analysis.models.parameter_difference import (
    group_differences,
    group_table,
    tensor_differences,
    tensor_table,
    unit_table,
)
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
    assert not [box for box in app.selectbox if box.key == "difference:second"]
