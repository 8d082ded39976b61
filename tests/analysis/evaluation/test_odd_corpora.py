"""Corpora as people have them: odd tables and names, links, clips that change or end early."""

import errno
import json
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from analysis.errors import UserError
from analysis.evaluation.corpora import Fault, read_corpus
from tests.helpers.corpora import clip
from tests.helpers.sounds import written


def test_a_quoted_field_with_a_line_break_keeps_its_words_apart(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        clip(tmp_path / name)
    (tmp_path / "metadata.csv").write_bytes(
        b'file_name,transcription\r\na.wav,"one\r\ntwo"\r\nb.wav,three\r\n'
    )
    assert read_corpus(tmp_path).references == ["one two", "three"]


def test_a_csv_whose_quotes_do_not_match_is_read_up_to_there(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        clip(tmp_path / name)
    table = tmp_path / "metadata.csv"
    table.write_text('file_name,text\na.wav,one\nb.wav,"two\nc.wav,three\n')
    corpus = read_corpus(tmp_path)
    assert corpus.references == ["one"]
    assert corpus.faults == (
        Fault(
            "metadata.csv, from line 3 on",
            "It is no CSV: unexpected end of data; check the quotation marks.",
        ),
        Fault("b.wav", "No table has a transcript for it."),
        Fault("c.wav", "No table has a transcript for it."),
    )
    table.write_text('"file_name,text\na.wav,one\n')
    with pytest.raises(UserError, match=r"metadata\.csv is no CSV: unexpected end of data\."):
        read_corpus(tmp_path)


@pytest.mark.parametrize("separator", ["\u2028", "\u0085"])
def test_lines_end_at_line_feeds_only(tmp_path: Path, separator: str) -> None:
    """Both are white space to Unicode, and JSON writes them as they are."""
    clip(tmp_path / "a.wav")
    row = {"file_name": "a.wav", "text": f"one{separator}two"}
    line = json.dumps(row, ensure_ascii=False) + "\r\n"
    (tmp_path / "metadata.jsonl").write_bytes(line.encode())
    corpus = read_corpus(tmp_path)
    assert (corpus.references, corpus.faults) == (["one two"], ())
    (tmp_path / "metadata.jsonl").unlink()
    (tmp_path / "x.trans.txt").write_bytes(f"a ONE{separator}TWO\r\n".encode())
    assert read_corpus(tmp_path).references == ["ONE TWO"]


def test_a_clip_that_changed_since_its_check_is_refused(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.wav")
    (tmp_path / "metadata.csv").write_text("file_name,text\na.wav,one\n")
    (utterance,) = read_corpus(tmp_path).utterances
    clip(path, seed=1)
    with pytest.raises(UserError, match=r"a\.wav has changed since it was checked\. Check the"):
        utterance.read()
    path.unlink()
    with pytest.raises(UserError, match="cannot be opened any more: No such file"):
        utterance.read()


def test_speaker_0_is_a_speaker(tmp_path: Path) -> None:
    rows = [{"file_name": f"{n}.wav", "text": "x", "speaker_id": n} for n in range(2)]
    for row in rows:
        clip(tmp_path / str(row["file_name"]))
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert read_corpus(tmp_path).speakers == ("0", "1")


@pytest.mark.timeout(20)
def test_entries_that_would_crash_or_hang_are_faults(tmp_path: Path) -> None:
    clip(tmp_path / "a.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    rows = [
        '{"audio_filepath": "a.wav", "text": "one"}',
        '{"audio_filepath": "a\\u0000.wav", "text": "x"}',
        '{"audio_filepath": "a.wav", "text": "\\ud800"}',
        '{"audio_filepath": "~nobody-here/a.wav", "text": "x"}',
        f'{{"audio_filepath": "a.wav", "text": "x", "duration": 1{"0" * 400}}}',
        '{"audio_filepath": "a.wav", "text": "x", "duration": NaN}',
        f'{{"text": {"[" * 100_000}',
        '{"audio_filepath": "pipe.wav", "text": "x"}',
        '{"audio_filepath": "/dev/zero", "text": "x"}',
        '{"audio_filepath": "folder.wav", "text": "x"}',
        f'{{"audio_filepath": "{"a" * 300}.wav", "text": "x"}}',
    ]
    manifest = tmp_path / "test.jsonl"
    manifest.write_text("\n".join(rows))
    corpus = read_corpus(manifest)
    assert corpus.references == ["one"]
    assert {fault.where: fault.reason for fault in corpus.faults} == {
        "test.jsonl, line 2": "It holds characters that no file name and no text can have.",
        "test.jsonl, line 3": "It holds characters that no file name and no text can have.",
        "test.jsonl, line 4": "It names the folder of a user who is not here: ~nobody-here/a.wav.",
        "test.jsonl, line 5": "Its duration is no number of seconds.",
        "test.jsonl, line 6": "Its duration is no number of seconds.",
        "test.jsonl, line 7": "It is no JSON object.",
        "pipe.wav": "It cannot be opened: it is no regular file.",
        "/dev/zero": "It cannot be opened: it is no regular file.",
        "folder.wav": "It cannot be opened: it is no regular file.",
        "a" * 300 + ".wav": "It cannot be opened: File name too long.",
    }


@pytest.mark.timeout(20)
def test_a_table_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "metadata.csv")
    with pytest.raises(UserError, match=r"metadata\.csv cannot be read as text"):
        read_corpus(tmp_path)


@pytest.mark.parametrize("source", ["~nobody-here/data", "a\0b", "a" * 300])
def test_a_path_that_cannot_be(source: str) -> None:
    with pytest.raises(UserError, match=r"There is no folder or manifest|leads nowhere"):
        read_corpus(Path(source))


def test_links_to_folders_are_followed_and_no_clip_is_met_twice(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "corpus", tmp_path / "elsewhere"
    for folder in (root / "own", elsewhere / "deeper"):
        clip(folder / "a.wav", seed=len(str(folder)))
        (folder / "metadata.csv").write_text("file_name,text\na.wav,one\n")
    clip(elsewhere / "untold.wav")
    (elsewhere / "round").symlink_to(root)
    (root / "linked").symlink_to(elsewhere)
    (root / "again").symlink_to(root / "own")
    (root / "own" / "up").symlink_to(tmp_path)
    (root / "z").symlink_to(elsewhere / "deeper")
    corpus = read_corpus(root)
    assert [u.id for u in corpus.utterances] == ["own/a.wav", "z/a.wav"]
    assert corpus.faults == (Fault("linked/untold.wav", "No table has a transcript for it."),)


def test_a_clip_that_a_table_names_through_a_link_has_a_transcript(tmp_path: Path) -> None:
    clip(tmp_path / "clips/a.wav")
    (tmp_path / "link").symlink_to(tmp_path / "clips")
    (tmp_path / "metadata.csv").write_text("file_name,text\nlink/a.wav,one\n")
    assert read_corpus(tmp_path).faults == ()


def test_a_folder_that_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip(tmp_path / "a.wav")
    (tmp_path / "metadata.csv").write_text("file_name,text\na.wav,one\n")
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert read_corpus(tmp_path).faults == (
        Fault("closed", "The folder cannot be opened: Permission denied."),
    )


def test_a_clip_that_was_cut_short_is_a_fault(tmp_path: Path) -> None:
    whole = clip(tmp_path / "whole.wav", 1.0).read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[:16_000])
    sound = np.random.default_rng(0).normal(0, 0.1, 4 * 48_000)
    ogg = written(sound, 48_000, "OGG", "OPUS")
    (tmp_path / "cut.opus").write_bytes(ogg[: len(ogg) // 2])
    (tmp_path / "metadata.csv").write_text(
        "file_name,transcription\nwhole.wav,all of it\ncut.wav,all of it\ncut.opus,all of it\n"
    )
    corpus = read_corpus(tmp_path)
    assert [u.id for u in corpus.utterances] == ["whole.wav"]
    assert corpus.faults == (
        Fault("cut.opus", "The file was cut short: the end of its stream is missing."),
        Fault("cut.wav", "The file was cut short: its header states 1.0 s, and it holds 0.5 s."),
    )


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_table", ["NFC", "NFD"])
@pytest.mark.parametrize("separator", ["/", "\\"])
def test_names_match_however_a_system_writes_them(
    tmp_path: Path, on_disk: str, in_table: str, separator: str
) -> None:
    def form(text: str, name: str) -> str:
        return unicodedata.normalize(name, text)  # type: ignore[arg-type]

    path = clip(tmp_path / form("école", on_disk) / form("été.wav", on_disk))
    named = form("école", in_table) + separator + form("été.wav", in_table)
    rows = [{"audio_filepath": named, "text": "oui"}, {"audio_filepath": named, "text": "non"}]
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    corpus = read_corpus(tmp_path)
    assert [(u.path, u.text) for u in corpus.utterances] == [(path, "oui")]
    assert [fault.reason for fault in corpus.faults] == ["It is named twice."]


def test_a_backslash_may_be_part_of_a_name(tmp_path: Path) -> None:
    path = clip(tmp_path / "a\\b.wav")
    clip(tmp_path / "a" / "b.wav")
    (tmp_path / "manifest.jsonl").write_text(
        json.dumps({"audio_filepath": "a\\b.wav", "text": "yes"})
    )
    assert [u.path for u in read_corpus(tmp_path).utterances] == [path]


def test_librispeech_names_match_in_both_forms(tmp_path: Path) -> None:
    clip(tmp_path / "e\u0301-1-0.flac")
    (tmp_path / "x.trans.txt").write_text("\u00e9-1-0 OUI\n")
    assert [u.text for u in read_corpus(tmp_path).utterances] == ["OUI"]


def test_a_row_with_too_many_fields_is_a_fault_and_no_shorter_text(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        clip(tmp_path / name)
    (tmp_path / "metadata.csv").write_text("file_name,text\na.wav,five one, six\nb.wav,two\n")
    corpus = read_corpus(tmp_path)
    assert corpus.references == ["two"]
    assert corpus.faults[0].where == "metadata.csv, line 2"
    assert "needs quotation marks" in corpus.faults[0].reason


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    clip(tmp_path / "a.wav")
    (tmp_path / "metadata.csv").write_text("file_name,text,text\na.wav,one,two\n")
    with pytest.raises(UserError, match="two columns of one name"):
        read_corpus(tmp_path)


def test_what_may_not_be_read_is_not_looked_for(tmp_path: Path) -> None:
    """Neither by a path in a table nor behind a link."""
    root, secret = tmp_path / "root", tmp_path / "secret"
    clip(root / "a.wav")
    there = clip(secret / "b.wav")
    clip(secret / "c.wav")
    (root / "link").symlink_to(secret)
    rows = ["a.wav,one", f"{there},two", "../secret/b.wav,two", "../secret/none.wav,three"]
    (root / "metadata.csv").write_text("\n".join(["file_name,text", *rows]))

    def may_read(path: Path) -> bool:
        return path.resolve().is_relative_to(root)

    corpus = read_corpus(root, may_read=may_read)
    assert [utterance.id for utterance in corpus.utterances] == ["a.wav"]
    assert {fault.reason for fault in corpus.faults} == {
        "It is not open to visitors of this server."
    }
    assert len(corpus.faults) == 3
    assert not any("c.wav" in fault.where for fault in corpus.faults)


def test_durations_that_are_no_numbers_are_faults_and_numbers_in_quotes_count(
    tmp_path: Path,
) -> None:
    clip(tmp_path / "a.wav")
    manifest = tmp_path / "test.jsonl"
    manifest.write_text(
        '{"audio_filepath": "a.wav", "text": "one", "duration": "0.5"}\n'
        '{"audio_filepath": "a.wav", "text": "two", "duration": "long"}\n'
        '{"audio_filepath": "a.wav", "text": "three", "duration": [1]}\n'
    )
    faults = read_corpus(manifest).faults
    assert [fault.where for fault in faults if "no number of seconds" in fault.reason] == [
        "test.jsonl, line 2",
        "test.jsonl, line 3",
    ]


def test_empty_transcripts_are_counted(tmp_path: Path) -> None:
    clip(tmp_path / "a.wav")
    clip(tmp_path / "b.wav")
    (tmp_path / "metadata.csv").write_text("file_name,transcription\na.wav,one\nb.wav, \n")
    assert read_corpus(tmp_path).describe().endswith("; 1 with an empty transcript")
