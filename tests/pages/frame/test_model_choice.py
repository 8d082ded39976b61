"""Load a model: a form that takes one click, suggestions, and folders that lead to a model."""

import os
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from analysis.models import finding
from pages.session.session import Session
from tests.helpers.places import ROOT


def dialog() -> None:
    """The dialog alone, as a script."""
    from pages.frame.model_choice import choose_model
    from pages.session.visit import current

    choose_model(current())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AppTest:
    """The dialog of a visitor; what is to be loaded is noted and not loaded."""
    monkeypatch.setattr(Session, "use", lambda self, key: setattr(self, "_asked_for", key))
    monkeypatch.setattr(finding, "HF_HUB_CACHE", str(tmp_path))
    kept = tmp_path / "models--someone--wav2vec2" / "snapshots" / "1"
    kept.mkdir(parents=True)
    (kept / "config.json").write_text('{"model_type": "wav2vec2"}')
    (kept / "model.safetensors").write_bytes(b"")
    # one root below the other, as a current folder lies below the home
    monkeypatch.setenv(finding.ROOTS_VARIABLE, os.pathsep.join([str(ROOT / "demo"), str(ROOT)]))
    return AppTest.from_function(dialog, default_timeout=60).run()


def wanted(app: AppTest) -> str:
    key = app.session_state["session"]._asked_for
    return "" if key is None else str(key.source)


def test_one_click_loads_what_was_typed(asked: AppTest) -> None:
    asked.segmented_control(key="load:kind").set_value("Hugging Face hub").run()
    asked.text_input(key="load:hub").set_value(" owner/name ")
    asked.button(key="load:go").click().run()
    assert wanted(asked) == "owner/name"
    assert not asked.exception


def test_nothing_typed_is_said(asked: AppTest) -> None:
    before = wanted(asked)
    asked.segmented_control(key="load:kind").set_value("Local folder").run()
    asked.button(key="load:go").click().run()
    assert "Nothing is typed in" in asked.warning[0].value
    assert wanted(asked) == before


def test_suggestions_say_what_they_are_and_fill_in_the_id(asked: AppTest) -> None:
    asked.segmented_control(key="load:kind").set_value("Hugging Face hub").run()
    box = asked.selectbox(key="load:suggestion")
    assert box.options[0] == "someone/wav2vec2 · on this computer"
    assert "openai/whisper-large-v3-turbo · 809 M parameters · MIT" in box.options
    assert "openai/whisper-tiny.en · 37.8 M parameters" in box.options
    box.select("someone/wav2vec2").run()
    assert asked.text_input(key="load:hub").value == "someone/wav2vec2"
    asked.button(key="load:go").click().run()
    assert wanted(asked) == "someone/wav2vec2"


def test_a_click_on_a_folder_fills_it_in(asked: AppTest) -> None:
    asked.segmented_control(key="load:kind").set_value("Local folder").run()
    labels = [button.label for button in asked.button]
    assert "hubert" in labels
    assert "clips" not in labels
    asked.button(key=f"load:pick:{ROOT / 'demo' / 'whisper'}").click().run()
    assert asked.text_input(key="load:folder").value == str(ROOT / "demo" / "whisper")
    asked.button(key=f"load:enter:home_storage:{ROOT}").click().run()
    assert not asked.exception
    asked.button(key=f"load:enter:folder:{ROOT / 'demo'}").click().run()
    assert "whisper" in [button.label for button in asked.button]
    # whatever the session holds, nothing above the allowed folders is listed
    asked.session_state["load:at"] = "/"
    asked.run()
    assert asked.session_state["load:at"] == str(ROOT / "demo")
