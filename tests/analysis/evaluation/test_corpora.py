"""Every layout read, and every way in which a corpus can be broken named."""

import json
from pathlib import Path

import pytest

from analysis.errors import Cancelled, UserError
from analysis.evaluation.corpora import Fault, read_corpus
from analysis.progress import Watch
from tests.helpers.corpora import clip
from tests.helpers.places import HELDOUT, TESTBED


@pytest.fixture
def librispeech(tmp_path: Path) -> Path:
    """Two speakers, three utterances."""
    for chapter, lines in {
        "84/121": ("84-121-0000 A CAT", "84-121-0001 THE DOG"),
        "251/7": ("251-7-0000 NO",),
    }.items():
        folder = tmp_path / chapter
        for number, line in enumerate(lines):
            clip(folder / f"{line.split()[0]}.flac", 0.5 + number / 4)
        table = folder / f"{chapter.replace('/', '-')}.trans.txt"
        table.write_text("\n".join(lines) + "\n")
    return tmp_path


def test_librispeech(librispeech: Path) -> None:
    corpus = read_corpus(librispeech)
    assert [(u.id, u.text, u.speaker, u.duration) for u in corpus.utterances] == [
        ("251/7/251-7-0000.flac", "NO", "251", 0.5),
        ("84/121/84-121-0000.flac", "A CAT", "84", 0.5),
        ("84/121/84-121-0001.flac", "THE DOG", "84", 0.75),
    ]
    assert corpus.faults == ()
    assert corpus.speakers == ("251", "84", "84")
    assert corpus.references == ["NO", "A CAT", "THE DOG"]
    assert corpus.describe() == "3 utterances, 0.0 min, 2 speakers (LibriSpeech)"
    assert corpus.utterances[0].read().duration == 0.5


def test_what_a_librispeech_folder_lacks_is_named(librispeech: Path) -> None:
    (librispeech / "84/121/84-121-0000.flac").unlink()
    (librispeech / "84/121/84-121-0001.flac").write_bytes(b"no sound")
    clip(librispeech / "251/7/251-7-0009.flac")
    corpus = read_corpus(librispeech)
    assert [u.id for u in corpus.utterances] == ["251/7/251-7-0000.flac"]
    assert corpus.faults == (
        Fault("84/121/84-121.trans.txt, line 1", "There is no clip 84-121-0000 beside it."),
        Fault("251/7/251-7-0009.flac", "No table has a transcript for it."),
        Fault(
            "84/121/84-121-0001.flac",
            "The file “84-121-0001.flac” is not audio that can be read, or it is damaged.",
        ),
    )
    assert corpus.speakers is None  # one speaker is no group of speakers
    assert corpus.describe().endswith("; 3 left out")


