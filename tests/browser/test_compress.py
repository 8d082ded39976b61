"""Compress in a real browser: a group, its K, undo, a lock, a variant, another page and back."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.helpers.chromium import choose, cut, percentages, settle, take_the_papers_recipe

FFN = "Encoder 1 · FFN channels"


def sentence(page: Page) -> Locator:
    return page.get_by_text("predicted merge error", exact=False).first


def chart(page: Page, title: str) -> Locator:
    return page.locator(".js-plotly-plot").filter(has_text=title).first


def k_slider(page: Page) -> Locator:
    return page.get_by_role("slider", name=re.compile(r"K of \d+"))


def test_a_plan_is_edited_undone_locked_and_made(page: Page, server: str) -> None:
    page.goto(f"{server}/compress")
    take_the_papers_recipe(page)
    expect(sentence(page)).to_contain_text("Merge 10 %")

    choose(page, re.compile("Selected group"), FFN)
    slider = page.get_by_role("slider", name="K of 768")
    expect(slider).to_have_value("691")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(60)
    expect(chart(page, "K = 688 of 768")).to_be_visible()
    locked = page.get_by_text("1 group is locked; the others meet the budget.")
    expect(locked).to_be_visible()

    undo = page.get_by_role("button", name="Undo")
    for _ in range(3):  # the browser may have sent one step or three
        expect(undo).to_be_visible()
        if undo.is_enabled() and locked.is_visible():
            undo.click()
            page.wait_for_timeout(1500)
    expect(sentence(page)).to_contain_text("Merge 10 %")
    expect(slider).to_have_value("691")
    expect(page.get_by_role("button", name="Redo")).to_be_enabled()

    page.get_by_role("button", name="Lock", exact=True).click()
    expect(locked).to_be_visible()
    sparsity = page.get_by_role("slider", name="Sparsity")
    sparsity.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(60)
    expect(sentence(page)).to_contain_text("Merge 15 %")
    expect(slider).to_have_value("691")

    compress = page.get_by_role("button", name="Compress")
    place = compress.bounding_box()
    compress.click()
    expect(page.get_by_text("has these settings")).to_be_visible()
    assert page.get_by_role("button", name="Listen to it").bounding_box() == place
    expect(chart(page, "is the smallest")).to_be_visible()
    page.get_by_role("button", name="Measure the drift of 1 variant").click()
    expect(chart(page, "of its norm")).to_be_visible()
    expect(chart(page, "drift of encoder output")).to_be_visible()

    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
    page.get_by_role("link", name="Compress").click()
    expect(page.get_by_role("heading", name="Compress", exact=True)).to_be_visible()
    expect(sentence(page)).to_contain_text("Merge 15 %")
    expect(k_slider(page)).to_have_value("691")
    expect(page.get_by_text("1 group is locked; the others meet the budget.")).to_be_visible()
    expect(chart(page, "of its norm")).to_be_visible()


def test_a_lock_and_compress_at_once_make_the_plan_that_is_shown(page: Page, server: str) -> None:
    page.goto(f"{server}/compress")
    take_the_papers_recipe(page)
    expect(k_slider(page)).to_have_value("691")
    page.get_by_role("button", name="Lock", exact=True).click()
    page.get_by_role("button", name="Compress").click()
    expect(page.get_by_text("has these settings")).to_be_visible()
    expect(page.get_by_text("1 group is locked; the others meet the budget.")).to_be_visible()
    expect(k_slider(page)).to_have_value("691")


def test_a_click_on_an_error_curve_selects_its_group(page: Page, server: str) -> None:
    page.goto(f"{server}/compress")
    take_the_papers_recipe(page)
    page.get_by_role("radio", name="Error curves").click(force=True)
    curves = chart(page, "Each cell: K from 1")
    expect(curves).to_be_visible()
    marks = curves.locator(".scatterlayer .point")
    expect(marks).to_have_count(21)
    marks.nth(8).click(force=True)  # six lines of heads come first, then the FFNs
    expect(page.get_by_role("slider", name="K of 768")).to_be_visible()
    expect(page.get_by_role("combobox", name=re.compile("Selected group"))).to_have_value(
        "Encoder 2 · FFN channels"
    )


def test_nothing_is_cut_and_percentages_are_few_on_every_screen(page: Page, server: str) -> None:
    page.goto(f"{server}/compress")
    take_the_papers_recipe(page)
    for mode in ("Expert", "Simple"):
        page.get_by_role("radio", name=mode).click(force=True)
        settle(page)
        expect(page).to_have_url(re.compile(f"mode={mode}"))
        for width, height in ((1440, 900), (1024, 768), (390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            settle(page)
            assert cut(page) == [], f"{mode}, {width} pixels wide"
            assert 2 <= len(percentages(page)) <= 4, percentages(page)
    page.reload()
    expect(page.get_by_role("radio", name="Simple")).to_be_checked()
