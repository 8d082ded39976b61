"""In a real browser: a reload, a second tab, the way back, and a link for somebody else."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from pages.session import leaving
from pages.session.store import new_id, store_of
from tests.helpers.chromium import settle
from tests.helpers.kept_sessions import MODEL, NAME, kept_items


@pytest.fixture
def kept(own_cache: Path) -> Iterator[str]:
    """The id of a session that the server keeps and does not know yet."""
    session_id = new_id()
    for name, content in kept_items().items():
        store_of(session_id).write(name, content)
    yield session_id
    store_of(session_id).forget()


@pytest.fixture
def guest(chromium: BrowserContext) -> Iterator[Page]:
    """Somebody else, in a browser without cookies."""
    assert chromium.browser is not None
    context = chromium.browser.new_context(viewport={"width": 1024, "height": 768})
    page = context.new_page()
    page.set_default_timeout(240_000)
    yield page
    context.close()


def heard(page: Page) -> None:
    """The comparison is there: two transcripts of the clip, and the variant's row."""
    expect(page.get_by_test_id("stSidebar").get_by_text("WER")).to_be_visible()
    expect(page.get_by_role("button", name=f"Actions for {NAME}")).to_be_visible()
    expect(page.locator("[data-testid=stHtml] p[dir=auto]")).to_have_count(2)
    settle(page)


def test_a_reload_and_a_new_visit_find_everything(page: Page, server: str, kept: str) -> None:
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(message.text)

    page.on("console", note)
    page.goto(f"{server}/transcribe?session={kept}")
    heard(page)
    assert errors == []  # two addresses that are not there, before the page named the right one
    page.reload()
    heard(page)
    page.get_by_role("link", name="Overview").click()
    expect(page).to_have_url(re.compile(rf"overview\?.*{kept}"))  # a busy server takes its time
    page.reload()  # in the middle of what the page has begun
    expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stSidebar").get_by_text(NAME)).to_be_visible()
    expect(page).to_have_url(re.compile(kept))

    page.goto(f"{server}/train")  # without the session, which the browser remembers
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_test_id("stSidebar").get_by_text(NAME)).to_be_visible()
    expect(page).to_have_url(re.compile(kept))
    page.context.clear_cookies()


def test_a_link_shows_somebody_else_the_comparison_and_no_more(
    page: Page, guest: Page, server: str, kept: str
) -> None:
    page.goto(f"{server}/transcribe?session={kept}")
    heard(page)
    page.get_by_role("button", name="Copy link").click()
    shown = page.get_by_role("dialog").get_by_test_id("stCode")
    expect(shown).to_contain_text("recipes=")
    link = shown.inner_text().strip()
    assert kept not in link
    expect(page.get_by_text("It is copied")).to_be_visible()
    page.context.grant_permissions(["clipboard-read"])
    assert page.evaluate("navigator.clipboard.readText()") == link
    assert f"model={MODEL}" in link

    guest.goto(link)
    heard(guest)
    expect(guest).not_to_have_url(re.compile(kept))
    expect(guest).to_have_url(re.compile("session="))
    row = guest.get_by_role("button", name=re.compile("^Actions for")).first
    for place in (row, guest.get_by_role("button", name="Copy link")):
        box = place.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 300  # of the sidebar
    page.context.clear_cookies()


def test_the_job_of_a_closed_tab_ends_though_nobody_visits(
    page: Page, guest: Page, server: str
) -> None:
    guest.goto(f"{server}/evaluate")
    guest.get_by_role("button", name="Evaluate 13 models").click()
    expect(guest.get_by_role("button", name="Cancel")).to_be_visible()
    expect(guest).to_have_url(re.compile("session="))
    address = guest.url
    guest.close()
    time.sleep(leaving.LEFT_SECONDS + 2 * leaving.LOOK_SECONDS + 3)
    page.goto(address)
    expect(page.get_by_text("no tab of yours was open any more")).to_be_visible()
    expect(page.get_by_role("button", name="Evaluate 13 models")).to_be_visible()
    page.context.clear_cookies()
