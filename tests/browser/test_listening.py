"""The first minute in a real browser: a player, three columns of words, a slider."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.helpers.chromium import settle

CLIP_FILES = re.compile(r"\.flac$")


def words(page: Page) -> Locator:
    return page.locator("[data-testid=stHtml] p[dir=auto]")


def bottom(place: Locator) -> float:
    box = place.bounding_box()
    assert box is not None
    return box["y"] + box["height"]


def test_the_first_minute_without_a_click(page: Page, server: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(server)
    expect(page.get_by_role("heading", name="Listen", exact=True)).to_be_visible()
    player = page.locator("audio")
    expect(player).to_have_attribute("src", CLIP_FILES)
    expect(words(page)).to_have_count(3)
    settle(page)
    doors = page.get_by_role("button", name="Why does this work?")
    expect(doors).to_be_visible()
    assert bottom(page.get_by_text("see which units of a layer are alike")) <= 900
    length = player.evaluate(
        """sound => new Promise(done => sound.readyState ? done(sound.duration)
            : sound.addEventListener('loadedmetadata', () => done(sound.duration)))"""
    )
    assert 2 < length < 3

    slider = page.get_by_role("slider")
    pruned = words(page).nth(2)
    expect(pruned.locator("u, del, ins").first).to_be_visible()
    expect(words(page).nth(1).locator("u, del, ins")).to_have_count(0)
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(60)
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("sparsity=70"))
    expect(words(page).nth(1).locator("u, del, ins").first).to_be_visible()

    page.reload()
    expect(page.get_by_text("With 70 % removed")).to_be_visible()
    page.get_by_role("radio", name="HuBERT").click(force=True)
    expect(page.get_by_test_id("stSidebar").get_by_text("demo-hubert")).to_be_visible()
    expect(words(page)).to_have_count(3)
    page.get_by_role("button", name="Your own voice or file").click()
    expect(page.get_by_role("heading", name="Transcribe", exact=True)).to_be_visible()


def test_nothing_is_cut_on_a_projector_or_a_phone(page: Page, server: str) -> None:
    for width, height in ((1024, 768), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.goto(f"{server}/?clip=long.flac&sparsity=60")
        expect(words(page)).to_have_count(3)
        settle(page)
        main = page.get_by_test_id("stMain")
        assert main.evaluate("element => element.scrollWidth - element.clientWidth") <= 0
        for control in ("stSelectbox", "stAudio", "stButtonGroup", "stSlider"):
            box = main.get_by_test_id(control).first.bounding_box()
            assert box is not None
            assert box["x"] >= 0, (width, control)
            assert box["x"] + box["width"] <= width, (width, control)
        title = page.get_by_role("combobox", name="Clip")
        assert title.evaluate("element => element.scrollWidth - element.clientWidth") <= 0
        assert "19 sentences" in title.input_value()
        switch = page.get_by_test_id("stButtonGroup").first
        assert switch.evaluate("element => element.scrollWidth - element.clientWidth") <= 0
