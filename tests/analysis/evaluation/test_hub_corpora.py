"""Data sets by id: fetched once into a folder that reads like any other."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
import soundfile
from pyarrow import parquet

from analysis.cache import cache_folder
from analysis.errors import Cancelled, UserError
from analysis.evaluation import hub_corpora
from analysis.evaluation.corpora import read_corpus
from analysis.evaluation.hub_corpora import fetch, is_hub_id
from analysis.progress import Watch

datasets = pytest.importorskip("datasets", reason="pip install -e '.[datasets]'")

Loads = list[tuple[str, str | None, str]]


def flac(seconds: float) -> bytes:
    file = io.BytesIO()
    samples = np.random.default_rng(0).normal(0, 0.1, round(seconds * 16_000))
    soundfile.write(file, samples, 16_000, format="FLAC")
    return file.getvalue()


@pytest.fixture
def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loads:
    """A hub of one data set: two clips in a Parquet file, opened by the library itself."""
    monkeypatch.setenv("COALESCE_CACHE", str(tmp_path / "cache"))
    rows = [
        {"audio": {"bytes": flac(seconds), "path": f"{text}.flac"}, "text": text, "speaker_id": id_}
        for seconds, text, id_ in ((0.5, "one", 7), (1.0, "two", 8))
    ]
    features = {
        "audio": {"sampling_rate": 16_000, "_type": "Audio"},
        "text": {"dtype": "string", "_type": "Value"},
        "speaker_id": {"dtype": "int64", "_type": "Value"},
    }
    table = pyarrow.Table.from_pylist(rows)
    described = {"huggingface": json.dumps({"info": {"features": features}})}
    parquet.write_table(table.replace_schema_metadata(described), tmp_path / "test.parquet")
    asked: Loads = []
    original = datasets.load_dataset

    def load(name: str, config: str | None, *, split: str, streaming: bool) -> Any:
        asked.append((name, config, split))
        files = {"test": str(tmp_path / "test.parquet")}
        return original("parquet", data_files=files, split=split, streaming=streaming)

    monkeypatch.setattr(datasets, "load_dataset", load)
    return asked


def test_a_data_set_becomes_a_folder(loads: Loads) -> None:
    corpus = read_corpus(fetch("somebody/speech:clean:test"))
    assert [(u.text, u.speaker, u.duration) for u in corpus.utterances] == [
        ("one", "7", 0.5),
        ("two", "8", 1.0),
    ]
    assert corpus.faults == ()
    assert loads == [("somebody/speech", "clean", "test")]
    fetch("somebody/speech:clean:test")
    assert len(loads) == 1  # the second time it was there


def test_a_cancelled_fetch_leaves_nothing(loads: Loads, tmp_path: Path) -> None:
    seen: list[int] = []
    with pytest.raises(Cancelled):
        fetch(
            "somebody/speech",
            watch=Watch(lambda done, total, note: seen.append(done), lambda: len(seen) == 1),
        )
    assert loads == [("somebody/speech", None, "test")]
    assert list(cache_folder("corpora").iterdir()) == []


def test_what_cannot_be_fetched_is_said(loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="somebody/speech::train cannot be fetched"):
        fetch("somebody/speech::train")

    def texts_only(*arguments: object, **settings: object) -> Any:
        return datasets.Dataset.from_dict({"text": ["a"]})

    monkeypatch.setattr(datasets, "load_dataset", texts_only)
    with pytest.raises(
        UserError, match=r"holds no speech with transcripts\. Its columns are text;"
    ):
        fetch("somebody/words")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match="need the library `datasets`"):
        fetch("somebody/else")


def test_ids_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("openslr/librispeech_asr", "a/b:clean", "a/b:clean:test.other", "a/b::test"):
        assert is_hub_id(text)
    for text in ("", "heldout", "/data/test", "./data/test", "a/b/c", "a/b:c:d:e", "~/data"):
        assert not is_hub_id(text)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo" / "heldout").mkdir(parents=True)
    assert not is_hub_id("demo/heldout")


def test_no_two_sources_share_a_folder(loads: Loads) -> None:
    sources = ["a/b:clean", "a/b-clean", "a/b--clean", "a/b:clean:", "a--b/clean", "a/b::test"]
    assert len({fetch(source) for source in sources}) == len(loads) == len(sources)


def rows_of(monkeypatch: pytest.MonkeyPatch, *rows: dict[str, Any]) -> None:
    """A hub whose data set holds these rows, as they come from a stream."""
    monkeypatch.setattr(
        hub_corpora, "_open", lambda source: (iter(rows), "audio", "text", "speaker")
    )


@pytest.mark.parametrize(
    ("sounds", "message"),
    [
        ([], "The data set a/b holds no clips"),
        ([None], "Clip 1 of the data set a/b comes without its sound"),
        ([{"bytes": flac(0.5), "path": None}, {"bytes": b"", "path": None}], "Clip 2 of the"),
        ([{"bytes": None, "path": "hf://datasets/a/b/1.wav"}], "comes without its sound"),
    ],
)
def test_a_data_set_without_sounds_is_refused_and_not_kept(
    loads: Loads, monkeypatch: pytest.MonkeyPatch, sounds: list[Any], message: str
) -> None:
    rows_of(monkeypatch, *({"audio": sound, "text": "x", "speaker": None} for sound in sounds))
    for _ in range(2):
        with pytest.raises(UserError, match=message):
            fetch("a/b")
    assert list(cache_folder("corpora").iterdir()) == []


def test_an_unknown_speaker_stays_unknown(loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = {"bytes": flac(0.5), "path": "a.flac"}
    rows_of(monkeypatch, *({"audio": sound, "text": "x", "speaker": who} for who in (0, None)))
    assert [u.speaker for u in read_corpus(fetch("a/b")).utterances] == ["0", None]


def test_what_another_fetcher_finished_first_is_left_alone(
    loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clips may be in use."""
    sound = {"bytes": flac(0.5), "path": "a.flac"}
    rows_of(monkeypatch, {"audio": sound, "text": "theirs", "speaker": None})
    theirs = fetch("somebody/speech")
    inode = theirs.stat().st_ino
    hidden = theirs.rename(theirs.with_name("hidden"))

    def finish_first(done: int, total: int, note: str) -> None:
        if hidden.exists():
            hidden.rename(theirs)

    rows_of(monkeypatch, {"audio": sound, "text": "mine", "speaker": None})
    assert fetch("somebody/speech", watch=Watch(finish_first)) == theirs
    assert theirs.stat().st_ino == inode
    assert read_corpus(theirs).references == ["theirs"]


def test_remains_without_a_table_are_replaced(loads: Loads) -> None:
    folder = fetch("somebody/speech")
    (folder / "metadata.jsonl").unlink()
    (folder / "remains.flac").write_bytes(flac(0.5))
    assert fetch("somebody/speech") == folder
    assert read_corpus(folder).faults == ()
