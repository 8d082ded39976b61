"""A page is left while a job's progress is drawn on it, and the next page stays on the screen."""

import re

from playwright.sync_api import Page, WebSocketRoute, expect

from pages.widgets.ticking import TICK_SECONDS
from tests.helpers.chromium import settle


def test_a_page_that_is_left_while_a_job_runs_does_not_take_the_next_away(
    page: Page, server: str
) -> None:
    browsers: list[WebSocketRoute] = []
    held: list[str | bytes] = []
    slow = False

    def connect(browser: WebSocketRoute) -> None:
        app = browser.connect_to_server()

        def answer(message: str | bytes) -> None:
            if slow:
                held.append(message)
            else:
                browser.send(message)

        app.on_message(answer)
        browsers.append(browser)

    page.route_web_socket(re.compile("_stcore/stream"), connect)
    page.goto(f"{server}/compress")
    sparsity = page.get_by_role("slider", name="Sparsity")
    sparsity.focus()
    page.keyboard.press("End")
    settle(page)
    page.locator(".st-key-compress button").click()
    expect(page.get_by_text("Trading units", exact=False).first).to_be_visible()

    # a server that is busy answers a click late; meanwhile the page would ask for progress
    slow = True
    page.get_by_role("link", name="Train", exact=True).click()
    page.wait_for_timeout(3 * 1000 * TICK_SECONDS)
    slow = False
    for message in held:
        browsers[-1].send(message)
    expect(page.get_by_role("heading", name="Train", exact=True)).to_be_visible()
    page.wait_for_timeout(3000)
    expect(page.get_by_role("heading", name="Train", exact=True)).to_be_visible()
