"""The guided tour starts with sound, waits for each step, and ends where the words break."""

from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from analysis.clustering.curves import knee, redundancy
from analysis.clustering.trees import build_trees
from analysis.clustering.unit_space import UnitSpace
from analysis.plan.recipe import complete
from pages.exploring.cluster_selection import k_key
from pages.frame import tour, tour_steps
from pages.listening.bundled import FIRST_CLIP, bundled_clips
from pages.listening.opening import PERCENT_KEY
from pages.planning.settings import in_widgets, widget_key
from tests.helpers.streamlit_app import Visit, compress, pick, session_of, settle


def press(app: AppTest, label: str, page: str = "") -> AppTest:
    """Press a button; where it leads to a page, the simulated browser must be told to stay."""
    next(button for button in app.button if label in button.label).click().run()
    if page:
        assert app.title[0].value == page
        app.switch_page(f"pages/{page.lower()}.py")
    return settle(app)


def banner(app: AppTest) -> str:
    return "\n".join(element.value for element in app.markdown if "Tour, step" in element.value)


def is_blocked(app: AppTest) -> bool:
    return app.button(key="tour:next").disabled


@pytest.fixture
def quick_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe that is on show first is one that does not listen."""
    recipe = complete(distance="weights", allocation="distortion")
    for place in ("pages.frame.tour_steps", "pages.planning.settings"):
        monkeypatch.setattr(f"{place}.first_recipe", lambda model: recipe)


def test_each_step_opens_when_the_one_before_is_done(visit: Visit, quick_recipe: None) -> None:
    app = visit("overview")
    assert banner(app) == ""
    app = press(app, "Take the tour", "Listen")
    assert "step 1 of 6" in banner(app)
    assert app.slider(key=PERCENT_KEY).value == 0
    assert is_blocked(app)
    app.slider(key=PERCENT_KEY).set_value(20)
    settle(app)
    assert not is_blocked(app)

    app = press(app, "Next step", "Variance")
    assert "step 2 of 6" in banner(app)
    assert is_blocked(app)
    assert app.session_state["variance:statistic"] == "nearest_cosine"
    session = session_of(app)
    model = session.model
    assert model is not None
    app.session_state[widget_key(model, "group")] = model.groups[1].id
    settle(app)

    app = press(app, "Next step", "Clusters")
    assert is_blocked(app)
    trees = build_trees(model, UnitSpace())
    channels = [group for group in model.groups if group.component == "ffn"]
    best = max(channels, key=lambda group: redundancy(trees[group.id]))
    assert app.session_state[widget_key(model, "group")] == best.id
    said = "\n".join(element.value for element in app.markdown)
    assert f"**{best.title}**, the most redundant channels here" in said
    assert f"its knee, {knee(trees[best.id]):,} clusters" in said
    slider = app.slider(key=k_key(model, best))
    assert isinstance(slider.value, int)
    slider.set_value(slider.value + 1)  # to the right is not to the left
    settle(app)
    assert is_blocked(app)
    app.slider(key=k_key(model, best)).set_value(10)
    settle(app)

    app = press(app, "Back", "Variance")
    assert not is_blocked(app)  # what was done stays done
    app = press(app, "Next step", "Clusters")

    app.session_state[widget_key(model, "method")] = "magnitude"
    app = press(app, "Next step", "Compress")
    assert is_blocked(app)
    expected = in_widgets(tour_steps.first_recipe(model).changed(sparsity=0.3))
    assert {name: app.session_state[widget_key(model, name)] for name in expected} == expected
    compress(app)

    app = press(app, "Next step", "Transcribe")
    assert is_blocked(app)
    pick(app, "digits.flac")

    app = press(app, "Next step", "Listen")
    assert "step 6 of 6" in banner(app)
    app = press(app, "End tour")
    assert banner(app) == ""


def test_it_says_what_is_there_by_now(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trees come while the page is drawn; the group on show is named, whichever it is."""
    app = visit("clusters")
    model = session_of(app).model
    assert model is not None
    trees = build_trees(model, UnitSpace())
    best = tour_steps.most_redundant(model.groups, trees)
    other = next(g for g in model.groups if g.component == "ffn" and g is not best)
    early = iter([None])
    monkeypatch.setattr(tour_steps, "_known_trees", lambda model: next(early, trees))
    app.session_state[tour.TOUR_KEY] = 2
    app.session_state[widget_key(model, "group")] = other.id
    said = "\n".join(element.value for element in app.run().markdown)
    assert "are being built" not in said
    assert f"**{other.title}**: its knee, {knee(trees[other.id]):,} clusters" in said


def test_tour_waits_on_its_page(visit: Visit) -> None:
    app = press(visit("overview"), "Take the tour", "Listen")
    app = settle(app.switch_page("pages/transcribe.py"))
    assert any("waits where you left it" in element.value for element in app.markdown)
    app = press(app, "Back to the tour", "Listen")
    app = press(app, "End tour")
    assert banner(app) == ""
    assert app.title[0].value == "Listen"


def test_it_ends_where_the_words_break(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = next(clip for clip in bundled_clips() if clip.path.name == FIRST_CLIP).reference

    def heard(session: object, percent: int) -> dict[str, SimpleNamespace]:
        return {"merged": SimpleNamespace(text=reference if percent < 60 else "nothing of it")}

    monkeypatch.setattr("pages.frame.tour_steps.heard_on_show", heard)
    app = visit("listen")
    app.session_state[tour.TOUR_KEY] = len(tour_steps.STEPS) - 1
    app.session_state[PERCENT_KEY] = 50
    settle(app)
    assert app.button(key="tour:end").label == "End tour"
    app.slider(key=PERCENT_KEY).set_value(60)
    settle(app)
    assert app.button(key="tour:end").label == "Finish"
    assert any("this is where it breaks" in element.value for element in app.markdown)
    app.button(key="tour:end").click().run()
    assert banner(app) == ""
    assert any("Now your own" in message.value for message in app.toast)
