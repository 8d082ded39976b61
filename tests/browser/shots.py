"""Pictures of all pages, in both themes and three sizes: `python -m tests.browser.shots`.

Starts the app with a bundled model, opens every page in the system's Chromium, waits until it has
come to rest, and writes build/shots/PAGE-STATE-THEME-WIDTHxHEIGHT.png. The states: a first visit; a
session with a clip and three variants that have long names; presenter mode; and a model that cannot
be loaded. What the pages compute is kept in build/shots-cache, so that a second run is quick.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from pages.frame.base_address import PAGES
from tests.helpers.photographing import comes_to_rest, found_chromium, served, started
from tests.helpers.places import ROOT

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SIZES = ((1440, 900), (1024, 768), (390, 844))
STATES = ("new", "variants", "presented", "unloaded")
LONG_NAMES = (
    "Half of the channels, every head stays",
    "What I would send to the phone, if the words on the train hold",
    "Unaussprechlichkeitsvariantenbezeichnungslänge",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the pictures; 0 when all pages were at rest, 1 when one was not, 2 without Chromium."""
    parser = argparse.ArgumentParser(description="Pictures of the pages.")
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=f"of {', '.join(PAGES)} (all)")
    parser.add_argument("--model", default="demo-whisper", help="to open (demo-whisper)")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "shots", help="(build/shots)")
    parser.add_argument("--state", choices=STATES, help="only this one (all)")
    parser.add_argument("--whole", action="store_true", help="as high as the page is long")
    options = parser.parse_args(arguments)
    if unknown := set(options.pages) - set(PAGES):
        parser.error(f"no such page: {', '.join(sorted(unknown))}; choose from {', '.join(PAGES)}")
    chromium = found_chromium()
    if chromium is None:
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    os.environ["COALESCE_CACHE"] = str(ROOT / "build" / "shots-cache")
    restless: list[str] = []
    with sync_playwright() as playwright:
        browser = started(playwright, chromium)
        for state in (options.state,) if options.state else STATES:
            with served("no-such-model" if state == "unloaded" else options.model) as address:
                restless += photographed(browser, address, state, options)
        browser.close()
    if restless:
        print(f"Taken while still at work: {', '.join(restless)}", file=sys.stderr)
    return 1 if restless else 0


def photographed(
    browser: Browser, address: str, state: str, options: argparse.Namespace
) -> list[str]:
    """Take the pictures of one state; names of those that were taken while a page still worked."""
    restless = []
    for theme in THEMES:
        for width, height in SIZES:
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=theme
            )
            for name in options.pages or PAGES:
                path = options.out / f"{name}-{state}-{theme}-{width}x{height}.png"
                page = context.new_page()
                page.goto(f"{address}/{'' if name == PAGES[0] else name}{parameters(state)}")
                if not comes_to_rest(page):
                    restless.append(path.name)
                if options.whole:
                    stretch(page, width, height)
                page.screenshot(path=path)
                page.close()
                print(path, flush=True)
            context.close()
    return restless


def parameters(state: str) -> str:
    """What is added to the address of a page, so that it is in a state."""
    if state == "presented":
        return "?present=1"
    if state != "variants":
        return ""
    # only here: it loads what models need
    from pages.session.store import new_id, store_of
    from tests.helpers.kept_sessions import kept_items

    session_id = new_id()
    for name, content in kept_items(LONG_NAMES).items():
        store_of(session_id).write(name, content)
    return f"?session={session_id}"


def stretch(page: Page, width: int, height: int) -> None:
    """Make the window as high as the page is long."""
    length = page.get_by_test_id("stMain").evaluate("element => element.scrollHeight")
    page.set_viewport_size({"width": width, "height": max(height, int(length))})
    comes_to_rest(page)


if __name__ == "__main__":
    sys.exit(main())
