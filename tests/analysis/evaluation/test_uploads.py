"""Uploaded corpora: laid out as folders, and nothing lands outside of them."""

import io
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from analysis.errors import UserError
from analysis.evaluation import uploads
from analysis.evaluation.corpora import read_corpus
from analysis.evaluation.uploads import LaidOut, lay_out_upload
from tests.helpers.corpora import clip


def packed(files: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def laid_out(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def sound(tmp_path: Path) -> bytes:
    return clip(tmp_path / "sound.flac").read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "upload"
    made.mkdir()
    return made


def test_loose_clips_and_their_table(folder: Path, sound: bytes) -> None:
    table = b"file_name,transcription\na.flac,one\nb.flac,two\n"
    files = [("a.flac", sound), ("b.flac", sound), ("metadata.csv", table), ("readme.md", b"")]
    assert lay_out_upload(files, folder) == LaidOut(3, ())
    corpus = read_corpus(folder)
    assert [u.text for u in corpus.utterances] == ["one", "two"]
    assert corpus.faults == ()


def test_a_packed_librispeech_folder(folder: Path, sound: bytes) -> None:
    archive = packed(
        {
            "test/84/1/84-1-0.flac": sound,
            "test/84/1/84-1.trans.txt": b"84-1-0 A CAT\n",
            "__MACOSX/test/84/1/._84-1-0.flac": b"",
            "test/.DS_Store": b"",
        }
    )
    assert lay_out_upload([("Corpus.ZIP", archive)], folder) == LaidOut(2, ())
    [utterance] = read_corpus(folder).utterances
    assert (utterance.id, utterance.text, utterance.speaker) == (
        "test/84/1/84-1-0.flac",
        "A CAT",
        "84",
    )


def test_nothing_lands_outside(folder: Path) -> None:
    names = [
        *("../up.csv", "/etc/root.csv", "..\\..\\windows.csv", "C:\\drive.csv"),
        *("a/../../b.csv", "new\nline;$(x).csv", "x" * 300 + ".csv", "///.csv"),
    ]
    lay_out_upload([(name, b"") for name in names[:4]], folder)
    lay_out_upload([("all.zip", packed({name: b"" for name in names[4:]}))], folder)
    assert [path.name for path in folder.parent.iterdir()] == ["upload"]
    found = laid_out(folder)
    assert {"up.csv", "etc/root.csv", "windows.csv", "C_/drive.csv", "a/b.csv"} <= set(found)
    assert "new_line__(x).csv" in found
    assert max(len(name) for name in found) == 100


def test_too_much_is_refused_before_it_is_unpacked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", 1000)
    bomb = packed({"zeros.csv": bytes(100_000)})
    assert len(bomb) < 1000
    with pytest.raises(UserError, match="more than"):
        lay_out_upload([("bomb.zip", bomb)], folder)
    found = lay_out_upload(
        [(f"{name}.csv", bytes(n)) for name, n in (("a", 600), ("b", 600), ("c", 9))], folder
    )
    assert laid_out(folder) == ["a.csv", "c.csv"]
    assert [fault.where for fault in found.faults] == ["b.csv"]


def test_what_packs_as_no_sound_does_is_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "FREE_BYTES", 50_000)
    silence = packed({"short.csv": bytes(49_000)})
    bomb = packed({"zeros.csv": bytes(51_000)})
    found = lay_out_upload([("bomb.zip", bomb), ("quiet.zip", silence)], folder)
    assert laid_out(folder) == ["short.csv"]
    [fault] = found.faults
    assert fault.where == "bomb.zip"
    assert "more than 100 times as large" in fault.reason


def test_too_many_files_are_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_FILES", 3)
    many = packed({f"{place}.csv": b"" for place in range(3)})
    found = lay_out_upload([("one.csv", b""), ("many.zip", many), ("two.csv", b"")], folder)
    assert laid_out(folder) == ["one.csv", "two.csv"]
    [fault] = found.faults
    assert fault.where == "many.zip"
    assert "files" in fault.reason


def test_links_are_left_out(folder: Path) -> None:
    link = zipfile.ZipInfo("passwords.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("good.csv", "")
    [fault] = lay_out_upload([("all.zip", file.getvalue())], folder).faults
    assert laid_out(folder) == ["good.csv"]
    assert fault.where == "all.zip: passwords.csv"
    assert "link" in fault.reason


def test_of_two_files_of_one_name_the_first_stays(folder: Path) -> None:
    found = lay_out_upload([("a;b.csv", b"1"), ("a*b.csv", b"2"), ("a_b.csv/c.csv", b"")], folder)
    assert (folder / "a_b.csv").read_bytes() == b"1"
    assert found.n_written == 1
    assert [fault.where for fault in found.faults] == ["a_b.csv", "a_b.csv/c.csv"]


def test_a_damaged_archive_leaves_the_others(folder: Path) -> None:
    good = packed({"good.csv": b""})
    found = lay_out_upload([("broken.zip", b"PK no"), ("good.zip", good)], folder)
    assert laid_out(folder) == ["good.csv"]
    assert [fault.where for fault in found.faults] == ["broken.zip"]


def test_nothing_but_a_damaged_archive_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"broken\.zip: It cannot be unpacked"):
        lay_out_upload([("broken.zip", b"PK no")], folder)


def test_letters_with_marks_stay_in_names(folder: Path, sound: bytes) -> None:
    table = "file_name,transcription\nहिन्दी.flac,एक\n\u00e9t\u00e9.flac,oui\n".encode()
    files = [("हिन्दी.flac", sound), ("e\u0301te\u0301.flac", sound), ("metadata.csv", table)]
    assert lay_out_upload(files, folder) == LaidOut(3, ())
    corpus = read_corpus(folder)
    assert [u.text for u in corpus.utterances] == ["oui", "एक"]
    assert corpus.faults == ()


def test_a_damaged_member_leaves_the_others(folder: Path) -> None:
    content = bytearray(packed({"bad.wav": bytes(range(256)) * 20, "good.csv": b"a,b"}))
    content[40:60] = bytes(range(20))
    [fault] = lay_out_upload([("up.zip", bytes(content))], folder).faults
    assert laid_out(folder) == ["good.csv"]
    assert fault.where == "up.zip: bad.wav"
    assert "damaged" in fault.reason
