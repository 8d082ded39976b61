"""The exploring pages: numbers are the model's, the selection and the link hold across pages."""

import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from analysis.clustering.cluster_views import view_cluster
from analysis.clustering.curves import knee, redundancy
from analysis.clustering.merge_tree import MergeTree
from analysis.clustering.trees import build_trees
from analysis.clustering.unit_space import UnitSpace
from analysis.compression.allocation import allocate
from analysis.compression.tree_choice import TreeChoice
from analysis.models.anatomy import parameter_parts
from analysis.models.loading import DEMO_MODELS
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import (
    HIGH_VALUES,
    STATISTICS,
    UNITS,
    group_variances,
    model_statistics,
)
from analysis.models.unit_groups import UnitGroup
from analysis.plan.recipe import complete
from analysis.progress import Watch
from analysis.speech.hearing import recipe_excitation
from pages.exploring import measurements
from pages.exploring.cluster_map import METHOD_KEY
from pages.exploring.cluster_selection import MEMBERS, SIDE_KEY
from pages.exploring.measurements import statistics_slot
from pages.planning.settings import in_widgets, widget_key
from pages.session.session import Session
from pages.session.shelves import ModelKey, tree_shelf
from tests.helpers.streamlit_app import Visit, address, settle


def model_of(app: AppTest) -> SpeechModel:
    session: Session = app.session_state["session"]
    assert session.model is not None
    return session.model


def k_of(app: AppTest, key: str) -> int:
    """Where a slider stands; a slider that was replaced has a number behind its key."""
    value = next(slider.value for slider in app.slider if str(slider.key).startswith(key))
    assert isinstance(value, int)
    return value


def texts(app: AppTest) -> str:
    return "\n".join(element.value for element in (*app.markdown, *app.caption))


def test_overview_tells_what_can_be_merged(visit: Visit) -> None:
    app = visit("overview")
    model = model_of(app)
    assert app.title[0].value == "Overview"
    parts = parameter_parts(model)
    mergeable = sum(part.n_parameters for part in parts if part.group)
    assert f"**{100 * mergeable / parts[0].n_parameters:.0f} %** of them" in texts(app)
    assert "Start here" in texts(app)


def test_overview_lists_every_group_with_its_variance_and_redundancy(visit: Visit) -> None:
    app = visit("overview")
    model = model_of(app)
    table = app.dataframe[0].value
    groups = model.groups
    trees, variances = build_trees(model), group_variances(model)
    assert table["Parameters"].tolist() == [g.n_parameters for g in groups]
    assert table["Variance"].tolist() == pytest.approx([variances[g.id] for g in groups])
    assert table["Redundancy (%)"].tolist() == pytest.approx(
        [100 * redundancy(trees[g.id]) for g in groups]
    )


