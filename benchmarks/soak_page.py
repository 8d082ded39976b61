"""Memory of a server whose one visitor compresses, listens and deletes, over and over: is it flat?

    python -m benchmarks.soak_page [--model demo-hubert] [--cycles 60] [--warm-up 20]

Starts `coalesce app` with an empty cache, and a headless Chromium (the system's) on Compress. Each
cycle moves the slider, presses Compress, listens on Transcribe and deletes the variant. The command
fails where the server's memory after the warm-up grows by more than 5 %.
"""

import argparse
import re
import shutil
import sys
import tempfile
import time

from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.soak import MOST_GROWTH, tell_growth
from benchmarks.timing import megabytes
from benchmarks.visitors import free_port, rss, serve, stop, wait_until_up

_EVERY = 5  # cycles between two lines
_PATIENCE_MILLISECONDS = 300_000


def cycle(page: Page, number: int) -> None:
    """Compress at another sparsity, listen, delete."""
    page.get_by_role("link", name="Compress", exact=True).click()
    slider = page.get_by_role("slider").first
    expect(slider).to_be_visible()
    _settle(page)
    # between 10 and 25 %, up and down
    slider.press("ArrowRight" if number // 15 % 2 == 0 else "ArrowLeft")
    _settle(page)
    page.get_by_role("button", name="Compress").click()
    page.get_by_role("button", name="Listen to it").click()
    expect(page.get_by_role("heading", name="Transcribe", exact=True)).to_be_visible()
    expect(page.locator("[data-testid=stHtml] p[dir=auto]")).to_have_count(2)
    _settle(page)
    row = page.get_by_role("button", name=re.compile("^Actions for"))
    delete = page.get_by_role("button", name="Delete")
    while not delete.is_visible():  # a page that is drawn anew just then may close the menu
        row.click()
        page.wait_for_timeout(2000)
    delete.click()
    expect(row).to_have_count(0)


def main() -> None:
    """Run the cycles, print the memory, and fail where it grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="demo-hubert")
    parser.add_argument("--cycles", type=int, default=60)
    parser.add_argument("--warm-up", type=int, default=20, help="cycles that are not judged")
    options = parser.parse_args()
    if not 0 < options.warm_up < options.cycles:
        parser.error("the warm-up is shorter than all cycles, and has one at least")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        parser.error("there is no chromium on this machine")
    expect.set_options(timeout=_PATIENCE_MILLISECONDS)
    sizes = []
    with tempfile.TemporaryDirectory() as cache, sync_playwright() as playwright:
        port = free_port()
        server = serve(options.model, port, cache)
        try:
            wait_until_up(port, server)
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(_PATIENCE_MILLISECONDS)
            page.goto(f"http://127.0.0.1:{port}/compress")
            began = time.monotonic()
            for number in range(options.cycles):
                cycle(page, number)
                sizes.append(rss(server))
                if (number + 1) % _EVERY == 0 or number == 0:
                    seconds = time.monotonic() - began
                    print(
                        f"{number + 1:4d} cycles, {seconds:5.0f} s: {megabytes(sizes[-1])}",
                        flush=True,
                    )
            browser.close()
        finally:
            stop(server)
    sys.exit(int(tell_growth(sizes[options.warm_up - 1 :]) > MOST_GROWTH))


def _settle(page: Page) -> None:
    """Wait until the page's script has answered what was done last."""
    page.wait_for_timeout(500)
    app = page.get_by_test_id("stApp")
    expect(app).to_have_attribute("data-test-script-state", "notRunning")


if __name__ == "__main__":
    main()
