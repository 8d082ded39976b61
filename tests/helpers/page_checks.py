"""What a browser can measure on a page: who is shut out, what is cut, how far the keyboard goes."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRAVE = ("serious", "critical")

_ORDER = ("heading-order", "page-has-heading-one", "empty-heading")

_STREAMLITS_OWN = ("list", "listitem")
"""Rules that Streamlit's own navigation breaks: its groups lie in boxes between list and items."""

_HELD = "[class*=st-key-job-], .st-key-tour"
"""Boxes of a fixed height, whose content has to fit, because nobody scrolls in them."""

_BESIDE = """() => [...document.querySelectorAll(
    '[data-testid=stMain] :is(button, input, [role=radio], a, h1, h2, h3, [data-testid=stSlider])'
  )].filter(element => {
    const box = element.getBoundingClientRect();
    if (!element.checkVisibility({visibilityProperty: true}) || box.width < 5) return false;
    if (element.closest('.js-plotly-plot, [data-testid=stDataFrame]') ||
        element.matches('[data-testid=stSlider] input')) return false;
    return box.left < -1 || box.right > innerWidth + 1;
  }).map(element => element.innerText || element.ariaLabel || element.outerHTML.slice(0, 120))"""


def barriers(page: Page) -> list[str]:
    """The serious and critical findings of axe-core, and headings that skip a level."""
    # what is about to be drawn anew is faded for a moment
    found = Axe().run(page, {"exclude": [["[data-stale=true]"]]}).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]} ({' '.join(node['failureSummary'].split())[:240]})"
        for rule in found
        if rule["impact"] in GRAVE or rule["id"] in _ORDER
        for node in rule["nodes"]
        if rule["id"] not in _STREAMLITS_OWN or not _in_navigation(page, node["target"][0])
    ]


def beside_the_window(page: Page) -> list[str]:
    """The controls and headings that lie, in part, where the window has ended."""
    found: list[str] = page.evaluate(_BESIDE)
    return found


def overflowing(page: Page) -> list[str]:
    """What stands in the boxes of a fixed height that hold more than can be seen."""
    found: list[str] = page.locator(_HELD).evaluate_all(
        "boxes => boxes.filter(box => box.scrollHeight > box.clientHeight + 1)"
        ".map(box => box.innerText)"
    )
    return found


def tabs_to(page: Page, name: str, most: int) -> int:
    """How often Tab is pressed from the top until a link is reached; or one too many."""
    page.evaluate("document.activeElement.blur()")
    for pressed in range(1, most + 1):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText.trim().split('\\n').pop()") == name:
            return pressed
    return most + 1


def _in_navigation(page: Page, target: str) -> bool:
    return page.locator(target).first.evaluate(
        "element => Boolean(element.closest('[data-testid=stSidebarNav]'))"
    )
