"""The training run of a visitor: its choices, the process that does it, the variant it makes."""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from analysis.cache import cache_folder
from analysis.delivery.saving import save
from analysis.errors import UserError
from analysis.evaluation.hub_corpora import is_hub_id
from analysis.files import files_below
from analysis.models.loading import DEMO_MODELS
from analysis.models.speech_model import SpeechModel, dtype_name
from analysis.plan.training_settings import SYNTHESISED
from analysis.progress import ShouldCancel, Watch
from analysis.serving import serving
from analysis.training.finishing import falls_short, reached_sparsity
from analysis.training.foresight import foresee_training, foresee_without_data
from analysis.training.log import TrainingCurves, read_log, state_folder
from analysis.training.process import run_module, run_training
from pages.runs.sweeps import heldout_seconds
from pages.session.jobs import Job, Parts
from pages.session.session import Session, Variant
from pages.session.shelves import footprint_of, model_id
from pages.variants.more import Made, read_checkpoint
from pages.widgets.formatting import escape_markdown, percent

SLOT = "training"

FINE_TUNING, SELF_PINCHING, UNIT_GATES = "Fine-tuning", "Self-pinching", "Unit gates"
WAYS_TO_TRAIN = (FINE_TUNING, SELF_PINCHING, UNIT_GATES)

_SPEECH_ENGINES = ("espeak-ng", "flite")
_TABLES = (".csv", ".jsonl", ".json", ".txt")


@dataclass(frozen=True, slots=True)
class Choices:
    """What the visitor chose; two runs with the same choices are one run.

    Parameters
    ----------
    method : str
        One of `WAYS_TO_TRAIN`.
    data : str
        Folder or manifest, or `SYNTHESISED` where the original teaches without data; empty for
        sentences of the demo models' domain that are made here.
    n_clips : int or None
        Clips at most, or clips to synthesise.
    epochs : int
    learning_rate : float
    batch_size : int
    sparsity : float
        For the two methods with gates.
    distil : bool
        Whether the original teaches, too.
    normaliser : str
    language : str or None
    """

    method: str
    data: str
    n_clips: int | None
    epochs: int
    learning_rate: float
    batch_size: int
    sparsity: float
    distil: bool
    normaliser: str
    language: str | None


def can_synthesise(model: SpeechModel) -> bool:
    """Whether this server can make clips that the model can learn from."""
    return model.source in DEMO_MODELS and all(map(shutil.which, _SPEECH_ENGINES))


def may_train_on(data: str) -> bool:
    """Whether visitors of this server may name these data; see `Choices`."""
    allowed = serving()
    if data in ("", SYNTHESISED):
        return allowed.writes
    return allowed.downloads if is_hub_id(data) else allowed.allows_folder(data)


def run_folder(model: SpeechModel, start: Variant | None, choices: Choices) -> Path:
    """Where the result of a run is, or will be; named after all that decides it."""
    origin = start.model if start is not None else model
    decisive = json.dumps(
        [origin.weight_hash, model.device.type, asdict(choices), _stamp(choices.data)]
    )
    name = hashlib.sha256(decisive.encode()).hexdigest()[:16]
    return cache_folder("training") / name


def _stamp(data: str) -> list[tuple[str, int]]:
    """When folders and tables of the data were changed last: other data are another run."""
    source = Path(data).expanduser()
    if not data or not may_train_on(data) or not source.exists():
        return []
    files = files_below(source) if source.is_dir() else []
    tables = {path for path in files if path.name.endswith(_TABLES)}
    stamped = {source, *tables, *(path.parent for path in files)}
    return sorted((str(path), path.stat().st_mtime_ns) for path in stamped if path.exists())


def start_key(model: SpeechModel) -> str:
    """Key of the widget that says what a run starts from."""
    return f"train-start:{model.weight_hash[:16]}"


def start_name(model: SpeechModel) -> str:
    """Name of the folder that a variant is saved in before it is trained."""
    return f"start-{model.weight_hash[:16]}"


def names_of(session: Session, model: SpeechModel) -> dict[str, str]:
    """Names that the visitor gave to variants, by the name under which a run logs them."""
    return {start_name(variant.model): variant.name for variant in session.variants_of(model)}


def foreseen_seconds(model: SpeechModel, choices: Choices) -> float | None:
    """How long a run takes; None for data of which nothing is known before they are read."""
    cost = footprint_of(model)
    epochs, n_clips = choices.epochs, choices.n_clips
    if choices.data == SYNTHESISED:
        return foresee_without_data(model, cost, epochs=epochs, limit=n_clips)
    if choices.data or n_clips is None:
        return None
    sound = n_clips * heldout_seconds(1)  # they are of one domain
    return foresee_training(model, cost, n_clips, sound, epochs=epochs, taught=choices.distil)


