"""Exploring in a real browser: a group, its K, a cluster, another page and back, the link."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.helpers.chromium import cut, settle


def open_clusters(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_role("heading", name="Clusters", exact=True)).to_be_visible()
    expect(k_slider(page)).to_be_visible()


def k_slider(page: Page) -> Locator:
    return page.get_by_role("slider", name=re.compile("Clusters K of"))


def chart(page: Page, title: str) -> Locator:
    return page.locator(".js-plotly-plot").filter(has_text=title).first


def picker(page: Page) -> Locator:
    return page.get_by_role("combobox", name=re.compile("Layer and kind"))


def choose_group(page: Page, title: str) -> None:
    picker(page).click()
    page.get_by_role("option", name=title, exact=True).click()


def choose_largest_cluster(page: Page) -> None:
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)  # a rerun closes the list
    page.get_by_role("radio", name="What it hears").click(force=True)
    clusters = page.get_by_role("combobox", name=re.compile("Clusters of two or more"))
    clusters.scroll_into_view_if_needed()
    clusters.click()
    page.get_by_role("option").first.click()
    expect(page.get_by_text("Together they work hardest at")).to_be_visible()


def look_at_members(page: Page) -> None:
    page.get_by_role("radio", name="Members").click(force=True)
    expect(page.get_by_text(re.compile(r"become one; error|by itself stays"))).to_be_visible()
    expect(page).to_have_url(re.compile(r"cluster=\d+"))


def test_choices_survive_a_change_of_page_and_travel_in_the_link(page: Page, server: str) -> None:
    open_clusters(page, f"{server}/clusters")
    choose_group(page, "Encoder 2 · FFN channels")
    expect(page).to_have_url(re.compile("encoder.2.ffn"))  # the first group's slider looks alike
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    slider = page.get_by_role("slider", name=re.compile("Clusters K of 768"))
    expect(slider).to_be_visible()
    before = int(slider.input_value())
    for wait in (60, 210, 300, 400, 250, 600):  # into the midst of what the last key set off
        slider.press("ArrowLeft")
        page.wait_for_timeout(wait)
    k = before - 6
    expect(chart(page, f"K = {k} costs")).to_be_visible()
    expect(slider).to_have_value(str(k))
    choose_largest_cluster(page)
    look_at_members(page)
    expect(page).to_have_url(re.compile("side=members"))
    link = re.sub("session=[^&]*&", "", page.url)  # as Copy link gives it

    page.get_by_role("link", name="Variance").click()
    expect(page.get_by_role("heading", name="Variance", exact=True)).to_be_visible()
    expect(picker(page)).to_have_value("Encoder 2 · FFN channels")
    page.get_by_role("link", name="Clusters").click()
    expect(page.get_by_role("heading", name="Clusters", exact=True)).to_be_visible()
    expect(k_slider(page)).to_have_value(str(k))
    expect(page.get_by_text(re.compile(r"channels become one; error"))).to_be_visible()

    colleague = page.context.new_page()
    colleague.set_default_timeout(240_000)
    open_clusters(colleague, link)
    expect(picker(colleague)).to_have_value("Encoder 2 · FFN channels")
    expect(k_slider(colleague)).to_have_value(str(k))
    expect(colleague.get_by_text(re.compile(r"channels become one; error"))).to_be_visible()
    colleague.close()


def test_a_point_on_the_map_chooses_its_cluster_and_a_box_its_points(
    page: Page, server: str
) -> None:
    open_clusters(page, f"{server}/clusters?model=demo-whisper&group=encoder.1.ffn&k=600")
    map_ = chart(page, "600 clusters of 768 channels")
    expect(map_).to_be_visible()
    points = map_.locator(".scatterlayer .point")
    expect(points.first).to_be_visible()
    points.nth(400).click(force=True)
    expect(page).to_have_url(re.compile("units=|cluster="))
    look_at_members(page)

    map_ = chart(page, "600 clusters of 768 channels")
    map_.hover()
    map_.locator("[data-attr=dragmode][data-val=select]").click()
    area = map_.locator(".nsewdrag").first.bounding_box()
    assert area is not None
    left, top = area["x"] + 5, area["y"] + 5
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(left + area["width"] - 10, top + area["height"] - 10, steps=8)
    page.mouse.up()
    # the clicked point's cluster may have been read before, but has not as many members
    expect(page.get_by_text(re.compile(r"[3-7]\d\d channels become one; error"))).to_be_visible()


def test_back_shows_the_view_before_and_holds_nobody_there(page: Page, server: str) -> None:
    view = "model=demo-whisper&view=group&group=encoder.1.ffn&k=600"
    open_clusters(page, f"{server}/clusters?{view}")
    expect(chart(page, "K = 600 costs")).to_be_visible()
    expect(page).to_have_url(re.compile(f"{view}$"))
    slider = page.get_by_role("slider", name=re.compile("Clusters K of 768"))
    slider.press("ArrowLeft")
    expect(page).to_have_url(re.compile("k=599"))
    expect(chart(page, "K = 599 costs")).to_be_visible()
    page.go_back()
    expect(chart(page, "K = 600 costs")).to_be_visible()
    expect(page).to_have_url(re.compile(f"{view}$"))
    slider.press("ArrowRight")
    expect(chart(page, "K = 601 costs")).to_be_visible()
    expect(page).to_have_url(re.compile(view.replace("600", "601") + "$"))
    choose_largest_cluster(page)
    page.go_back()
    expect(page.get_by_text("Together they work hardest at")).to_have_count(0)
    expect(page).to_have_url(re.compile(view.replace("600", "601") + "$"))


def test_back_leads_to_the_page_before_at_one_press(page: Page, server: str) -> None:
    page.goto(f"{server}/overview")
    page.wait_for_url(re.compile("overview[?].*model="))
    for name in ("Variance", "Clusters"):
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_url(re.compile(f"{name.lower()}[?].*model="))
    for name in ("Variance", "Overview"):
        page.go_back()
        page.wait_for_url(re.compile(f"{name.lower()}[?].*model="))
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def test_every_page_shows_the_group_that_nobody_chose_yet(page: Page, server: str) -> None:
    page.goto(server)
    settle(page)
    for name in ("Variance", "Clusters", "Compress", "Clusters", "Variance"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
        if name == "Compress":  # with few controls it selects no group
            page.get_by_role("radio", name="Expert").click(force=True)
        box = page.get_by_role("combobox", name=re.compile("Layer and kind|Selected group"))
        expect(box).to_have_value("Encoder 0 · FFN channels")
        expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
        expect(box).to_have_value("Encoder 0 · FFN channels")


def test_click_on_the_overview_selects_a_group_and_opens_it(page: Page, server: str) -> None:
    page.goto(f"{server}/overview")
    expect(page.get_by_text(re.compile("Selected: Encoder 0 · FFN channels"))).to_be_visible()
    settle(page)
    tiles = chart(page, "of the parameters can be merged").locator(".bars .point path")
    area = tiles.nth(3).bounding_box()  # after the strips of the stack and of its heads: layer 1
    assert area is not None
    page.mouse.click(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    expect(page.get_by_text("Selected: Encoder 1 · self-attention heads")).to_be_visible()
    page.get_by_role("button", name="Open in Clusters").click()
    expect(page.get_by_role("heading", name="Clusters", exact=True)).to_be_visible()
    expect(picker(page)).to_have_value("Encoder 1 · self-attention heads")


def test_nothing_is_cut_and_the_map_of_variance_is_seen_at_once(page: Page, server: str) -> None:
    for width, height in ((1440, 900), (1024, 768), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        for name, title in (
            ("variance", "is highest in"),
            ("overview", "of the parameters can be merged"),
            ("clusters", "K = "),
        ):
            page.goto(f"{server}/{name}")
            drawn = chart(page, title)
            expect(drawn).to_be_visible()
            settle(page)
            assert cut(page) == [], f"{name}, {width} pixels wide"
            place = drawn.bounding_box()
            assert place is not None
            if name == "variance" and width > 1000:
                assert place["y"] < 400
            for line in drawn.locator(".gtitle, .gtitle tspan").all():
                written = line.bounding_box()
                assert (
                    written is None
                    or written["x"] + written["width"] <= place["x"] + place["width"]
                )
                assert written is None or written["y"] >= place["y"], "a title is cut at its top"


def test_overview_and_variance_choose_the_same_group(page: Page, server: str) -> None:
    page.goto(f"{server}/variance")
    expect(page.get_by_role("heading", name="Variance", exact=True)).to_be_visible()
    choose_group(page, "Decoder 1 · cross-attention heads")
    page.get_by_role("link", name="Clusters").click()
    expect(page.get_by_role("heading", name="Clusters", exact=True)).to_be_visible()
    expect(picker(page)).to_have_value("Decoder 1 · cross-attention heads")
    expect(chart(page, "Highest cosine")).to_be_visible()
