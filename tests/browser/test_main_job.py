"""The app's main job, in a real browser: pick a clip, move a slider, compress, read both."""

import io
import re
from pathlib import Path

import numpy as np
import soundfile
from playwright.sync_api import (
    BrowserContext,
    Dialog,
    FilePayload,
    Locator,
    Page,
    Position,
    expect,
)

from tests.helpers.chromium import choose, edit_cell, settle, take_the_papers_recipe

SECOND_ROWS_K: Position = {"x": 330, "y": 87}


def tone() -> bytes:
    time = np.arange(24_000) / 16_000
    file = io.BytesIO()
    soundfile.write(file, 0.2 * np.sin(2 * np.pi * 300 * time), 16_000, format="FLAC")
    return file.getvalue()


def open_page(page: Page, address: str, name: str) -> None:
    page.goto(address)
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible(timeout=240_000)
    expect(page.get_by_test_id("stSidebar").get_by_text("demo-whisper")).to_be_visible()


def transcripts(page: Page) -> Locator:
    return page.locator("[data-testid=stHtml] p[dir=auto]")


def choose_bundled(page: Page, title: str) -> None:
    box = page.get_by_role("combobox", name="Or a bundled clip")
    box.click()
    page.get_by_role("option", name=re.compile(title)).first.click()


def write_reference(page: Page, text: str) -> None:
    page.get_by_role("button", name="Edit clip").click()
    box = page.get_by_role("textbox", name="Reference text")
    box.fill(text)
    box.press("Control+Enter")
    settle(page)
    page.keyboard.press("Escape")


def bottom(place: Locator) -> float:
    box = place.bounding_box()
    assert box is not None
    return box["y"] + box["height"]


def sentence(page: Page) -> Locator:
    return page.get_by_text("predicted merge error", exact=False).first


def test_page_opened_by_its_address_gets_the_whole_app(page: Page, server: str) -> None:
    open_page(page, f"{server}/transcribe", "Transcribe")
    expect(page.get_by_role("link", name="Compress")).to_be_visible()
    expect(page.get_by_text("Here will be the transcripts, side by side.")).to_be_visible()