def show_run(session: Session, model: SpeechModel, folder: Path) -> None:
    """Choose the run on show, for a model."""
    session.training[model_id(model)] = folder.name


def run_on_show(session: Session, model: SpeechModel) -> Path | None:
    """The run that was started last for this model."""
    name = session.training.get(model_id(model))
    return cache_folder("training") / name if name else None


def curves_of(folder: Path) -> TrainingCurves:
    """What a run has logged so far."""
    return read_log(state_folder(folder))


def start_training(
    session: Session, model: SpeechModel, start: Variant | None, choices: Choices
) -> None:
    """Start a run, or go on with one that was cancelled."""
    if not may_train_on(choices.data):
        session.jobs.problems[SLOT] = UserError(
            "Visitors of this server may not train on that.", "Ask who runs the server."
        )
        return
    folder = run_folder(model, start, choices)
    show_run(session, model, folder)
    origin = start.model if start is not None else model
    source = model.source if start is None else ""
    parts = Parts()
    how = "trained, data-free" if choices.data == SYNTHESISED else choices.method.lower()
    name = f"{start.name if start is not None else model.name}, {how}"

    def work(watch: Watch) -> Made:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not (folder / "config.json").is_file():
            watch.progress(0, 0, "preparing" if choices.data else "synthesising clips")
            arguments = [source or str(_saved(origin)), "--out", str(folder)]
            if source and model.revision:
                arguments += ["--revision", model.revision]
            arguments += _options(model, start, choices, watch.should_cancel)
            run_training(
                [_command(choices), *arguments],
                state_folder(folder),
                watch=watch,
                on_log=parts.one_is_ready,
            )
        return read_checkpoint(model, str(folder))

    def deliver(made: Made) -> None:
        full = name
        if choices.method != FINE_TUNING:
            reached = reached_sparsity(made[0].model)
            full += f" {percent(reached, 0)}"
            if falls_short(reached, choices.sparsity):
                session.jobs.problems[SLOT] = UserError(
                    f"{percent(choices.sparsity, 0)} were asked for, {percent(reached, 0)} are"
                    " pinched: thresholds travel little in so few steps.",
                    "Train on more clips or for more epochs.",
                )
        variant = session.add_variant(full, *made, None, folder=str(folder))
        st.toast(f"Trained: {escape_markdown(variant.name)}", icon=":material/check:")

    job: Job[Made] = Job(
        "Training",
        work,
        deliver,
        after_cancel="Its state is kept: start it with the same choices, and it goes on.",
        parts=parts,
    )
    session.jobs.start(SLOT, job, lane="train")


def _command(choices: Choices) -> str:
    return "finetune" if choices.method == FINE_TUNING else "pinch"


def _options(
    model: SpeechModel, start: Variant | None, choices: Choices, should_cancel: ShouldCancel
) -> list[str]:
    """Everything behind the model's name, as the shell has it; clips are made where need be.

    A model that was compressed before it was loaded learns from the original that it names.
    """
    data = choices.data or str(_synthesised(choices.n_clips or 0, should_cancel))
    options = ["--data", data, "--device", model.device.type]
    options += ["--epochs", str(choices.epochs), "--batch-size", str(choices.batch_size)]
    options += ["--learning-rate", str(choices.learning_rate), "--normaliser", choices.normaliser]
    if choices.data and choices.n_clips:
        options += ["--limit", str(choices.n_clips)]
    if choices.language:
        options += ["--language", choices.language]
    if choices.distil and (start is not None or choices.data != SYNTHESISED):
        options += ["--teacher", model.source]
        options += ["--teacher-revision", model.revision] if model.revision else []
    if choices.method != FINE_TUNING:
        options += ["--sparsity", str(choices.sparsity)]
    if choices.method == UNIT_GATES:
        options.append("--units")
    return options


def _saved(model: SpeechModel) -> Path:
    """A variant as a checkpoint that another process can read."""
    folder = cache_folder("training") / start_name(model)
    if not (folder / "config.json").is_file():
        save(model, folder, dtype=dtype_name(model.dtype))  # it goes on with these very numbers
    return folder


def _synthesised(count: int, should_cancel: ShouldCancel) -> Path:
    """Clips of the demo models' domain, made once for each number of them."""
    if count < 1:
        raise UserError("No number of clips was given.", "Say how many to synthesise.")
    folder = cache_folder("training") / f"clips-{count}"
    if not folder.is_dir():
        arguments = ["demo.training_clips", str(folder), "--count", str(count)]
        run_module(arguments, folder.with_suffix(".log"), should_cancel=should_cancel)
    return folder
