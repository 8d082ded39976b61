"""A variant is there as soon as it is made; whether it still works is told a moment later."""

import threading
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from analysis.compression.compress import Compression
from analysis.compression.guard import examined
from analysis.progress import Watch
from pages.session.session import Session
from pages.variants import checking
from tests.helpers.streamlit_app import compress, is_made, session_of, settle


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Lets checks go on; until it is set they wait."""
    go_on = threading.Event()

    def waiting(*given: object, watch: Watch) -> Compression:
        assert go_on.wait(60)
        return examined(*given, watch=watch)  # type: ignore[arg-type]

    monkeypatch.setattr(checking, "examined", waiting)
    return go_on


def wait_until_it_is_made(app: AppTest) -> Session:
    """Run the page until the variant is there, which need not be checked."""
    app.button(key="compress").click().run()
    session = session_of(app)
    for _ in range(600):
        if session.variants:
            return session
        threading.Event().wait(0.1)
        app.run()
    raise AssertionError("no variant was made")


def test_it_can_be_looked_at_before_it_is_checked(app: AppTest, check: threading.Event) -> None:
    session = wait_until_it_is_made(app)
    [variant] = session.variants
    assert variant.model.health is None
    app.run()
    assert is_made(app)
    assert session.jobs.running(checking.slot_of(variant)) is not None
    check.set()
    settle(app)
    assert session.variants == [variant]
    assert variant.model.health is not None
    assert any("Checked:" in text.value for text in app.markdown)


def test_one_that_was_deleted_meanwhile_does_not_come_back(
    app: AppTest, check: threading.Event
) -> None:
    session = wait_until_it_is_made(app)
    app.run()
    app.button(key=f"row-delete:{session.variants[0].id}").click().run()
    check.set()
    settle(app)
    assert session.variants == []


def test_what_one_visitor_had_checked_is_checked_for_the_next(
    app: AppTest, check: threading.Event, open_app: Callable[[], AppTest]
) -> None:
    check.set()
    compress(app)
    check.clear()  # a second check would wait for ever
    other = open_app()
    [variant] = wait_until_it_is_made(other).variants
    assert session_of(other) is not session_of(app)
    assert variant.model.health is not None
    assert variant.model.health == session_of(app).variants[0].model.health
    assert session_of(other).jobs.running(checking.slot_of(variant)) is None
