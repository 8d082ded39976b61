"""A page without a model says why it is empty, and leads on in one click."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers.places import ROOT
from tests.helpers.streamlit_app import session_of, settle


def test_a_bundled_model_is_one_click_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COALESCE_MODEL", str(tmp_path / "nothing here"))
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60)
    settle(app.switch_page("pages/overview.py"))
    assert [title.value for title in app.title] == ["Overview"]
    assert app.error, "the sidebar says what was wrong with the model"
    [why] = [info.value for info in app.info]
    assert "No model is loaded" in why
    app.button(key="offer:demo-hubert").click()
    settle(app)
    model = session_of(app).model
    assert model is not None
    assert model.name == "demo-hubert"
    assert not [info for info in app.info if "No model" in info.value]
    assert not app.error
