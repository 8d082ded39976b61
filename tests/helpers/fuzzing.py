"""What is damaged on purpose, and what must come of it: a sane result, or a sentence that helps.

A case is a subject and a seed. `python -m tests.fuzz` tries thousands, the tests some hundred.
"""

import atexit
import json
import math
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from pydantic_core import to_json

from analysis.compression.compress import compress
from analysis.delivery.saving import save
from analysis.errors import UserError
from analysis.evaluation.corpora import read_corpus
from analysis.evaluation.results import ResultStore, Run, UtteranceResult
from analysis.evaluation.sweep_spec import read_spec, read_spec_file
from analysis.evaluation.uploads import lay_out_upload
from analysis.models.finding import is_model
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.tokens import NamedPlan, from_token, to_token
from analysis.plan.training_record import TrainingRecord
from analysis.speech.audio import MAX_SECONDS, SAMPLING_RATE, Audio, read_audio
from analysis.speech.transcription import transcribe
from analysis.training.log import TrainingLog, read_log
from pages.session import visit
from pages.session.records import items_of, restore
from pages.session.store import Store
from tests.helpers.kept_sessions import kept_items
from tests.helpers.mutations import (
    Mutation,
    damaged,
    retyped,
    rewritten,
    rewritten_header,
    rewritten_line,
)
from tests.helpers.places import ROOT
from tests.helpers.sounds import encoded, mp3, tone, written
from tests.helpers.talking_models import sound
from tests.helpers.tiny_models import make_plan, tiny_hubert, tiny_whisper

FORMAT_1 = ROOT / "tests" / "data" / "format1" / "plan.json"


@dataclass(frozen=True, slots=True)
class Subject:
    """A file that somebody gives.

    Parameters
    ----------
    name : str
    content : bytes
        Of the file while it is whole.
    mutate : callable
    judge : callable
        Takes the content and a folder of its own; raises where what came of it is not sane.
    named : tuple of str
        A refusal names one of them; empty where the person gave just this one file.
    """

    name: str
    content: bytes
    mutate: Mutation
    judge: Callable[[bytes, Path], None]
    named: tuple[str, ...] = ()

    def case(self, seed: int) -> bytes:
        """The file, damaged as the seed has it."""
        draw = np.random.default_rng([zlib.crc32(self.name.encode()), seed])
        return self.mutate(self.content, draw)

    def outcome(self, content: bytes, folder: Path) -> str:
        """ "worked" or "refused"; raises what should not have come out."""
        try:
            self.judge(content, folder)
        except UserError as error:
            refusal = error
        else:
            return "worked"
        assert refusal.message, "it does not say what is wrong"
        assert refusal.remedy.strip().endswith((".", "…")), f"it shows no way out: {refusal}"
        assert len(refusal.message) < 600, f"nobody reads that far: {refusal}"
        named = not self.named or any(name in str(refusal) for name in self.named)
        assert named, f"it names none of {self.named}: {refusal}"
        return "refused"


@cache
def subjects() -> Mapping[str, Subject]:
    """All of them, by name."""
    found = [*_sounds(), *_checkpoints(), *_plans(), *_records(), *_sessions(), *_tables()]
    return {subject.name: subject for subject in found}


# --- sound -------------------------------------------------------------------------------------


def _sounds() -> list[Subject]:
    low = tone(300.0, SAMPLING_RATE, 0.5)
    files = {
        "wav": written(low, SAMPLING_RATE),
        "wav of 24 bits": written(low, SAMPLING_RATE, "WAV", "PCM_24"),
        "wav of floats": written(np.stack([low, -low], 1), SAMPLING_RATE, "WAV", "FLOAT"),
        "adpcm": written(low, SAMPLING_RATE, "WAV", "IMA_ADPCM"),
        "flac": written(low, SAMPLING_RATE, "FLAC"),
        "aiff": written(low, SAMPLING_RATE, "AIFF"),
        "au": written(low, SAMPLING_RATE, "AU"),
        "caf": written(low, SAMPLING_RATE, "CAF"),
        "w64": written(low, SAMPLING_RATE, "W64"),
        "vorbis": written(low, SAMPLING_RATE, "OGG", "VORBIS"),
        "opus": written(low, SAMPLING_RATE, "OGG", "OPUS") * 2,
        "mp3": mp3(low, SAMPLING_RATE),
        "mp3 of variable rate": mp3(low, SAMPLING_RATE, xing=False, variable=True),
        "m4a": encoded(low, SAMPLING_RATE, "mp4", "aac"),
        "aac": encoded(low, SAMPLING_RATE, "adts", "aac"),
        "webm": encoded(low, SAMPLING_RATE, "webm", "libopus"),
    }
    return [
        Subject(f"sound: {kind}", content, damaged, _hear, ("clip",))
        for kind, content in files.items()
    ]


