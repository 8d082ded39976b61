"""The guided tour leads through four pages, sets each up, and waits for who strays."""

from streamlit.testing.v1 import AppTest

from analysis.clustering.curves import knee, redundancy
from analysis.clustering.trees import build_trees
from analysis.clustering.unit_space import UnitSpace
from pages.planning.settings import widget_key
from tests.helpers.streamlit_app import Visit, settle


def press(app: AppTest, label: str, page: str = "") -> AppTest:
    """Press a button; where it leads to a page, the simulated browser must be told to stay."""
    next(button for button in app.button if label in button.label).click().run()
    if page:
        assert app.title[0].value == page
        app.switch_page(f"pages/{page.lower()}.py")
    return settle(app)


def banner(app: AppTest) -> str:
    return "\n".join(element.value for element in app.markdown if "Tour, step" in element.value)


def test_four_steps_from_variance_to_listening(visit: Visit) -> None:
    app = visit("overview")
    assert banner(app) == ""
    app = press(app, "Take the tour", "Variance")
    assert "step 1 of 4" in banner(app)
    assert app.session_state["variance:statistic"] == "nearest_cosine"

    app = press(app, "Next step", "Clusters")
    assert "step 2 of 4" in banner(app)
    model = app.session_state["session"].model
    trees = build_trees(model, UnitSpace())
    channels = [group for group in model.groups if group.component == "ffn"]
    best = max(channels, key=lambda group: redundancy(trees[group.id]))
    assert app.session_state[widget_key(model, "group")] == best.id
    said = "\n".join(element.value for element in app.markdown)
    assert f"**{best.title}** are the most redundant" in said
    assert f"{knee(trees[best.id]):,} clusters, its knee" in said

    app = press(app, "Next step", "Compress")
    assert any("Merge 30 %" in element.value for element in app.markdown)

    app = press(app, "Next step", "Transcribe")
    app = press(app, "Finish")
    assert banner(app) == ""


def test_tour_waits_on_its_page(visit: Visit) -> None:
    app = press(visit("overview"), "Take the tour", "Variance")
    app = settle(app.switch_page("pages/transcribe.py"))
    assert any("waits where you left it" in element.value for element in app.markdown)
    app = press(app, "Back to the tour", "Variance")
    app = press(app, "End the tour")
    assert banner(app) == ""
    assert app.title[0].value == "Variance"
