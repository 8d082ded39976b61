"""The archive of a variant arrives in a real browser, and holds what loads."""

import zipfile
from pathlib import Path

from playwright.sync_api import Download, Page, expect

from analysis.models.loading import load
from tests.helpers.chromium import settle


def test_a_variant_is_downloaded_as_one_archive(page: Page, server: str, tmp_path: Path) -> None:
    page.goto(f"{server}/compress?mode=Expert")
    page.locator(".st-key-compress button").click()
    expect(page.get_by_text("has these settings")).to_be_visible()
    settle(page)  # a button of the run before the check gives nothing any more
    with page.expect_download() as arrived:
        page.get_by_role("button", name="Download (ZIP)").click()
    assert_loads(arrived.value, tmp_path / "panel")
    # the same from the sidebar, whose button says by its name what it is for
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_role("button", name="Actions for Coalesce's default 10 %").click()
    with page.expect_download() as arrived:
        page.get_by_test_id("stPopoverBody").get_by_role("button", name="Download (ZIP)").click()
    assert_loads(arrived.value, tmp_path / "row")


def assert_loads(arrived: Download, folder: Path) -> None:
    """The archive holds a model of a tenth less."""
    assert arrived.suggested_filename == "Coalesces-default-10.zip"
    with zipfile.ZipFile(arrived.path()) as together:
        together.extractall(folder)
    model = load(str(folder / "Coalesces-default-10"))
    assert model.plan is not None
    assert model.plan.recipe.sparsity == 0.1