def _hear(content: bytes, folder: Path) -> None:
    audio = read_audio(content, name="clip.wav")
    assert audio.samples.dtype == np.float32
    assert audio.samples.ndim == 1
    assert np.isfinite(audio.samples).all()
    assert 0 < len(audio.samples) <= MAX_SECONDS * SAMPLING_RATE
    assert float(np.abs(audio.samples).max()) <= 16
    # a file of kilobytes holds seconds; silence can be packed, and is refused
    assert audio.duration < 60 * (1 + len(content) / 1000)


# --- checkpoints -------------------------------------------------------------------------------


@cache
def _checkpoint(family: str) -> tuple[dict[str, bytes], dict[str, tuple[int, ...]]]:
    """The files of a compressed and trained tiny model, and the shapes of its tensors."""
    whole = {"whisper": tiny_whisper, "hubert": tiny_hubert}[family]()
    model = compress(whole, make_plan(whole)).model
    record = TrainingRecord(
        method="fine-tuning", data="clips", utterances=8, seconds=9.5, settings={"epochs": 2},
        steps=4, validation_wer=0.5, sparsities={"fc1": 0.25},
    )  # fmt: skip
    folder = _scratch() / f"whole-{family}"
    save(replace(model, training=(record,)), folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return files, _shapes(load(folder))


def _shapes(model: SpeechModel) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.model.state_dict().items()}


def _checkpoints() -> list[Subject]:
    found = []
    for family in ("whisper", "hubert"):
        for name, content in _checkpoint(family)[0].items():
            if name.endswith((".safetensors", ".json")):
                mutate = rewritten_header if name.endswith(".safetensors") else rewritten
                found.append(
                    Subject(
                        f"{family}: {name}",
                        content,
                        mutate,
                        _loader(family, name),
                        (name, "tiny", family),
                    )
                )
    return found


def _loader(family: str, name: str) -> Callable[[bytes, Path], None]:
    def judge(content: bytes, folder: Path) -> None:
        files, shapes = _checkpoint(family)
        model_folder = folder / family
        model_folder.mkdir()
        for other, whole in files.items():
            (model_folder / other).write_bytes(content if other == name else whole)
        is_model(model_folder)
        model = load(model_folder)
        assert _shapes(model) == shapes, "another shape is another model"
        written = transcribe(model, _noise())
        assert isinstance(written.text, str)
        written.text.encode()

    return judge


@cache
def _noise() -> Audio:
    return read_audio(written(sound(0.4), SAMPLING_RATE), name="noise")


# --- plans and records -------------------------------------------------------------------------


def _plans() -> list[Subject]:
    model = tiny_hubert()
    plan = make_plan(model)
    token = to_token([NamedPlan("one", plan, False)]).encode()
    spec = {"model": ["demo-hubert"], "data": "somewhere", "sparsity": [0.1, 0.5], "seed": 3}
    spec |= {"method": ["cluster", {"method": "random", "name": "r"}], "limit": 5}
    yaml = b"model: demo-hubert\ndata: somewhere\nsparsity: 0.1,0.5\nmethod:\n- random\n- cluster\n"
    n_units = {group.id: group.n_units for group in model.groups}

    def read_plan(content: bytes, folder: Path) -> None:
        read = CompressionPlan.from_json(content.decode("utf-8", errors="replace"))
        assert CompressionPlan.from_json(read.to_json()) == read
        assert math.isfinite(read.recipe.sparsity)
        read.validate_for(n_units)

    def read_sweep(content: bytes, folder: Path) -> None:
        path = folder / "sweep.yaml"
        path.write_bytes(content)
        for cell in read_spec(read_spec_file(path)).cells()[:100]:
            assert 0 <= cell.recipe.sparsity < 1

    def read_link(content: bytes, folder: Path) -> None:
        for named in from_token(content.decode("latin-1")):
            assert named.name

    return [
        Subject("plan", plan.to_json().encode(), rewritten, read_plan),
        Subject("plan of format 1", FORMAT_1.read_bytes(), rewritten, read_plan),
        Subject("link", token, damaged, read_link),
        Subject("sweep", json.dumps(spec).encode(), rewritten, read_sweep),
        Subject("sweep in YAML", yaml, retyped, read_sweep),
    ]