def test_overview_shows_what_is_ready_when_the_last_of_two_jobs_is(
    open_app: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statistics that get ready while trees are waited for are shown, not asked for again."""
    app = open_app()
    trees_are_next = threading.Event()
    measured, grown = measurements.model_statistics, measurements.load_trees

    def measure(*arguments: Any, **options: Any) -> Any:
        found = measured(*arguments, **options)
        assert trees_are_next.wait(60)
        return found

    def grow(*arguments: Any) -> Any:
        found = grown(*arguments)
        trees_are_next.set()
        job = app.session_state["session"].jobs.running(statistics_slot(model_of(app)))
        assert job is not None
        job.future.result(60)
        return found

    monkeypatch.setattr(measurements, "model_statistics", measure)
    monkeypatch.setattr(measurements, "load_trees", grow)
    measurements.statistics_shelf.clear()
    tree_shelf.clear()
    app.switch_page("pages/overview.py").run()
    settle(app)
    assert app.dataframe[0].value["Variance"].notna().all()
    assert not any("Measure variance" in button.label for button in app.button)


def test_variance_shows_each_statistic_with_its_definition(visit: Visit) -> None:
    app = visit("variance")
    for name, definition in STATISTICS.items():
        app.session_state["variance:statistic"] = name
        settle(app)
        assert definition in texts(app)
        assert HIGH_VALUES[name] in texts(app)


def test_variance_defines_what_the_allocation_uses(visit: Visit) -> None:
    app = visit("variance")
    model = model_of(app)
    groups = model.groups
    statistics = model_statistics(model)
    shown = {group.id: statistics[group.id, UNITS].variance for group in groups}
    assert allocate(groups, sparsity=0.1, strategy="variance", variances=shown) == allocate(
        groups, sparsity=0.1, strategy="variance", variances=group_variances(model)
    )
    assert any(head.value == "From variance to K" for head in app.header)


def test_group_chosen_on_one_page_is_chosen_on_the_next(visit: Visit) -> None:
    app = visit("variance")
    key = widget_key(model_of(app), "group")
    app.selectbox(key=key).set_value("decoder.1.ffn")
    settle(app)
    settle(app.switch_page("pages/clusters.py"))
    assert app.selectbox(key=key).value == "decoder.1.ffn"
    settle(app.switch_page("pages/compress.py"))
    assert app.selectbox(key=key).value == "decoder.1.ffn"
    settle(app.switch_page("pages/variance.py"))
    assert app.selectbox(key=key).value == "decoder.1.ffn"


def test_slider_of_clusters_leaves_the_plan_until_it_is_taken_over(visit: Visit) -> None:
    app = visit("clusters")
    model = model_of(app)
    group = "encoder.1.ffn"
    app.selectbox(key=widget_key(model, "group")).set_value(group)
    settle(app)
    key = widget_key(model, f"look-k:{group}")
    session: Session = app.session_state["session"]
    planned = session.n_clusters[model.weight_hash][group]
    app.slider(key=key).set_value(planned - 100)
    settle(app)
    assert session.n_clusters[model.weight_hash][group] == planned
    next(b for b in app.button if b.label == "Use this K").click()
    settle(app)
    assert session.n_clusters[model.weight_hash][group] == planned - 100
    settle(app.switch_page("pages/compress.py"))
    app.run()  # a simulated browser brings the choice of a page along one run later
    assert k_of(app, widget_key(model, f"k:{group}")) == planned - 100


def test_knee_button_goes_to_the_knee(visit: Visit) -> None:
    app = visit("clusters")
    model = model_of(app)
    group = model.groups[1]
    app.selectbox(key=widget_key(model, "group")).set_value(group.id)
    settle(app)
    app.slider(key=widget_key(model, f"look-k:{group.id}")).set_value(2)
    settle(app)
    next(b for b in app.button if b.label == "To the knee").click()
    settle(app)
    expected = knee(build_trees(model)[group.id])
    assert app.slider(key=widget_key(model, f"look-k:{group.id}")).value == expected


def test_clusters_starts_at_the_knee(visit: Visit) -> None:
    app = visit("clusters")
    model = model_of(app)
    group = str(app.selectbox(key=widget_key(model, "group")).value)
    started = app.slider(key=widget_key(model, f"look-k:{group}")).value
    assert started == knee(build_trees(model)[group])


def test_clusters_are_shown_by_weights_while_the_recipe_listens(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = visit("clusters")
    model = model_of(app)
    moved, left = model.groups[1], model.groups[3]
    release, built = threading.Event(), []
    build = TreeChoice.build

    def slow(self: TreeChoice, model: SpeechModel, *, watch: Watch) -> Mapping[str, MergeTree]:
        built.append(self)
        assert not self.space.listens or release.wait(60)
        return build(self, model, watch=watch)

    monkeypatch.setattr(TreeChoice, "build", slow)
    tree_shelf.clear()  # the demo model's trees may be at hand from another test
    for name, value in in_widgets(complete()).items():
        app.session_state[widget_key(model, name)] = value
    by_weights = {group.id: knee(build_trees(model)[group.id]) for group in (moved, left)}

    def k_at(group: UnitGroup) -> int:
        app.selectbox(key=widget_key(model, "group")).set_value(group.id).run()
        return k_of(app, widget_key(model, f"look-k:{group.id}"))

    try:
        app.run()
        while not any("**Preview by weights**, took" in text.value for text in app.caption):
            app.run()
        assert {group.id: k_at(group) for group in (moved, left)} == by_weights
        app.selectbox(key=widget_key(model, "group")).set_value(moved.id).run()
        app.slider(key=widget_key(model, f"look-k:{moved.id}")).set_value(7).run()
    finally:
        release.set()
    settle(app)
    assert "By influence, took" in texts(app)
    space = UnitSpace("influence", excitation=recipe_excitation(model, complete()))
    trees = build_trees(model, space)
    assert k_at(left) == knee(trees[left.id]) != by_weights[left.id], "nobody moved it"
    assert k_at(moved) == 7
    assert not any(choice.measured or choice.removal for choice in built)


def test_cluster_chosen_from_the_list_shows_its_members(visit: Visit) -> None:
    app = visit("clusters")
    app.session_state[SIDE_KEY] = MEMBERS
    model = model_of(app)
    group = model.groups[1]
    app.selectbox(key=widget_key(model, "group")).set_value(group.id)
    settle(app)
    k = k_of(app, widget_key(model, f"look-k:{group.id}"))
    labels = build_trees(model)[group.id].labels(k)
    picker = app.selectbox(key=widget_key(model, "look-cluster"))
    picker.select_index(0)
    settle(app)
    label = app.selectbox(key=widget_key(model, "look-cluster")).value
    assert app.dataframe[0].value["channel"].tolist() == np.flatnonzero(labels == label).tolist()
    assert np.bincount(labels)[label] == np.bincount(labels).max()


def test_address_that_a_visitor_has_overtaken_undoes_nothing(
    open_app: Callable[..., AppTest],
) -> None:
    app = open_app(group="encoder.1.ffn", k="400", model="demo-whisper")
    settle(app.switch_page("pages/clusters.py"))
    key = widget_key(model_of(app), "look-k:encoder.1.ffn")
    older = address(app)
    app.slider(key=key).set_value(399)
    settle(app)
    assert address(app)["k"] == "399"
    for name, text in older.items():
        app.query_params[name] = text
    app.slider(key=key).set_value(398)
    settle(app)
    assert app.slider(key=key).value == 398
    assert address(app)["k"] == "398"


@pytest.mark.parametrize(
    "view",
    [
        {"group": "decoder.9.ffn"},
        {"group": "encoder.0.ffn", "k": "0"},
        {"group": "encoder.0.ffn", "k": "99999"},
        {"group": "encoder.0.ffn", "k": "²"},
        {"group": "encoder.0.ffn", "units": "5,x"},
        {"group": "encoder.0.ffn", "units": "123456"},
        {"group": "encoder.0.ffn", "cluster": "99999"},
        {"view": "nothing"},
    ],
)
def test_broken_link_is_not_followed(
    open_app: Callable[..., AppTest], view: dict[str, str]
) -> None:
    app = settle(open_app(**view).switch_page("pages/clusters.py"))
    assert app.title[0].value == "Clusters"
    assert address(app)["group"] == "encoder.0.ffn"
    assert not {"units", "cluster"} & address(app).keys()


def test_link_opens_the_bundled_model_that_it_was_made_with(
    open_app: Callable[..., AppTest],
) -> None:
    if not (DEMO_MODELS["demo-hubert"] / "model.safetensors").is_file():
        pytest.skip("the bundled model demo-hubert has not been built")
    app = settle(open_app(model="demo-hubert", k="300").switch_page("pages/clusters.py"))
    assert model_of(app).source == "demo-hubert"
    assert app.slider(key=widget_key(model_of(app), "look-k:encoder.0.ffn")).value == 300


def test_link_of_a_model_that_is_not_at_hand_waits_for_it(
    open_app: Callable[..., AppTest], tmp_path: Path
) -> None:
    folder = str(shutil.copytree(DEMO_MODELS["demo-whisper"], tmp_path / "mine"))
    app = settle(open_app(model=folder, group="encoder.2.ffn").switch_page("pages/variance.py"))
    assert model_of(app).source == "demo-whisper"
    assert not app.run().toast, "it was said when the page was first drawn"
    assert address(app)["group"] == "encoder.0.ffn"
    session: Session = app.session_state["session"]
    session.use(ModelKey(folder, None, "cpu", "float32"))
    settle(app)
    assert model_of(app).source == folder
    assert address(app)["group"] == "encoder.2.ffn"
    # a model that is loaded is at hand for whoever is sent the link
    assert model_of(open_app(model=folder)).source == folder


def test_link_of_another_model_says_so(open_app: Callable[..., AppTest]) -> None:
    app = open_app(model="some/other-model").switch_page("pages/variance.py").run()
    assert any("some/other" in toast.value.replace("\\", "") for toast in app.toast)
    assert not app.run().toast


def test_heads_of_a_layer_and_of_the_model(visit: Visit) -> None:
    app = visit("clusters")
    model = model_of(app)
    assert any(METHOD_KEY in str(row.key) for row in app.button_group)
    app.selectbox(key=widget_key(model, "group")).set_value("encoder.1.self_attention")
    settle(app)
    assert not any(METHOD_KEY in str(row.key) for row in app.button_group), "too few for a UMAP"
    app.session_state["clusters:view"] = "All heads of the model"
    settle(app)
    assert "Click on a head" in texts(app)


def test_heap_of_unlike_channels_is_named(visit: Visit) -> None:
    app = visit("clusters")
    app.session_state[SIDE_KEY] = MEMBERS
    model = model_of(app)
    group = model.groups[1]
    app.selectbox(key=widget_key(model, "group")).set_value(group.id)
    settle(app)
    app.session_state[widget_key(model, f"look-units:{group.id}")] = tuple(range(group.n_units))
    settle(app)
    view = view_cluster(model, group, UnitSpace(), np.arange(group.n_units))
    assert view.is_heap
    said = next(warning.value for warning in app.warning if "A heap" in warning.value)
    assert f"{100 * view.kept_norm:.0f} %" in said
    assert f"{view.mean_cosine:.2f}" in said


def test_overview_opens_the_selected_group_in_clusters(visit: Visit) -> None:
    app = visit("overview")
    model = model_of(app)
    key = widget_key(model, "group")
    app.session_state[key] = "decoder.1.ffn"
    settle(app)
    assert "Selected: **Decoder 1 · FFN channels**" in texts(app)
    app.button(key="open-clusters").click().run()
    assert app.title[0].value == "Clusters"
    assert app.selectbox(key=key).value == "decoder.1.ffn"


def test_a_link_to_overview_brings_its_group_and_colour(open_app: Callable[..., AppTest]) -> None:
    app = open_app(model="demo-whisper", group="decoder.1.ffn", color="Redundancy")
    settle(app.switch_page("pages/overview.py"))
    assert any("Decoder 1 · FFN channels" in text.value for text in app.markdown)
    assert app.segmented_control(key="overview:color").value == "Redundancy"
    assert address(app).items() >= {"group": "decoder.1.ffn", "color": "Redundancy"}.items()
