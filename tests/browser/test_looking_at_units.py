"""Two clicks from Clusters: what a cluster hears can be played, where a head looks is seen."""

import re

from playwright.sync_api import Page, expect

from tests.helpers.chromium import cut, settle


def test_a_cluster_is_heard_and_a_head_looked_at_in_two_clicks(page: Page, server: str) -> None:
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

    link = "model=demo-whisper&view=group&group=decoder.0.cross_attention&k=4&units=1"
    page.goto(f"{server}/clusters?{link}")
    page.get_by_role("radio", name="Where it looks").click(force=True)
    title = re.compile("Head 1: .*near its own place")
    expect(page.locator(".js-plotly-plot").filter(has_text=title).first).to_be_visible()
