"""Reference transcripts are found for the right clip, whatever form they come in."""

from pathlib import Path

import pytest

from analysis.errors import UserError
from analysis.references import read_references


def test_text_is_the_reference_of_one_clip() -> None:
    assert read_references("go forward", [Path("a.wav")]) == ["go forward"]


def test_text_for_two_clips_is_refused() -> None:
    with pytest.raises(UserError, match="2 clips"):
        read_references("go forward", [Path("a.wav"), Path("b.wav")])


def test_librispeech_lines_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    table = tmp_path / "84-1.trans.txt"
    table.write_text("84-1-0000 THE FIRST\n84-1-0001 AND THE SECOND\n")
    clips = [Path("x/84-1-0001.flac"), Path("y/84-1-0000.flac")]
    assert read_references(str(table), clips) == ["AND THE SECOND", "THE FIRST"]


def test_metadata_csv_is_read_by_column_name(tmp_path: Path) -> None:
    table = tmp_path / "metadata.csv"
    table.write_text('file_name,voice,transcription\nsub/a.wav,f1,"yes, please"\nb.wav,f2,no\n')
    assert read_references(str(table), [Path("b.wav"), Path("a.wav")]) == ["no", "yes, please"]


def test_metadata_csv_without_transcripts_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "metadata.csv"
    table.write_text("file_name,voice\na.wav,f1\n")
    with pytest.raises(UserError, match="transcription"):
        read_references(str(table), [Path("a.wav")])


def test_clip_without_line_is_named(tmp_path: Path) -> None:
    table = tmp_path / "metadata.csv"
    table.write_text("file_name,transcription\na.wav,yes\n")
    with pytest.raises(UserError, match=r"b\.wav"):
        read_references(str(table), [Path("b.wav")])


def test_plain_lines_belong_to_clips_in_order(tmp_path: Path) -> None:
    table = tmp_path / "texts.txt"
    table.write_text("first one\n\nsecond one\n")
    assert read_references(str(table), [Path("a.wav"), Path("b.wav")]) == [
        "first one",
        "second one",
    ]
    with pytest.raises(UserError, match="2 lines for 3 clips"):
        read_references(str(table), [Path("a.wav"), Path("b.wav"), Path("c.wav")])


def test_lines_of_a_file_for_one_clip_are_one_text(tmp_path: Path) -> None:
    table = tmp_path / "text.txt"
    table.write_text("first line\nsecond line\n")
    assert read_references(str(table), [Path("a.wav")]) == ["first line second line"]


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "noise.txt"
    table.write_bytes(b"\xff\xfe\x00\xd8\x80")
    with pytest.raises(UserError, match=r"noise\.txt"):
        read_references(str(table), [Path("a.wav")])
