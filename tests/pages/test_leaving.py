"""What leaves Compress: stock checkpoints, folders, archives; and what comes back from folders."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from streamlit.testing.v1 import AppTest

from analysis.compression.compress import compress as compress_model
from analysis.compression.stock import level, stock_widths
from analysis.delivery.saving import save
from analysis.models.loading import load
from pages.listening.bundled import bundled_clips
from pages.session.shelves import ModelKey, model_id
from pages.variants.measured_wer import measure_wer
from tests.helpers.streamlit_app import (
    click,
    compress,
    edit_table,
    is_made,
    k_slider,
    key,
    n_clusters,
    pick,
    session_of,
    settle,
)
from tests.helpers.tiny_models import make_plan


def test_stock_switch_keeps_heads_and_one_width_per_stack(app: AppTest) -> None:
    model = session_of(app).model
    assert model is not None
    groups = model.groups
    app.selectbox(key=key(app, "allocation")).select("distortion").run()
    free = dict(n_clusters(app))
    app.toggle(key=key(app, "stock")).set_value(True).run()
    held = dict(n_clusters(app))
    assert held == level(groups, held) != free
    # a hand on one layer moves its stack; heads stay, and the page says so
    app.selectbox(key=key(app, "group")).select("decoder.1.ffn").run()
    k_slider(app, "decoder.1.ffn").set_value(100).run()
    widths = {n_clusters(app)[g.id] for g in groups if g.id.endswith("ffn") and "decoder" in g.id}
    assert widths == {100}
    edit_table(app, 0, 3)
    assert n_clusters(app) == level(groups, n_clusters(app))
    assert any("Stock classes hold all heads" in error.value for error in app.error)
    settle(compress(app))
    (variant,) = session_of(app).variants
    assert stock_widths(variant.model) is not None
    app.toggle(key=key(app, "stock")).set_value(False).run()
    click(app, key(app, "unlock-all"))
    assert n_clusters(app) == free


def panel_buttons(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def test_a_variant_is_saved_where_the_panel_says(app: AppTest, tmp_path: Path) -> None:
    assert "Save" not in panel_buttons(app)
    compress(app)
    (variant,) = session_of(app).variants
    folder = tmp_path / "smaller"
    app.text_input(key=f"folder:{variant.id}").set_value(str(folder))
    app.button(key=f"save:{variant.id}").click()  # at once, as a busy server hears of it
    settle(app)
    again = load(str(folder))
    assert again.plan == variant.compression.plan
    mine, theirs = again.model.state_dict(), variant.model.model.state_dict()
    assert all(torch.equal(mine[name].half(), theirs[name].half()) for name in theirs)
    stored = load_file(folder / "model.safetensors").values()
    assert {tensor.dtype for tensor in stored} == {torch.float16}  # as the bundled model is
    # once more: what is there is only replaced when that was allowed
    app.button(key=f"save:{variant.id}").click()
    settle(app)
    assert "holds a checkpoint already" in app.error[0].value
    app.checkbox(key=f"overwrite:{variant.id}").check().run()
    app.button(key=f"save:{variant.id}").click()
    settle(app)
    assert not app.error


def test_what_a_format_cannot_hold_is_said(open_app: Callable[..., AppTest]) -> None:
    pytest.importorskip("ctranslate2")
    app = settle(open_app(model="demo-hubert").switch_page("pages/compress.py"))
    compress(app)
    (variant,) = session_of(app).variants
    app.selectbox(key="save:format").select("ctranslate2").run()
    assert any("CTranslate2 has no HuBERT" in text.value for text in app.caption)
    assert app.button(key=f"save:{variant.id}").disabled
    app.selectbox(key="save:format").select("onnx").run()
    assert not app.button(key=f"save:{variant.id}").disabled


def test_hub_control_is_shown_with_a_token_only(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    compress(app)
    assert "Push" not in panel_buttons(app)
    monkeypatch.setenv("HF_TOKEN", "secret")
    app.run()
    assert "Push" in panel_buttons(app)


def test_a_saved_checkpoint_comes_back_as_a_variant(app: AppTest, tmp_path: Path) -> None:
    compress(app)
    session = session_of(app)
    (made,) = session.variants
    folder = save(made.model, tmp_path / "elsewhere")
    app.text_input(key="add:folder").set_value(str(folder)).run()
    app.button(key="add:go").click()
    settle(app)
    added = session.variants[-1]
    assert added.name == "elsewhere"
    assert added.compression.plan == made.compression.plan
    assert added.footprint == made.footprint
    assert added.error is None
    original = {id(p) for p in session.model.model.parameters()}  # type: ignore[union-attr]
    kept = [id(p) in original for p in added.model.model.parameters()]
    assert kept == [id(p) in original for p in made.model.model.parameters()]
    # without a recipe, or of other weights: refused with what to do
    assert session.model is not None
    twice = make_plan(made.model, n_clusters={"encoder.0.ffn": 9})
    for source, said in (
        (session.model, "carries no recipe"),
        (compress_model(made.model, twice).model, "not from these weights"),
    ):
        folder = save(source, tmp_path / said.split()[0])
        app.text_input(key="add:folder").set_value(str(folder)).run()
        app.button(key="add:go").click()
        settle(app)
        assert said in app.error[0].value
    assert len(session.variants) == 2


def test_int8_is_a_variant_of_a_variant(app: AppTest, tmp_path: Path) -> None:
    compress(app)
    session = session_of(app)
    (made,) = session.variants
    app.button(key=f"int8:{made.id}").click()
    settle(app)
    small = session.variants[-1]
    assert small.is_int8
    assert small.base == made.base
    assert small.footprint.parameters == made.footprint.parameters
    assert small.footprint.bytes < 0.5 * made.footprint.bytes
    assert app.button(key=f"int8:{small.id}").disabled
    # it is listened to and measured like any other
    assert session.model is not None
    settle(app.switch_page("pages/transcribe.py"))
    pick(app, bundled_clips()[0].path.name)
    assert len(session.transcripts) == 3
    for model in (session.model, made.model, small.model):
        (measured,) = measure_wer(session, model)
        assert 0 <= measured.wer < 1
    assert measure_wer(session, small.model)[0].original_wer is not None
    settle(app.switch_page("pages/compress.py"))
    click(app, "drift:measure")
    assert {model for _, model in session.drifts} == {model_id(made.model), model_id(small.model)}
    # it is not what a second press of Compress would make, nor what can be saved
    session.remove_variant(made)
    app.run()
    assert not is_made(app)
    assert any("int8 variant runs here only" in caption.value for caption in app.caption)


def test_overview_tells_the_lineage_of_a_compressed_model(app: AppTest, tmp_path: Path) -> None:
    compress(app)
    session = session_of(app)
    (made,) = session.variants
    twice = make_plan(made.model, n_clusters={"encoder.0.ffn": 9}, allocation="manual")
    folder = save(compress_model(made.model, twice).model, tmp_path / "twice")
    settle(app.switch_page("pages/overview.py"))
    assert "How it was compressed" not in [head.value for head in app.header]
    session.use(ModelKey(str(folder), None, "cpu", "float32"))
    settle(app)
    assert session.model is not None
    assert session.model.plan == twice
    assert "How it was compressed" in [head.value for head in app.header]
    steps = [text.value for text in app.markdown if text.value.startswith(("**1.**", "**2.**"))]
    assert "10 % asked for" in steps[0]
    assert "K by hand" in steps[1]
    settle(app.switch_page("pages/compress.py"))
    assert key(app, "stock") not in {toggle.key for toggle in app.toggle}
    assert any("lost heads or ranks before" in caption.value for caption in app.caption)
