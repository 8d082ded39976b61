"""Models are found in folders and in the hub's cache, and nothing else is listed."""

import json
import os
from pathlib import Path

import pytest

from analysis.models import finding
from analysis.models.finding import cached_models, list_folders, model_roots


def make_model(folder: Path, model_type: str = "whisper") -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def names(folder: Path, *roots: Path) -> list[tuple[str, bool]]:
    return [(one.path.name, one.is_model) for one in list_folders(folder, roots)]


def test_only_models_and_what_leads_to_one_are_listed_models_first(tmp_path: Path) -> None:
    make_model(tmp_path / "whisper")
    make_model(tmp_path / "archive" / "2024" / "small")
    make_model(tmp_path / "a-text-model", "bert")
    make_model(tmp_path / ".hidden" / "whisper")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    (tmp_path / "music" / "albums").mkdir(parents=True)
    make_model(tmp_path.joinpath("deep", *"abcdef"))
    assert names(tmp_path, tmp_path) == [("whisper", True), ("archive", False)]
    assert names(tmp_path / "archive", tmp_path) == [("2024", False)]


def test_links_lead_nowhere_outside_of_the_roots(tmp_path: Path) -> None:
    make_model(tmp_path / "secret" / "model")
    home = tmp_path / "home"
    home.mkdir()
    (home / "link").symlink_to(tmp_path / "secret")
    (home / "loop").symlink_to(home)
    assert names(home, home) == []
    assert names(tmp_path / "secret", home) == []
    assert names(home / ".." / "secret", home) == []
    assert ("link", False) in names(home, home, tmp_path / "secret")


def test_a_search_that_is_given_up_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_model(tmp_path / "many" / "z" / "model")
    for number in range(9):
        (tmp_path / "many" / f"{number}" / "empty").mkdir(parents=True)
    monkeypatch.setattr(finding, "_MOST_FOLDERS", 3)
    assert names(tmp_path, tmp_path) == [("many", False)]


def test_roots_are_the_home_and_the_current_folder_or_what_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    monkeypatch.delenv(finding.ROOTS_VARIABLE, raising=False)
    assert model_roots() == [home, here]
    monkeypatch.setenv(finding.ROOTS_VARIABLE, os.pathsep.join([str(here), str(tmp_path / "no")]))
    assert model_roots() == [here]


def test_the_hubs_cache_lists_whole_models_of_known_families(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "HF_HUB_CACHE", str(tmp_path))
    assert cached_models() == []
    make_model(tmp_path / "models--openai--whisper-tiny" / "snapshots" / "abc")
    make_model(tmp_path / "models--someone--my--model" / "snapshots" / "abc", "hubert")
    make_model(tmp_path / "models--google--bert" / "snapshots" / "abc", "bert")
    half = make_model(tmp_path / "models--openai--whisper-base" / "snapshots" / "abc")
    (half / "model.safetensors").unlink()
    assert cached_models() == ["openai/whisper-tiny", "someone/my--model"]


@pytest.mark.parametrize("text", ["", "[", "[" * 100_000, "[1]", '{"model_type": ["whisper"]}'])
def test_a_config_that_cannot_be_read_is_no_model(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    assert not finding.is_model(tmp_path)
