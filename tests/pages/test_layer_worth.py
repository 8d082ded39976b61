"""What each layer is worth, on its pages: measured when asked, the numbers those of the trees."""

import json
from typing import Any

from streamlit.testing.v1 import AppTest

from analysis.compression.tree_choice import TreeChoice
from analysis.compression.worth import losses, worth_of
from analysis.plan.recipe import complete
from analysis.speech.hearing import recipe_excitation
from pages.planning.settings import in_widgets
from pages.session.shelves import tree_shelf
from tests.helpers.streamlit_app import Visit, click, key, session_of, settle


def charts(app: AppTest, words: str) -> list[dict[str, Any]]:
    """The figures whose title has some words."""
    specs = [json.loads(element.proto.spec) for element in app.get("plotly_chart")]
    titled = [spec for spec in specs if "title" in spec["layout"]]
    return [each for each in titled if words in each["layout"]["title"]["text"].replace("<br>", "")]


def test_variance_measures_when_asked_and_shows_the_numbers(visit: Visit) -> None:
    app = visit("compress")
    tree_shelf.clear()  # the first page measures a small model of itself
    settle(app.switch_page("pages/variance.py"))
    assert not charts(app, "matter most")
    click(app, "measure-worth")
    [heatmap] = charts(app, "matter most")
    model = session_of(app).model
    assert model is not None
    recipe = complete()
    trees = TreeChoice.of(recipe, recipe_excitation(model, recipe)).build(model)
    found = losses(model.groups, {name: worth_of(tree) for name, tree in trees.items()})
    shown = [tuple(cell[:5]) for cell in heatmap["data"][0]["customdata"]]
    assert shown == [
        (x.group.id, x.group.title, x.n_removed, x.group.n_units, f"{x.divergence:.3g}")
        for x in found
    ]
    assert len(charts(app, "○ measured")) == 2
    assert not any(button.key == "measure-worth" for button in app.button)


def test_compress_shows_the_curve_where_the_words_decide(app: AppTest) -> None:
    assert not charts(app, "nat per word")
    for name, value in in_widgets(complete()).items():
        app.session_state[key(app, name)] = value
    settle(app)
    model = session_of(app).model
    assert model is not None
    chosen = str(app.selectbox(key=key(app, "group")).value)
    k = session_of(app).n_clusters[model.weight_hash][chosen]
    [curve] = charts(app, "nat per word")
    assert f"K = {k:,} of" in curve["layout"]["title"]["text"]
