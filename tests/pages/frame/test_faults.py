"""A fault of one page is told on it, and leaves the rest of the app alone."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from analysis.errors import UNKNOWN
from tests.helpers.streamlit_app import settle


def test_what_a_page_raises_is_told_with_its_detail_folded(
    app: AppTest,
    open_app: Callable[[], AppTest],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("layers")

    monkeypatch.setattr("pages.planning.draft.Draft.__init__", broken)
    app.run()
    assert not app.exception
    [fault] = [error.value for error in app.error if UNKNOWN in error.value]
    assert "KeyError" in fault
    assert any("in broken" in block.value for block in app.expander[-1].code)
    [logged] = [record for record in caplog.records if record.message == "This page failed."]
    assert logged.exc_info is not None
    assert logged.exc_info[0] is KeyError
    monkeypatch.undo()
    settle(app.switch_page("pages/overview.py"))


def test_a_fault_of_the_sidebar_leaves_the_page(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("clip")

    monkeypatch.setattr("pages.variants.rows.draw", broken)
    app.run()
    assert not app.exception
    assert [title.value for title in app.title] == ["Compress"]
    [fault] = [error.value for error in app.sidebar.error if UNKNOWN in error.value]
    assert fault.startswith("**The sidebar ")