def test_manifest(tmp_path: Path) -> None:
    clip(tmp_path / "audio/a.wav", 1.0)
    clip(tmp_path / "audio/b.wav", 2.0)
    elsewhere = clip(tmp_path / "audio/c.wav", 0.5)
    rows: list[object] = [
        {"audio_filepath": "audio/a.wav", "duration": 1.0, "text": "one", "speaker": 7},
        {"audio_filepath": "audio/b.wav", "duration": 1.5, "text": "two"},
        {"audio_filepath": str(elsewhere), "text": ""},
        {"audio_filepath": "audio/a.wav", "text": "again"},
        {"audio_filepath": "audio/a.wav", "text": "part", "offset": 0.5},
        {"audio_filepath": "audio/missing.wav", "text": "gone"},
        {"audio_filepath": "audio/a.wav"},
        {"text": "nothing"},
        ["a list"],
    ]
    manifest = tmp_path / "test.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)) + "\n{broken\n\n")
    corpus = read_corpus(manifest)
    assert [(u.id, u.text, u.speaker) for u in corpus.utterances] == [
        ("audio/a.wav", "one", "7"),
        ("audio/c.wav", "", None),
    ]
    assert {fault.where: fault.reason for fault in corpus.faults} == {
        "audio/a.wav": "It is named twice.",
        "test.jsonl, line 5": "It means a part of a file (offset); cut that part out.",
        "audio/missing.wav": "There is no such file.",
        "test.jsonl, line 7": "It holds no transcript (transcription, text, sentence).",
        "test.jsonl, line 8": "It names no clip (file_name or audio_filepath).",
        "test.jsonl, line 9": "It is no JSON object.",
        "test.jsonl, line 10": "It is no JSON object.",
        "audio/b.wav": "It lasts 2.00 s, not 1.50 s as the manifest says.",
    }
    assert read_corpus(tmp_path).utterances == corpus.utterances  # the folder will do too


def test_audiofolder(tmp_path: Path) -> None:
    clip(tmp_path / "train/a.wav")
    clip(tmp_path / "train/b.flac")
    clip(tmp_path / "test/c.ogg")
    (tmp_path / "train/metadata.csv").write_text(
        'file_name,transcription,voice\na.wav,"one, two",anna\nb.flac,three,ben\n'
    )
    (tmp_path / "test/metadata.jsonl").write_text(
        json.dumps({"file_name": "c.ogg", "text": "four", "speaker_id": 3})
    )
    corpus = read_corpus(tmp_path)
    assert [(u.id, u.text, u.speaker) for u in corpus.utterances] == [
        ("test/c.ogg", "four", "3"),
        ("train/a.wav", "one, two", "anna"),
        ("train/b.flac", "three", "ben"),
    ]
    assert corpus.layouts == ("audiofolder",)


def test_few_speakers_are_not_drawn_whole(librispeech: Path) -> None:
    few, many = read_corpus(librispeech), read_corpus(HELDOUT)
    assert few.blocks is None
    assert few.drawn == "3 utterances; 2 speakers are too few to be drawn whole"
    assert (many.blocks, many.drawn) == (many.speakers, "86 speakers")


def test_speakers_are_unknown_unless_all_are_known(tmp_path: Path) -> None:
    for name in "abc":
        clip(tmp_path / f"{name}.wav")
    (tmp_path / "metadata.csv").write_text(
        "file_name,text,speaker\na.wav,x,anna\nb.wav,y,ben\nc.wav,z,\n"
    )
    assert read_corpus(tmp_path).speakers is None


def test_held_out_recordings_of_the_demo() -> None:
    corpus = read_corpus(HELDOUT)
    assert len(corpus.utterances) == 200
    assert corpus.faults == ()
    assert corpus.speakers is not None
    assert corpus.speakers.count("flite:rms") == 55
    first = corpus.utterances[0]
    assert first.id == "000.ogg"
    assert first.text.startswith("remind me to send a message to david")


def test_testbed_is_whole() -> None:
    folder = TESTBED / "librispeech" / "test-other"
    if not folder.is_dir():
        pytest.skip("the testbed is not here")
    corpus = read_corpus(folder)
    assert (len(corpus.utterances), len(corpus.faults)) == (40, 0)
    assert set(corpus.speakers or ()) == {"1688", "2033", "3005", "533"}
    assert corpus.seconds / 60 == pytest.approx(4.7, abs=0.05)


def test_same_sound_same_digest(tmp_path: Path) -> None:
    for name, seed in (("a.wav", 0), ("b.wav", 0), ("c.wav", 1)):
        clip(tmp_path / name, seed=seed)
    (tmp_path / "metadata.csv").write_text("file_name,text\na.wav,x\nb.wav,y\nc.wav,z\n")
    first, second, third = (u.digest for u in read_corpus(tmp_path).utterances)
    assert first == second != third


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("metadata.csv", b"file,words\na.wav,x\n", "lacks the columns file_name"),
        ("metadata.csv", b"file_name,text\n\xff\xfe,x\n", "cannot be read as text"),
        ("metadata.csv", b"file_name,text\n", "no clip that can be used"),
        (
            "test.jsonl",
            b'{"file_name": "a.wav", "text": 5}',
            "line 1: Its transcript is 5, and has to be a text in quotes",
        ),
        ("test.jsonl", b"{}", "no clip that can be used. The first of 1 faults: test.jsonl"),
        ("notes.txt", b"", "holds no transcripts"),
    ],
)
def test_unusable_folders(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_corpus(tmp_path)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no folder or manifest"):
        read_corpus(tmp_path / "nowhere")


def test_check_reports_and_stops(librispeech: Path) -> None:
    seen: list[tuple[int, int]] = []
    read_corpus(librispeech, watch=Watch(lambda done, total, note: seen.append((done, total))))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    with pytest.raises(Cancelled):
        read_corpus(librispeech, watch=Watch(should_cancel=lambda: len(seen) > 0))


def test_excerpt_is_from_all_over() -> None:
    corpus = read_corpus(HELDOUT)
    part = corpus.excerpt(4)
    assert [u.id for u in part.utterances] == ["000.ogg", "050.ogg", "100.ogg", "150.ogg"]
    assert part.name == "heldout (4 of 200)"
    assert corpus.excerpt(500) is corpus
    with pytest.raises(UserError, match="0 utterances are too few"):
        corpus.excerpt(0)


def test_checking_a_long_clip_can_be_cancelled_within_it(tmp_path: Path) -> None:
    clip(tmp_path / "long.wav", 40.0)
    (tmp_path / "metadata.csv").write_text("file_name,transcription\nlong.wav,a\n")
    asked = iter([False, False])  # before the clip, and at its first block
    with pytest.raises(Cancelled):
        read_corpus(tmp_path, watch=Watch(should_cancel=lambda: next(asked, True)))
