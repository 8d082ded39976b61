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
    link = "model=demo-whisper&view=group&group=encoder.0.ffn&k=600&cluster=3"
    page.goto(f"{server}/clusters?{link}")
    side = page.get_by_role("radio", name="What it hears")
    expect(side).to_be_visible()
    side.click(force=True)
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

    link = "model=demo-whisper&view=group&group=decoder.0.cross_attention&k=4&units=1"
    page.goto(f"{server}/clusters?{link}")
    page.get_by_role("radio", name="Where it looks").click(force=True)
    title = re.compile("Head 1: .*near its own place")
    expect(page.locator(".js-plotly-plot").filter(has_text=title).first).to_be_visible()