def _records() -> list[Subject]:
    run = Run("tiny", "f00d", None, {"dtype": "float32"})
    scratch = _scratch() / "results"
    store = ResultStore(scratch)
    store.append(run, [UtteranceResult(f"u{n}", "beef", "one two", 0.25) for n in range(4)])
    [results] = scratch.iterdir()
    log = TrainingLog(scratch)
    log.write("start", {"n_steps": 3, "method": "fine-tuning"})
    for step in (1, 2, 3):
        log.write("step", {"step": step, "epoch": 0.5, "loss": 1.0, "sparsities": {"fc1": 0.1}})
    log.write("validation", {"step": 3, "epoch": 1, "wer": 0.5})
    log.write("finished", {"step": 3})

    def read_results(content: bytes, folder: Path) -> None:
        (folder / results.name).write_bytes(content)
        for result in ResultStore(folder).read(run).values():
            result.text.encode("utf-8", "replace")
            assert 0 <= result.seconds < 1e9

    def read_training(content: bytes, folder: Path) -> None:
        (folder / "log.jsonl").write_bytes(content)
        curves = read_log(folder)
        for row in (*curves.steps, *curves.validations):
            assert isinstance(row["step"] + row["seconds"], int | float)

    return [
        Subject("results", results.read_bytes(), rewritten_line, read_results),
        Subject(
            "training log", (scratch / "log.jsonl").read_bytes(), rewritten_line, read_training
        ),
    ]


# --- sessions ----------------------------------------------------------------------------------


def _sessions() -> list[Subject]:
    items = kept_items()
    found = []
    for name, content in items.items():
        kind = "sound" if name.endswith(".sound") else name.partition("-")[0].partition(".")[0]
        mutate = damaged if kind == "sound" else rewritten
        found.append(Subject(f"session: {kind}", content, mutate, _restorer(name)))
    return found


def _restorer(name: str) -> Callable[[bytes, Path], None]:
    def judge(content: bytes, folder: Path) -> None:
        for other, whole in kept_items().items():
            (folder / other).write_bytes(content if other == name else whole)
        session = restore(Store(folder), "x" * 32)
        if session is None:
            return
        assert all(sentence.endswith(".") for sentence in session.lost)
        visit._usable(session.choices)
        for item in items_of(session).values():
            assert item.content()

    return judge


# --- tables and uploads ------------------------------------------------------------------------


def _tables() -> list[Subject]:
    clips = {f"{n}.wav": written(sound(0.3, n), SAMPLING_RATE) for n in range(2)}
    csv = b'file_name,transcription,speaker\n0.wav,one two,a\n1.wav,"three, four",b\n'
    rows = [{"audio_filepath": name, "text": "one", "duration": 0.3} for name in clips]
    manifest = b"\n".join(to_json(row) for row in rows) + b"\n"
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for name, content in (*clips.items(), ("metadata.csv", csv)):
            archive.writestr(f"corpus/{name}", content)

    def read_table(name: str) -> Callable[[bytes, Path], None]:
        def judge(content: bytes, folder: Path) -> None:
            for clip, samples in clips.items():
                (folder / clip).write_bytes(samples)
            (folder / name).write_bytes(content)
            for utterance in read_corpus(folder).utterances:
                utterance.text.encode()
                assert 0 < utterance.duration < 60

        return judge

    def unpack(content: bytes, folder: Path) -> None:
        lay_out_upload([("upload.zip", content)], folder / "inside")
        outside = [path for path in folder.iterdir() if path.name != "inside"]
        assert not outside

    return [
        Subject("table", csv, retyped, read_table("metadata.csv")),
        Subject("manifest", manifest, rewritten_line, read_table("manifest.jsonl")),
        Subject("upload", packed.getvalue(), damaged, unpack, ("upload",)),
    ]


@cache
def _scratch() -> Path:
    """A folder of this process for what is made once."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def room_for_cases() -> Path:
    """An empty folder for the next case, whatever the last one left."""
    folder = _scratch() / f"case-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
