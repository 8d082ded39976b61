"""The Compress page: everything follows from K, nothing is lost, every error says what to do."""

import json
import threading
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from analysis.clustering.trees import build_trees
from analysis.compression.allocation import allocate
from analysis.compression.tree_choice import TreeChoice
from analysis.errors import Cancelled
from analysis.models.footprint import predict_footprint
from analysis.models.speech_model import SpeechModel
from analysis.progress import Watch
from pages.planning.mode import MODE_KEY, SIMPLE
from pages.session.shelves import footprint_of
from pages.widgets.formatting import count, escape_markdown, percent
from tests.helpers.streamlit_app import (
    click,
    compress,
    edit_table,
    is_made,
    k_slider,
    key,
    n_clusters,
    session_of,
    settle,
)


def test_first_visit_shows_the_demo_model_and_what_ten_percent_would_save(app: AppTest) -> None:
    session = session_of(app)
    model = session.model
    assert model is not None
    assert model.name == "demo-whisper"
    assert any(escape_markdown("demo-whisper") in text.value for text in app.sidebar.markdown)
    base = footprint_of(model)
    predicted = predict_footprint(model, base, n_clusters(app))
    assert app.metric[0].value == count(predicted.parameters)
    assert f"{count(base.parameters)} → {count(predicted.parameters)}" in app.markdown[0].value
    assert app.metric[3].value.endswith(" %")
    assert [head.value for head in app.title] == ["Compress"]


def test_every_slider_answers_at_once_with_all_numbers(app: AppTest) -> None:
    before = [metric.value for metric in app.metric]
    app.slider(key=key(app, "sparsity")).set_value(40).run()
    assert all(now != old for now, old in zip([m.value for m in app.metric], before, strict=True))
    assert "Merge 40 %" in app.markdown[0].value
    table = app.data_editor[0].value
    ffn = table[table["Group"].str.contains("FFN")]
    assert (ffn["K"] == (0.6 * ffn["Units n"]).round()).all()
    app.slider(key=key(app, "sparsity")).set_value(0).run()
    assert app.metric[3].value == "0.0 %"


def test_a_k_set_by_hand_is_locked_and_the_others_meet_the_budget(app: AppTest) -> None:
    before = dict(n_clusters(app))
    removed = app.metric[3].value
    app.selectbox(key=key(app, "group")).select("decoder.1.ffn").run()
    k_slider(app, "decoder.1.ffn").set_value(500).run()
    assert n_clusters(app)["decoder.1.ffn"] == 500
    assert app.selectbox(key=key(app, "allocation")).value == "uniform"
    assert app.slider(key=key(app, "sparsity")).value == 10
    assert abs(float(app.metric[3].value.split()[0]) - 10) < 0.1 < float(removed.split()[0]) - 10
    assert app.button(key=key(app, "lock")).label == "Unlock"
    click(app, key(app, "lock"))
    assert n_clusters(app) == before


def test_where_k_is_set_by_hand_no_slider_stands_and_a_button_leads_back(app: AppTest) -> None:
    before = dict(n_clusters(app))
    app.selectbox(key=key(app, "allocation")).select("manual").run()
    assert n_clusters(app) == before
    assert key(app, "sparsity") not in {slider.key for slider in app.slider}
    assert key(app, "budget:limit") not in {box.key for box in app.selectbox}
    click(app, key(app, "use-sparsity"))
    assert app.selectbox(key=key(app, "allocation")).value == "uniform"
    assert app.slider(key=key(app, "sparsity")).value == 10


def test_controls_without_a_part_are_hidden(app: AppTest) -> None:
    def drawn() -> set[str]:
        shown = [*app.selectbox, *app.toggle, *app.number_input]
        return {(widget.key or "").removeprefix(key(app, "")) for widget in shown}

    assert {"merge", "refine", "align_heads"} <= drawn()
    assert not {"seeding", "n_init", "seed", "excitation", "level", "sequential"} & drawn()
    app.selectbox(key=key(app, "engine")).select("kmeans").run()
    assert {"seeding", "n_init", "seed"} <= drawn()
    assert "refine" not in drawn()
    app.selectbox(key=key(app, "repair")).select("refit").run()
    assert {"excitation", "level", "sequential"} <= drawn()
    assert "swaps" not in drawn(), "groups trade where the words are measured"
    app.selectbox(key=key(app, "method")).select("magnitude").run()
    assert not {"merge", "engine", "seeding", "seed", "align_heads"} & drawn()


