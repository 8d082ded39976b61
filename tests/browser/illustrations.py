"""The documentation's pictures and figures: `python -m tests.browser.illustrations`.

Walks through the tutorial in the system's Chromium, as a person does, and photographs the steps;
then draws the figures of the method with Coalesce's own functions. All of them are PNGs of at most
150 kB in docs/pictures. What the pages compute is kept in build/pictures-cache.
"""

import io
import os
import re
import sys

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tests.helpers.photographing import comes_to_rest, found_chromium, served, started
from tests.helpers.places import ROOT

OUT = ROOT / "docs" / "pictures"
MOST_BYTES = 150_000
WIDTH, HEIGHT = 1280, 800
FIGURE_WIDTH = 900
COLORS = 256
"""A palette of that many keeps text sharp and the file small."""


def main() -> int:
    """Take all pictures; 2 without Chromium."""
    chromium = found_chromium()
    if chromium is None:
        return 2
    OUT.mkdir(parents=True, exist_ok=True)
    os.environ["COALESCE_CACHE"] = str(ROOT / "build" / "pictures-cache")
    with sync_playwright() as playwright:
        browser = started(playwright, chromium)
        with served("demo-whisper") as address:
            walk(browser, address)
        draw(browser)
        browser.close()
    return 0


def walk(browser: Browser, address: str) -> None:
    """The steps of docs/tutorial.md, in its order."""
    page = browser.new_page(
        viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", reduced_motion="reduce"
    )
    page.set_default_timeout(240_000)
    page.goto(address)
    keep(page, "listen")
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("With 60 % removed").wait_for()
    keep(page, "slider")

    page.get_by_role("button", name="Why does this work?").click()
    page.get_by_role("heading", name="Clusters", exact=True).wait_for()
    keep(page, "clusters")

    page.get_by_role("link", name="Compress").click()
    page.get_by_role("heading", name="Compress", exact=True).wait_for()
    comes_to_rest(page)
    sparsity = page.get_by_role("slider", name="Sparsity")
    sparsity.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(60)
    comes_to_rest(page)
    page.get_by_role("button", name="Compress").click()
    page.get_by_role("button", name="Listen to it").wait_for()
    keep(page, "compress")

    page.get_by_role("button", name="Listen to it").click()
    page.get_by_role("heading", name="Transcribe", exact=True).wait_for()
    page.get_by_role("combobox", name="Or a bundled clip").click()
    page.get_by_role("option", name=re.compile("A digit string")).first.click()
    page.get_by_text("Every chosen model has heard every clip.").wait_for()
    comes_to_rest(page)
    page.get_by_role("button", name="Share").scroll_into_view_if_needed()
    keep(page, "words")
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Report (HTML)").wait_for()
    keep(page, "share")
    page.keyboard.press("Escape")

    page.goto(f"{address}/?present=1")
    keep(page, "present")
    page.close()


def keep(page: Page, name: str) -> None:
    """A picture of the page as it is on the screen, once it has come to rest."""
    if not comes_to_rest(page):
        print(f"Taken while still at work: {name}", file=sys.stderr)
    page.mouse.move(0, 0)
    write(page.screenshot(), name)


def draw(browser: Browser) -> None:
    """The figures of docs/method.md, by their names."""
    page = browser.new_page(viewport={"width": FIGURE_WIDTH, "height": 700})
    from tests.helpers.method_figures import figures  # which loads what models need

    for name, figure in figures():
        figure.update_layout(
            template="plotly_white",
            font={"family": "sans-serif"},
            width=FIGURE_WIDTH,
        )
        page.set_content(figure.to_html(include_plotlyjs=True, config={"displayModeBar": False}))
        drawn: Locator = page.locator(".js-plotly-plot .main-svg").first
        drawn.wait_for()
        page.wait_for_timeout(500)
        write(page.locator(".js-plotly-plot").screenshot(), name)
    page.close()


def write(png: bytes, name: str) -> None:
    """A PNG of few colours, as small as it becomes without losing letters."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    path = OUT / f"{name}.png"
    image.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{path} has more than {MOST_BYTES // 1000} kB; show less of the page.")
    print(path, flush=True)


if __name__ == "__main__":
    sys.exit(main())
