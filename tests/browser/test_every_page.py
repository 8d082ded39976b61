"""Every page in a real browser: nobody is shut out, nothing is cut, the console is silent."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from pages.frame.base_address import PAGES
from tests.helpers.chromium import cut, settle
from tests.helpers.page_checks import barriers, beside_the_window, overflowing, tabs_to

pytestmark = pytest.mark.slow

MOST_TABS = 10


@pytest.fixture
def dark(chromium: BrowserContext) -> Iterator[Page]:
    """A visitor whose system is dark."""
    assert chromium.browser is not None
    context = chromium.browser.new_context(
        viewport={"width": 1440, "height": 900}, color_scheme="dark"
    )
    page = context.new_page()
    page.set_default_timeout(240_000)
    yield page
    context.close()


def address_of(server: str, name: str) -> str:
    """Listen, with a clip whose words scroll, or another page."""
    return f"{server}/?clip=long.flac&sparsity=60" if name == "listen" else f"{server}/{name}"


def shown(page: Page, address: str) -> list[str]:
    """Open a page and let it draw; what it complains of goes into the list."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text("demo-whisper", exact=True).first).to_be_visible()
    settle(page)
    return complaints


@pytest.mark.parametrize("name", PAGES)
def test_in_the_light(page: Page, server: str, name: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    complaints = shown(page, address_of(server, name))
    assert barriers(page) == []
    assert overflowing(page) == []
    assert tabs_to(page, "Compress", MOST_TABS) <= MOST_TABS
    for width, height in ((1024, 768), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        settle(page)
        main = page.get_by_test_id("stMain")
        assert cut(page) == [], f"cut where the page is {width} pixels wide"
        assert overflowing(page) == [], f"hidden where the page is {width} pixels wide"
        assert beside_the_window(page) == [], f"outside of {width} pixels"
        assert main.evaluate("element => element.scrollWidth - element.clientWidth") <= 0
    assert complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_in_the_dark(dark: Page, server: str, name: str) -> None:
    complaints = shown(dark, address_of(server, name))
    assert barriers(dark) == []
    assert complaints == []


def test_the_tour_fits_its_box(page: Page, server: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(server)
    page.get_by_role("button", name="Take the tour").click()
    expect(page.get_by_text("Tour, step 1 of 6")).to_be_visible()
    settle(page)  # the first step moves the slider to the left end
    slider = page.get_by_role("slider", name="Heads and channels removed")
    slider.press("ArrowRight")
    page.get_by_role("button", name="Next step").click()
    expect(page.get_by_text("Tour, step 2 of 6")).to_be_visible()
    settle(page)
    assert overflowing(page) == []


def test_a_talk_is_given_with_the_keyboard_alone(page: Page, server: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{server}/?clip=shopping.flac&sparsity=50")
    page.get_by_role("button", name="Present").click()
    expect(page.get_by_test_id("stSidebar")).not_to_be_visible()
    expect(page).to_have_url(re.compile("present=1"))
    expect(page.get_by_role("button", name="More")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("sparsity=60"))
    page.keyboard.press("ArrowDown")
    expect(page).not_to_have_url(re.compile("clip=shopping.flac"))
    page.keyboard.press("ArrowUp")
    expect(page).to_have_url(re.compile("clip=shopping.flac"))
    settle(page)
    sound = page.locator("audio").first
    assert sound.evaluate("sound => sound.paused"), "nothing plays by itself"
    page.keyboard.press("p")
    expect(sound).to_have_js_property("paused", False)
    page.keyboard.press("p")
    expect(sound).to_have_js_property("paused", True)
    assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") > 18
    assert barriers(page) == []
    page.keyboard.press("PageDown")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    expect(page.get_by_test_id("stSidebar")).not_to_be_visible()
    page.keyboard.press("PageUp")
    expect(page.get_by_role("heading", name="Listen", level=1)).to_be_visible()
    expect(page.get_by_text("With 60 % removed")).to_be_visible()
    settle(page)
    for told in ("sparsity=60", "present=1"):  # by then the address says so, too
        expect(page).to_have_url(re.compile(told))
    page.reload()
    expect(page.get_by_text("With 60 % removed")).to_be_visible()
    expect(page.get_by_test_id("stSidebar")).not_to_be_visible()
    settle(page)
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    expect(page).not_to_have_url(re.compile("present=1"))
