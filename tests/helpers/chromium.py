"""What a person does in a real browser, who lets the page come to rest."""

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import (
    BrowserContext,
    Locator,
    Page,
    Position,
    Request,
    expect,
    sync_playwright,
)
from playwright.sync_api import TimeoutError as PlaywrightTimeout

WAIT_MILLISECONDS = 240_000
"""As long as a busy machine may listen to the excitation, which the first page asks for."""
EDIT_ATTEMPTS = 8
EDITOR_MILLISECONDS = 15_000
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[BrowserContext]:
    """The system's Chromium, headless; one context, so that scripts are fetched only once."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        expect.set_options(timeout=WAIT_MILLISECONDS)
        yield browser.new_context(viewport={"width": 1440, "height": 1000})
        browser.close()


@pytest.fixture
def page(chromium: BrowserContext) -> Iterator[Page]:
    """A fresh visitor, whose every request must stay on the server."""
    page = chromium.new_page()
    page.set_default_timeout(WAIT_MILLISECONDS)
    outside: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1", "data:", "blob:")):
            outside.append(request.url)

    page.on("request", note)
    yield page
    page.close()
    assert outside == [], "the page asked the network for something"


def take_the_papers_recipe(page: Page) -> None:
    """On Compress, with all controls: 10 % by the weights alone, the same share of every layer."""
    page.get_by_role("radio", name="Expert").click(force=True)
    page.get_by_role("button", name="Presets").click()
    preset = page.get_by_role("button", name="The papers' 10 %")
    preset.click()
    page.keyboard.press("Escape")
    expect(preset).to_be_hidden()  # a popover that still closes takes the next click's focus
    sentence = page.get_by_text("predicted merge error", exact=False).first
    expect(sentence).to_contain_text("uniform allocation, distance: weights")
    expect(sentence).not_to_contain_text("being computed")
    settle(page)


def choose(page: Page, label: str | re.Pattern[str], option: str) -> None:
    """Choose from a list, as a person who lets the page come to rest first."""
    box = page.get_by_role("combobox", name=label)
    box.scroll_into_view_if_needed()
    page.wait_for_timeout(500)  # a page that still scrolls closes the list again
    box.click()
    page.get_by_role("option", name=option, exact=True).click()
    settle(page)


def settle(page: Page) -> None:
    """Waits until the page's script has answered what was done last."""
    page.wait_for_timeout(500)
    app = page.get_by_test_id("stApp")
    expect(app).to_have_attribute("data-test-script-state", "notRunning")


_CUT = """() => [...document.querySelectorAll('[data-testid=stMain] *')].filter(element => {
  const own = element.getBoundingClientRect(), style = getComputedStyle(element);
  const said = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  const shown = style.visibility === 'visible' && own.width > 4 && own.height > 4;
  if (!(said || element.matches('button, input')) || !shown) return false;
  if (element.closest('.js-plotly-plot, .katex, [data-testid=stIconMaterial]') ||
      element.closest('[data-testid=stDataFrame]') ||
      element.matches('[data-testid=stSlider] input, [data-testid=stCheckbox] input'))
    return false;
  if (style.overflowX !== 'visible' && element.scrollWidth > element.clientWidth + 1) return true;
  for (let box = element.parentElement; box; box = box.parentElement) {
    const flow = getComputedStyle(box).overflowX, around = box.getBoundingClientRect();
    if (flow === 'auto' || flow === 'scroll') return false;
    if (flow !== 'visible' && (own.right > around.right + 1 || own.left < around.left - 1))
      return true;
  }
  return false;
}).map(element => element.innerText || element.value || element.tagName)"""

_PERCENTAGES = """() => {
  const main = document.querySelector('[data-testid=stMain]'), found = [];
  const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const inside = walker.currentNode.parentElement, own = inside.getBoundingClientRect();
    const unseen = inside.closest('[data-testid=stSliderTickBar]');
    if (unseen || !inside.checkVisibility({opacityProperty: true, visibilityProperty: true}))
      continue;
    if (own.bottom <= 0 || own.top >= innerHeight) continue;
    found.push(...(walker.currentNode.data.match(/[\\d.,]+\\s?%/g) || []));
  }
  return found;
}"""


def cut(page: Page) -> list[str]:
    """The texts and controls of the page that are wider than what they are shown in."""
    found: list[str] = page.evaluate(_CUT)
    return found


def percentages(page: Page) -> list[str]:
    """Those that stand on the screen, beside the sidebar."""
    found: list[str] = page.evaluate(_PERCENTAGES)
    return found


def edit_cell(page: Page, table: Locator, position: Position, text: str, shown: Locator) -> None:
    """Type into a cell of a table, which is a canvas, until what follows from it shows the text.

    A table that is drawn anew, or scrolled, closes its editor; a person opens it again.
    """
    table.scroll_into_view_if_needed()
    expect(table.locator("canvas").first).to_be_visible()
    editor = page.locator(".gdg-input")
    for left in reversed(range(EDIT_ATTEMPTS)):
        settle(page)
        table.dblclick(position=position)
        try:
            editor.fill(text, timeout=EDITOR_MILLISECONDS)
            editor.press("Enter", timeout=EDITOR_MILLISECONDS)
            expect(shown).to_have_value(text, timeout=EDITOR_MILLISECONDS)
        except (PlaywrightTimeout, AssertionError):
            if not left:
                raise
        else:
            return
