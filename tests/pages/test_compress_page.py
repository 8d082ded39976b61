"""The Compress page: everything follows from K, nothing is lost, every error says what to do."""

import json
from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from analysis.models.footprint import predict_footprint
from pages.session.shelves import footprint_of
from pages.widgets.formatting import count, escape_markdown
from tests.helpers.streamlit_app import (
    compress,
    edit_table,
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


def test_selected_groups_slider_changes_that_group_and_makes_k_manual(app: AppTest) -> None:
    before = dict(n_clusters(app))
    app.selectbox(key=key(app, "group")).select("decoder.1.ffn").run()
    k_slider(app, "decoder.1.ffn").set_value(100).run()
    assert n_clusters(app) == {**before, "decoder.1.ffn": 100}
    assert app.selectbox(key=key(app, "allocation")).value == "manual"
    assert app.slider(key=key(app, "sparsity")).disabled
    app.selectbox(key=key(app, "allocation")).select("uniform").run()
    assert n_clusters(app) == before


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
    assert variant.name == "cluster 10 % uniform"
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
    assert app.button(key="compress").disabled
    app.slider(key=key(app, "sparsity")).set_value(11).run()
    assert not app.button(key="compress").disabled


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
    app.selectbox(key=key(app, "excitation")).select("sounds")  # to which nobody has listened yet
    app.session_state[key(app, "pressed")] = True
    settle(app)
    (variant,) = session_of(app).variants
    plan = variant.compression.plan
    assert plan.recipe.allocation == "output-error"
    assert plan.n_clusters == session_of(app).n_clusters[plan.origin.weight_hash]
    assert len({k for name, k in plan.n_clusters.items() if name.endswith("ffn")}) > 1
    assert app.button(key="compress").disabled, "the page shows the plan that was made"