def test_simple_says_what_it_means_and_leads_to_the_sound(app: AppTest) -> None:
    sentence = app.markdown[0].value
    app.segmented_control(key=MODE_KEY).set_value(SIMPLE)
    settle(app)
    assert not app.data_editor
    assert app.query_params["mode"] == SIMPLE
    whole = sentence.replace(" (uniform allocation, distance: weights)", "")
    assert whole.startswith(app.markdown[0].value.rstrip("."))
    smaller, hit = app.metric
    model = session_of(app).model
    assert model is not None
    base = footprint_of(model)
    cost = predict_footprint(model, base, n_clusters(app))
    assert smaller.value == percent(1 - cost.bytes / base.bytes)
    assert hit.value == percent(5 / 6) + " kept"
    assert is_made(compress(app))
    session = session_of(app)
    app.button(key="listen").click().run()
    assert not app.exception, app.exception
    assert [head.value for head in app.title] == ["Transcribe"]
    assert len(session.clips) == 1, "there is something to hear"


def test_while_the_recipe_listens_a_preview_by_weights_answers(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = session_of(app).model
    assert model is not None
    app.slider(key=key(app, "sparsity")).set_value(30).run()
    release = threading.Event()

    def slow(self: TreeChoice, model: SpeechModel, *, watch: Watch) -> object:
        assert release.wait(60)
        raise Cancelled

    monkeypatch.setattr(TreeChoice, "build", slow)
    app.session_state[key(app, "excitation")] = "sounds"  # to which nobody listens
    app.selectbox(key=key(app, "allocation")).select("end-to-end").run()
    try:
        app.run()
        said = " ".join(caption.value for caption in app.caption)
        assert "**Preview by weights**, took" in said
        assert "by influence: " in said
        by_weights = build_trees(model)
        assert n_clusters(app) == allocate(
            model.groups, sparsity=0.3, strategy="distortion", trees=by_weights
        )
        assert "…" not in [metric.value for metric in app.metric]
        app.segmented_control(key=MODE_KEY).set_value(SIMPLE).run()
        assert "Hit hardest (preview)" in [metric.label for metric in app.metric]
    finally:
        release.set()
    settle(app)


def test_late_answer_of_the_browser_is_not_taken_for_a_hand_on_the_slider(app: AppTest) -> None:
    app.selectbox(key=key(app, "group")).select("decoder.1.ffn").run()
    stale = k_slider(app, "decoder.1.ffn")
    app.slider(key=key(app, "sparsity")).set_value(20).run()
    fresh = k_slider(app, "decoder.1.ffn")
    assert fresh.key != stale.key
    assert fresh.value == n_clusters(app)["decoder.1.ffn"]
    assert app.selectbox(key=key(app, "allocation")).value == "uniform"


def test_table_edit_reaches_slider_and_chart_and_gives_way_to_a_later_slider(app: AppTest) -> None:
    edit_table(app, 1, 300)
    assert n_clusters(app)["encoder.0.ffn"] == 300
    assert k_slider(app, "encoder.0.ffn").value == 300
    k_slider(app, "encoder.0.ffn").set_value(200).run()
    assert n_clusters(app)["encoder.0.ffn"] == 200
    table = app.data_editor[0]
    # The edit of 300 would be drawn over the data, so a new table without it took its place.
    assert table.value["K"][1] == 200
    assert table.key is not None
    assert table.key.endswith(":1")


def test_k_out_of_range_is_refused_by_name_and_nothing_is_lost(app: AppTest) -> None:
    before = dict(n_clusters(app))
    edit_table(app, 0, 700)
    assert n_clusters(app) == before
    message = app.error[0].value
    assert "Encoder 0" in message
    assert "from 1 to 6" in message
    edit_table(app, 0, 4)
    assert not app.error
    assert n_clusters(app)["encoder.0.self_attention"] == 4


def test_compress_makes_a_variant_that_is_what_was_predicted(app: AppTest) -> None:
    predicted = app.metric[0].value, app.metric[1].value, app.metric[2].value, app.metric[3].value
    compress(app)
    (variant,) = session_of(app).variants
    assert variant.name == "papers' clustering 10 % uniform"
    cost = variant.footprint
    row = [text.value.replace("\N{NO-BREAK SPACE}", " ") for text in app.markdown]
    assert count(cost.parameters) == predicted[0]
    assert any(predicted[1] in text and predicted[0] in text for text in row)
    assert count(cost.macs) == predicted[2]
    assert predicted[3] in row
    model = session_of(app).model
    assert model is not None
    original = dict(model.model.named_parameters())
    shared = [
        name
        for name, tensor in variant.model.model.named_parameters()
        if tensor.data_ptr() == original[name].data_ptr()
    ]
    assert any("embed" in name for name in shared)


def test_the_same_settings_are_not_compressed_twice(app: AppTest) -> None:
    app.text_input(key=key(app, "name")).set_value("mine *1*").run()
    compress(app)
    (variant,) = session_of(app).variants
    assert variant.name == "mine *1*"
    assert is_made(app)
    app.slider(key=key(app, "sparsity")).set_value(11).run()
    assert not is_made(app)


def test_renaming_to_a_taken_name_gets_a_number(app: AppTest) -> None:
    compress(app)
    app.slider(key=key(app, "sparsity")).set_value(20).run()
    compress(app)
    first, second = session_of(app).variants
    app.text_input(key=f"name:{second.id}").set_value(first.name).run()
    assert second.name == f"{first.name} (2)"
    app.button(key=f"delete:{first.id}").click().run()
    assert session_of(app).variants == [second]


def test_recipe_of_this_model_sets_every_k(app: AppTest) -> None:
    session = session_of(app)
    compress(app)
    values = json.loads(session.variants[0].compression.plan.to_json())
    values["n_clusters"]["encoder.0.ffn"] = 99
    values["recipe"]["distance"] = "normalised"
    app.file_uploader(key="recipe:upload:0").upload("plan.json", json.dumps(values).encode())
    settle(app)
    assert n_clusters(app) == values["n_clusters"]
    assert app.selectbox(key=key(app, "allocation")).value == "manual"
    assert app.selectbox(key=key(app, "distance")).value == "normalised"


def test_recipe_for_another_model_is_refused_and_nothing_changes(app: AppTest) -> None:
    before = dict(n_clusters(app))
    compress(app)
    values = json.loads(session_of(app).variants[0].compression.plan.to_json())
    values["origin"] = {"weight_hash": "0" * 64, "model": "somebody/else"}
    app.file_uploader(key="recipe:upload:0").upload("plan.json", json.dumps(values).encode())
    settle(app)
    assert "other weights" in app.error[0].value
    assert "somebody" in app.error[0].value
    assert n_clusters(app) == before
    app.file_uploader(key="recipe:upload:1").upload("plan.json", b"\x80\x04pickle")
    settle(app)
    assert "not JSON" in app.error[0].value


def test_saving_reports_a_missing_folder_and_keeps_the_variant(app: AppTest) -> None:
    compress(app)
    (variant,) = session_of(app).variants
    app.text_input(key=f"folder:{variant.id}").set_value("/no/such/folder/x").run()
    app.button(key=f"save:{variant.id}").click()
    settle(app)
    assert "no folder" in app.error[0].value
    assert session_of(app).variants == [variant]


def test_two_visitors_share_the_model_and_not_the_variants(
    open_app: Callable[[], AppTest],
) -> None:
    first, second = open_app(), open_app()
    assert session_of(first).model is session_of(second).model
    compress(first)
    assert session_of(second).variants == []
    second.run()
    assert session_of(second).variants == []


def test_a_page_opened_by_its_address_still_gets_the_whole_app(
    open_app: Callable[[], AppTest],
) -> None:
    app = open_app()
    app.switch_page("pages/transcribe.py")
    settle(app)
    assert [head.value for head in app.title] == ["Transcribe"]
    assert any(escape_markdown("demo-whisper") in text.value for text in app.sidebar.markdown)


def test_a_model_that_cannot_be_loaded_leaves_the_loaded_one(app: AppTest) -> None:
    session = session_of(app)
    model = session.model
    from pages.session.shelves import ModelKey

    session.use(ModelKey("/no/such/folder", None, "cpu", "float32"))
    settle(app)
    assert session.model is model
    assert "/no/such/folder".replace("/", "") in app.error[0].value.replace("/", "")
    assert [head.value for head in app.title] == ["Compress"]
    groups = model.groups if model else ()
    assert len(app.data_editor[0].value) == len(groups)


def test_compress_pressed_before_the_trees_are_there_makes_what_was_asked_for(
    app: AppTest,
) -> None:
    app.selectbox(key=key(app, "allocation")).select("output-error")
    app.session_state[key(app, "excitation")] = "sounds"  # to which nobody has listened yet
    app.session_state[key(app, "pressed")] = True
    settle(app)
    (variant,) = session_of(app).variants
    plan = variant.compression.plan
    assert plan.recipe.allocation == "output-error"
    assert plan.n_clusters == session_of(app).n_clusters[plan.origin.weight_hash]
    assert len({k for name, k in plan.n_clusters.items() if name.endswith("ffn")}) > 1
    assert is_made(app), "the page shows the plan that was made"


def test_ranks_have_rows_of_their_own_and_leave_again(app: AppTest) -> None:
    """An edit in the last row is forgotten when the row goes, and the plan is as it was."""
    before = dict(n_clusters(app))
    pills = app.pills(key=key(app, "components"))
    pills.set_value(["ffn", "heads", "ranks"]).run()
    settle(app)
    table = app.data_editor[0].value
    ranks = table[table["Group"].str.contains("ranks")]
    assert len(ranks) == table["Group"].str.contains("heads").sum() > 0
    assert (ranks["K"] == (0.9 * ranks["Units n"]).round()).all()
    edit_table(app, int(ranks.index[-1]), 5)
    assert 5 in n_clusters(app).values()
    compress(app)
    session = session_of(app)
    assert session.model is not None
    [variant] = session.variants_of(session.model)
    assert 5 in variant.model.config.merged_ranks.values()
    app.pills(key=key(app, "components")).set_value(["ffn", "heads"]).run()
    settle(app)
    assert not app.exception
    assert n_clusters(app) == before
