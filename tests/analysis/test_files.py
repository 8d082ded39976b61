"""Files are written whole, and in the place of files alone."""

import os
from pathlib import Path

import pytest

from analysis.files import replace_bytes


def test_a_file_takes_the_place_of_another(tmp_path: Path) -> None:
    replace_bytes(tmp_path / "a", b"one")
    replace_bytes(tmp_path / "a", b"two")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"two")]


def test_a_pipe_or_a_folder_stays(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(OSError, match="no file"):
            replace_bytes(tmp_path / name, b"content")
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


def test_a_refusal_names_the_file_that_was_meant(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        replace_bytes(tmp_path / "gone" / "a", b"content")
    assert caught.value.filename == str(tmp_path / "gone" / "a")
