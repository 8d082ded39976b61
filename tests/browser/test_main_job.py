"""The app's main job, in a real browser: pick a clip, move a slider, compress, read both."""

import io
import re

import numpy as np
import soundfile
from playwright.sync_api import Dialog, FilePayload, Locator, Page, Position, expect

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


def sentence(page: Page) -> Locator:
    return page.get_by_text("predicted merge error", exact=False).first


def test_page_opened_by_its_address_gets_the_whole_app(page: Page, server: str) -> None:
    open_page(page, f"{server}/transcribe", "Transcribe")
    expect(page.get_by_role("link", name="Compress")).to_be_visible()
    expect(page.get_by_text("Here will be the transcripts, side by side.")).to_be_visible()


def test_from_slider_to_both_transcripts(page: Page, server: str) -> None:
    open_page(page, f"{server}/compress", "Compress")
    take_the_papers_recipe(page)
    expect(sentence(page)).to_contain_text("Merge 10 %")
    settle(page)
    slider = page.get_by_role("slider", name="Sparsity")
    slider.focus()
    for _ in range(9):  # down past 8 %, where the selected group's K changes under its own slider
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(60)
    expect(sentence(page)).to_contain_text("Merge 1 %")
    for _ in range(14):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(60)
    expect(sentence(page)).to_contain_text("Merge 15 %")
    page.get_by_role("button", name="Compress").click()
    expect(page.get_by_text("has these settings")).to_be_visible()
    expect(page.get_by_test_id("stSidebar").get_by_text("cluster 15 % uniform")).to_be_visible()

    page.get_by_role("button", name="Listen to it").click()
    expect(page.get_by_role("heading", name="Transcribe", exact=True)).to_be_visible()
    page.get_by_role("button", name=re.compile("A digit string")).click()
    expect(transcripts(page)).to_have_count(2)
    page.get_by_role("textbox", name="Reference text").fill("quite other words than these")
    page.get_by_role("textbox", name="Reference text").press("Control+Enter")
    marks = page.locator("[data-testid=stHtml] p[dir=auto]").locator("u, del, ins")
    expect(marks.first).to_be_visible()
    for card in transcripts(page).all():
        assert card.locator("u, del, ins").count() >= 1
        assert card.locator("sup").first.inner_text() in ("S", "D", "I")
    names = page.get_by_text(re.compile("^■ (original|cluster 15 % uniform)$"))
    assert names.all_inner_texts()[-2:] == ["■ original", "■ cluster 15 % uniform"]
    blue = names.nth(names.count() - 2).locator("span").first
    assert blue.evaluate("element => getComputedStyle(element).color") == "rgb(0, 114, 178)"

    page.get_by_role("link", name="Compress").click()
    expect(sentence(page)).to_contain_text("Merge 15 %")


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
    page.get_by_role("button", name=re.compile("A number")).click()
    expect(transcripts(page)).to_have_count(1)
    choose(page, "Normaliser", "none")
    page.get_by_role("textbox", name="Reference text").fill("<img/src=x/onerror=alert(1)> five")
    page.get_by_role("textbox", name="Reference text").press("Control+Enter")
    expect(page.get_by_text("<img/src=x/onerror=alert(1)>").last).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    assert dialogs == []
