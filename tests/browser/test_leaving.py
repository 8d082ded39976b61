"""The archive of a variant arrives in a real browser, and holds what loads."""

import zipfile
from pathlib import Path

from playwright.sync_api import Page, expect

from analysis.models.loading import load


def test_a_variant_is_downloaded_as_one_archive(page: Page, server: str, tmp_path: Path) -> None:
    page.goto(f"{server}/compress?mode=Expert")
    page.locator(".st-key-compress button").click()
    expect(page.get_by_text("has these settings")).to_be_visible()
    with page.expect_download() as arrived:
        page.get_by_role("button", name="Download (ZIP)").click()
    assert arrived.value.suggested_filename == "Coalesces-default-10.zip"
    with zipfile.ZipFile(arrived.value.path()) as together:
        together.extractall(tmp_path)
    model = load(str(tmp_path / "Coalesces-default-10"))
    assert model.plan is not None
    assert model.plan.recipe.sparsity == 0.1
