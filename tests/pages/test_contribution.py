"""Merging by what units do, in the page: choices that fit together, the clip that is heard."""

import json

from streamlit.testing.v1 import AppTest

from analysis.models.modules import linear_at
from analysis.plan.compression_plan import CompressionPlan
from analysis.speech.excitation import make_excitation
from tests.helpers.streamlit_app import Visit, compress, is_made, key, pick, session_of, settle


def choose(app: AppTest, name: str, value: str) -> AppTest:
    app.selectbox(key=key(app, name)).select(value)
    return settle(app)


def chosen(app: AppTest, name: str) -> object:
    return app.selectbox(key=key(app, name)).value


def test_what_needs_contributions_brings_them_and_leaves_with_them(app: AppTest) -> None:
    choose(app, "method", "surgeon")
    assert chosen(app, "distance") == "influence"
    choose(app, "allocation", "output-error")
    choose(app, "distance", "weights")
    assert chosen(app, "method") == "cluster"
    assert chosen(app, "allocation") == "distortion"


def test_surgeon_with_refit_makes_a_variant_with_biases_of_its_own(app: AppTest) -> None:
    for name, value in (
        ("method", "surgeon"),
        ("allocation", "output-error"),
        ("repair", "refit"),
    ):
        choose(app, name, value)
    compress(app)
    session = session_of(app)
    (variant,) = session.variants
    plan = variant.compression.plan
    assert plan.excitation_hash == make_excitation("speech").identity
    assert plan.recipe.data_free
    assert variant.error is not None
    assert 0 < variant.error < 1
    made = next(iter(variant.compression.groups.values())).group
    model = session.model
    assert model is not None
    before, after = (
        linear_at(m.model, made.output_path).bias for m in (model, variant.compression.model)
    )
    assert not before.equal(after)
    assert is_made(app), "the same settings are the same model"


def test_a_clip_on_show_can_be_listened_to(app: AppTest) -> None:
    choose(app, "repair", "mean")  # before, nothing listens
    assert "calibrated" not in app.selectbox(key=key(app, "excitation")).options
    settle(app.switch_page("pages/transcribe.py"))
    pick(app, "digits.flac")
    settle(app.switch_page("pages/compress.py"))
    choose(app, "excitation", "calibrated")
    compress(app)
    session = session_of(app)
    plan = session.variants[0].compression.plan
    assert not plan.recipe.data_free
    again = CompressionPlan.from_json(plan.to_json())
    assert again == plan
    session.current_clip = None  # gone: back to the sound that is always here
    settle(app)
    assert chosen(app, "excitation") == "speech"


def test_clusters_show_contributions(visit: Visit) -> None:
    app = visit("compress")
    choose(app, "distance", "contribution")
    settle(app.switch_page("pages/clusters.py"))
    for group, n_charts in (("encoder.1.self_attention", 5), ("encoder.1.ffn", 3)):
        app.selectbox(key=key(app, "group")).select(group)
        settle(app)
        charts = [json.loads(element.proto.spec) for element in app.get("plotly_chart")]
        assert len(charts) >= n_charts
        titles = json.dumps([chart["layout"].get("annotations", "") for chart in charts])
        assert ("What they add to the stream" in titles) == ("attention" in group)


def test_output_errors_are_measured_where_there_was_a_repair(app: AppTest) -> None:
    choose(app, "distance", "contribution")
    compress(app)
    assert "Output error" not in app.data_editor[0].value
    choose(app, "allocation", "output-error")
    choose(app, "repair", "refit")
    compress(app)
    errors = app.data_editor[0].value["Output error"]
    table = app.data_editor[0].value
    changed = table["K"] < table["Units n"]
    assert ((errors[changed] > 0) & (errors[changed] < 100)).all()
    assert (errors[~changed] == 0).all()
    assert 0 < changed.sum() < len(changed)
