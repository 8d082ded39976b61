"""Two clicks from Clusters: what a cluster hears can be played, where a head looks is seen."""

import re

from playwright.sync_api import Page, WebSocket, expect
from streamlit.proto.BackMsg_pb2 import BackMsg

from tests.helpers.chromium import cut, settle


def parts_asked_for(page: Page) -> list[str]:
    """Which part each rerun that the page asks for is of; "" where it is the whole page."""
    asked: list[str] = []

    def note(payload: str | bytes) -> None:
        message = BackMsg.FromString(payload if isinstance(payload, bytes) else payload.encode())
        if message.WhichOneof("type") == "rerun_script":
            asked.append(message.rerun_script.fragment_id)

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", note)

    page.on("websocket", listen)
    return asked


def test_a_cluster_is_heard_and_a_head_looked_at_in_two_clicks(page: Page, server: str) -> None:
    asked = parts_asked_for(page)
    page.goto(f"{server}/clusters")
    points = page.locator(".js-plotly-plot").first.locator(".scatterlayer .point")
    expect(points.first).to_be_visible()
    points.nth(400).click(force=True)  # the first click; the second is on a player
    players = page.locator("audio")
    expect(players).to_have_count(10)
    lengths = players.evaluate_all(
        "all => Promise.all(all.map(a => a.play().then(() => { a.pause(); return a.duration })))"
    )
    assert all(0.5 < length < 1.5 for length in lengths)
    settle(page)
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        settle(page)
        assert cut(page) == []
    page.set_viewport_size({"width": 1440, "height": 1000})

    box = page.get_by_role("combobox", name=re.compile("Clusters of two or more"))
    box.scroll_into_view_if_needed()
    settle(page)
    told = page.get_by_text("Together they work hardest at")
    before, address = told.inner_text(), page.url
    asked.clear()
    box.click()
    page.get_by_role("option").nth(5).click()
    expect(told).not_to_have_text(before)
    expect(players).to_have_count(10)
    settle(page)
    assert page.url != address, "the address follows"
    assert asked
    assert asked[0], "a choice draws its part of the page, and not the page"

    page.goto(f"{server}/clusters")
    page.get_by_role("radio", name="All heads of the model").click(force=True)
    points = page.locator(".js-plotly-plot").first.locator(".scatterlayer .point")
    expect(points).to_have_count(72)
    points.first.click(force=True)
    title = re.compile(r"Head \d: .*near its own place")  # points lie over each other
    expect(page.locator(".js-plotly-plot").filter(has_text=title).first).to_be_visible()
    expect(page.get_by_role("radio", name="All heads of the model")).to_be_checked()
