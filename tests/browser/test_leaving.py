"""The archive of a variant arrives in a real browser, and holds what loads."""

import zipfile
from pathlib import Path

from playwright.sync_api import Page, expect

from analysis.models.loading import load


def test_a_variant_is_downloaded_as_one_archive(page: Page, server: str, tmp_path: Path) -> None:
    page.goto(f"{server}/compress")
    page.locator(".st-key-compress button").click()
    expect(page.get_by_text("has these settings")).to_be_visible()
    with page.expect_download() as arrived:
        page.get_by_role("button", name="Download (ZIP)").click()
    assert arrived.value.suggested_filename == "surgeon-10-end-to-end.zip"
    with zipfile.ZipFile(arrived.value.path()) as together:
        together.extractall(tmp_path)
    model = load(str(tmp_path / "surgeon-10-end-to-end"))
    assert model.plan is not None
    assert model.plan.recipe.sparsity == 0.1
