"""`coalesce cache`: what lies on disk, how it is emptied, and that no engine is loaded for it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analysis import cache
from analysis.cli import parser as cli
from tests.helpers.places import ROOT


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with two trees and a training run."""
    monkeypatch.setenv("COALESCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COALESCE_CACHE_LIMIT", raising=False)
    for name in ("a", "b"):
        cache.write_arrays(cache.cache_folder("trees") / f"{name}.npz", {"x": np.zeros(100_000)})
    run = cache.cache_folder("training") / "run"
    run.mkdir(parents=True)
    (run / "model.bin").write_bytes(bytes(2_000_000))
    return tmp_path / "cache"


def test_show_names_folder_kinds_and_limit(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cache", "show"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(root),
        "computed again when needed:",
        "  contributions         0.0 MB  0 files",
        "  projections           0.0 MB  0 files",
        "  statistics            0.0 MB  0 files",
        "  transcripts           0.0 MB  0 files",
        "  trees                 1.6 MB  2 files",
        "kept until `coalesce cache clear --all`:",
        "  corpora               0.0 MB  0 files",
        "  evaluations           0.0 MB  0 files",
        "  sessions              0.0 MB  0 files",
        "  training              2.0 MB  1 file",
        "limit: 1.6 MB of 4.00 GB, which COALESCE_CACHE_LIMIT sets",
    ]


def test_show_as_json(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COALESCE_CACHE_LIMIT", "500 MB")
    assert cli.main(["cache", "show", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["folder"] == str(root)
    assert printed["limit"] == 500_000_000
    kinds = {kind["kind"]: kind for kind in printed["kinds"]}
    assert kinds["trees"]["files"] == 2
    assert printed["bytes"] == kinds["trees"]["bytes"] > 1_600_000
    assert [name for name, kind in kinds.items() if not kind["is_computed"]] == [
        "corpora",
        "evaluations",
        "sessions",
        "training",
    ]


def test_a_wrong_limit_is_one_line_and_code_2(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COALESCE_CACHE_LIMIT", "much")
    assert cli.main(["cache", "show"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'much'" in line
    assert cli.main(["cache", "clear"]) == 0, "emptying needs no limit"


def test_clear_and_clear_all(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == f"1.6 MB freed in {root}\n"
    assert cli.main(["cache", "clear", "--all", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "folder": str(root),
        "bytes": 2_000_000,
        "failed": 0,
    }
    assert sum(kind.files for kind in cache.usage()) == 0


def test_what_cannot_be_deleted_is_said(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    assert cli.main(["cache", "clear"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("coalesce cache: 2 files")


def test_the_engine_is_not_loaded(root: Path) -> None:
    asked = "from analysis.cli.parser import main; main(['cache', 'show'])"
    code = f"import sys; {asked}; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