def test_from_slider_to_a_shared_report(
    page: Page, server: str, chromium: BrowserContext, tmp_path: Path
) -> None:
    open_page(page, f"{server}/compress", "Compress")
    take_the_papers_recipe(page)
    expect(sentence(page)).to_contain_text("Merge 10 %")
    settle(page)
    slider = page.get_by_role("slider", name="Sparsity")
    for _ in range(9):  # down past 8 %, where the selected group's K changes under its own slider
        slider.press("ArrowLeft")
        page.wait_for_timeout(60)
    expect(sentence(page)).to_contain_text("Merge 1 %")
    for _ in range(14):
        slider.press("ArrowRight")
        page.wait_for_timeout(60)
    expect(sentence(page)).to_contain_text("Merge 15 %")
    page.get_by_role("button", name="Compress").click()
    expect(page.get_by_text("has these settings")).to_be_visible()
    expect(
        page.get_by_test_id("stSidebar").get_by_text("papers' clustering 15 % uniform")
    ).to_be_visible()

    page.get_by_role("button", name="Listen to it").click()
    expect(page.get_by_role("heading", name="Transcribe", exact=True)).to_be_visible()
    page.set_viewport_size({"width": 1440, "height": 900})
    choose_bundled(page, "A digit string")
    expect(transcripts(page)).to_have_count(2)
    expect(page.get_by_text("Every chosen model has heard every clip.")).to_be_visible()
    settle(page)
    for card in transcripts(page).all():
        assert 0 < bottom(card) <= 900, "the transcripts are on the first screen"
    write_reference(page, "quite other words than these")
    marks = page.locator("[data-testid=stHtml] p[dir=auto]").locator("u, del, ins")
    expect(marks.first).to_be_visible()
    for card in transcripts(page).all():
        assert card.locator("u, del, ins").count() >= 1
        assert card.locator("sup").first.inner_text() in ("S", "D", "I")
    cards = page.get_by_test_id("stMain").get_by_test_id("stMarkdown")
    names = cards.get_by_text(re.compile("^■ (original|papers' clustering 15 % uniform)$"))
    assert names.all_inner_texts()[-2:] == ["■ original", "■ papers' clustering 15 % uniform"]
    blue = names.nth(names.count() - 2).locator("span").first
    assert blue.evaluate("element => getComputedStyle(element).color") == "rgb(0, 114, 178)"

    words = page.locator(".barlayer .point path")
    words.first.scroll_into_view_if_needed()
    expect(page.get_by_test_id("stAudio")).to_have_count(1)
    words.nth(1).click(force=True)
    expect(page.get_by_test_id("stAudio")).to_have_count(2)
    word = page.get_by_role("combobox", name="Word to hear")
    expect(word).to_have_value(re.compile("^one · original · .* % sure$"))
    # the same by the keyboard alone
    played = page.get_by_test_id("stAudio").nth(1)
    before = played.get_attribute("src")
    word.focus()
    page.keyboard.type("six · papers")
    page.keyboard.press("Enter")
    expect(word).to_have_value(re.compile("^six · papers' clustering 15 % uniform · "))
    expect(played).not_to_have_attribute("src", before or "")

    page.get_by_role("button", name="Share").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Report (HTML)").click()
    download.value.save_as(tmp_path / "report.html")
    with page.expect_download() as download:
        page.get_by_role("button", name="Card (PNG)").click()
    assert download.value.path().read_bytes().startswith(b"\x89PNG")
    page.keyboard.press("Escape")
    opens_alone(chromium, tmp_path / "report.html")

    for width, height in ((1024, 768), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        settle(page)
        nothing_is_cut(page, width)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("link", name="Compress").click()
    expect(sentence(page)).to_contain_text("Merge 15 %")


def opens_alone(chromium: BrowserContext, report: Path) -> None:
    """The file, in a browser without a network: sound, words and figures, and no complaint."""
    assert chromium.browser is not None
    alone = chromium.browser.new_context(offline=True)
    page = alone.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    expect(page.locator("p[dir=auto]")).to_have_count(2)
    assert page.locator("p[dir=auto]").locator("u, del, ins").count() >= 2
    expect(page.get_by_text("quite other words than these", exact=True)).to_be_visible()
    sound = page.locator("audio")
    length = sound.evaluate(
        """sound => new Promise(done => sound.readyState ? done(sound.duration)
            : sound.addEventListener('loadedmetadata', () => done(sound.duration)))"""
    )
    assert 2 < length < 3
    page.locator(".barlayer .point path").nth(1).click(force=True)
    page.wait_for_function("() => document.querySelector('audio').currentTime > 0")
    assert said == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [report.as_uri()]
    alone.close()


def nothing_is_cut(page: Page, width: int) -> None:
    """Every control lies within the window, and none hides a part of its label."""
    main = page.get_by_test_id("stMain")
    assert main.evaluate("element => element.scrollWidth - element.clientWidth") <= 0
    for control in ("stSelectbox", "stAudio", "stButtonGroup", "stPopover", "stFileUploader"):
        for place in main.get_by_test_id(control).all():
            box = place.bounding_box()
            if box is not None:
                assert box["x"] >= 0, (width, control)
                assert box["x"] + box["width"] <= width, (width, control)
                beyond = place.evaluate("element => element.scrollWidth - element.clientWidth")
                assert beyond <= 0, (width, control)


def test_k_is_edited_in_the_table(page: Page, server: str) -> None:
    open_page(page, f"{server}/compress", "Compress")
    take_the_papers_recipe(page)
    slider = page.get_by_role("slider", name="K of 768")
    expect(slider).to_have_value("691")
    edit_cell(page, page.get_by_test_id("stDataFrame"), SECOND_ROWS_K, "300", slider)
    expect(page.get_by_text("1 group is locked; the others meet the budget.")).to_be_visible()


def test_upload_of_good_and_bad_files(page: Page, server: str) -> None:
    open_page(page, f"{server}/transcribe", "Transcribe")
    files: list[FilePayload] = [
        {"name": "<b>tone</b>.mp3", "mimeType": "audio/mpeg", "buffer": tone()},
        {"name": "notes.wav", "mimeType": "audio/wav", "buffer": b"no sound in here" * 9},
    ]
    page.locator("input[type=file]").first.set_input_files(files)
    expect(transcripts(page)).to_have_count(1)
    expect(page.get_by_test_id("stAlert").filter(has_text="notes.wav")).to_be_visible()
    expect(page.get_by_text("Clip on show (1 loaded)")).to_be_visible()
    expect(page.get_by_test_id("stAudio")).to_have_count(1)


def test_hostile_reference_runs_nothing(page: Page, server: str) -> None:
    dialogs: list[str] = []

    def refuse(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    open_page(page, f"{server}/transcribe", "Transcribe")
    choose_bundled(page, "A number")
    expect(transcripts(page)).to_have_count(1)
    page.get_by_role("button", name="Options").click()
    choose(page, "Normaliser", "none")
    page.keyboard.press("Escape")
    write_reference(page, "<img/src=x/onerror=alert(1)> five")
    expect(page.get_by_text("<img/src=x/onerror=alert(1)>").last).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    assert dialogs == []
