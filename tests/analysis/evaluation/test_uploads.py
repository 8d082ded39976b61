"""Uploaded corpora: laid out as folders, and nothing lands outside of them."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from analysis.errors import UserError
from analysis.evaluation import uploads
from analysis.evaluation.corpora import read_corpus
from analysis.evaluation.uploads import lay_out_upload
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
    assert lay_out_upload(files, folder) == 3
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
    assert lay_out_upload([("Corpus.ZIP", archive)], folder) == 2
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
    with pytest.raises(UserError, match="more than"):
        lay_out_upload([("a.csv", bytes(600)), ("b.csv", bytes(600))], folder)
    assert laid_out(folder) == ["a.csv"]


def test_two_files_of_one_name_are_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"Two files of the upload are called a_b\.csv"):
        lay_out_upload([("a;b.csv", b""), ("a*b.csv", b"")], folder)


def test_a_damaged_archive_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"“broken\.zip” cannot be unpacked"):
        lay_out_upload([("broken.zip", b"PK no")], folder)


def test_letters_with_marks_stay_in_names(folder: Path, sound: bytes) -> None:
    table = "file_name,transcription\nहिन्दी.flac,एक\n\u00e9t\u00e9.flac,oui\n".encode()
    files = [("हिन्दी.flac", sound), ("e\u0301te\u0301.flac", sound), ("metadata.csv", table)]
    assert lay_out_upload(files, folder) == 3
    corpus = read_corpus(folder)
    assert [u.text for u in corpus.utterances] == ["oui", "एक"]
    assert corpus.faults == ()


def test_a_damaged_member_is_told(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("clip.wav", bytes(range(256)) * 20)
    content = bytearray(packed.getvalue())
    content[40:60] = bytes(range(20))
    with pytest.raises(UserError, match=r"“up\.zip” cannot be unpacked"):
        lay_out_upload([("up.zip", bytes(content))], tmp_path)
