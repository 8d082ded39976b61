"""The shell's commands that train: `finetune` a model, or `pinch` it while it learns."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from accelerate import PartialState

from analysis.cli.evaluation import bar, checked_corpus, processes
from analysis.cli.flags import read_flags
from analysis.cli.terminal import place_for, print_json
from analysis.delivery.saving import check_settings, check_target, save
from analysis.errors import UserError
from analysis.evaluation.corpora import Corpus
from analysis.files import absolute
from analysis.models.footprint import footprint
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.plan.training_record import OWN_WORDS
from analysis.plan.training_settings import (
    DISTILLING,
    HELD_BACK,
    SYNTHESISED,
    GateKind,
    GateSettings,
    TrainingSettings,
)
from analysis.progress import Watch
from analysis.training.data import training_data
from analysis.training.finishing import falls_short, reached_sparsity
from analysis.training.log import state_folder
from analysis.training.own_words import NAME, other_voices, own_words
from analysis.training.run import Task, clear_state, train
from analysis.training.teacher import load_original


def finetune(options: argparse.Namespace) -> None:
    """Train a model on and save it."""
    _run(options, None)


def pinch(options: argparse.Namespace) -> None:
    """Train a model with self-pinching gates, or unit gates, and save it."""
    kind: GateKind = "units" if options.units else "elements"
    gates = GateSettings(kind=kind, **read_flags(options, GateSettings, without=("kind",)))
    _run(options, gates)


def _run(options: argparse.Namespace, gates: GateSettings | None) -> None:
    out = absolute(options.out)
    data_free = options.data == SYNTHESISED
    if data_free:
        _check_data_free(options)
    chosen = read_flags(options, TrainingSettings)
    settings = TrainingSettings(**{**(DISTILLING if data_free else {}), **chosen})
    state = processes(options.device)
    check_target(out, overwrite=options.overwrite)
    model = _load(options.model, options.revision, options.device)
    check_settings(model)
    teacher = None
    if options.teacher:
        teacher = _load(options.teacher, options.teacher_revision, options.device)
    elif data_free:
        teacher = load_original(model)
    if data_free and teacher is not None:
        task = _task_of(teacher, settings, options, state)
    else:
        task = _task(model, settings, gates, options, state)
    with bar(f"{task.method} of {model.name}", state) as progress:
        trained = train(model, task, state_folder(out), teacher=teacher, progress=progress)
    if state.is_main_process:
        place = place_for(out, options)
        save(trained, place, dtype=options.save_dtype, overwrite=options.overwrite)
        clear_state(state_folder(out))
        _report(model, trained, place, options)


def _check_data_free(options: argparse.Namespace) -> None:
    """Refuse what would bring data in, or what the shipped speech itself knows."""
    if options.command != "finetune":
        raise UserError(
            "Pinching learns from data: it cannot go by the shipped speech alone.",
            "Use finetune, or name your data.",
        )
    for flag, given in (("--validation", options.validation), ("--language", options.language)):
        if given:
            raise UserError(
                f"{flag} does not go with --data {SYNTHESISED}: the shipped speech brings its own.",
                "Leave it out.",
            )


def _load(source: str, revision: str | None, device: str) -> SpeechModel:
    """In float32, which training needs; on a GPU it computes in half precision."""
    return load(source, revision=revision, device=device, dtype="float32")


def _task_of(
    original: SpeechModel,
    settings: TrainingSettings,
    options: argparse.Namespace,
    state: PartialState,
) -> Task:
    """What the original itself teaches, without data."""
    with bar("own words", state) as progress, state.main_process_first():
        watch = Watch(progress)
        data = own_words(
            original,
            seed=settings.seed,
            max_seconds=settings.max_seconds,
            limit=options.limit,
            watch=watch,
        )
        validation = other_voices(original, batch_size=settings.evaluation_batch, watch=watch)
    if state.is_main_process:
        print(
            f"learning from {original.name}, without data: {len(data):,} pieces of {NAME}, "
            f"{data.seconds / 60:.1f} min; validation against {OWN_WORDS} on {validation.name}",
            file=sys.stderr,
        )
    return Task(data, NAME, validation, settings)


def _task(
    model: SpeechModel,
    settings: TrainingSettings,
    gates: GateSettings | None,
    options: argparse.Namespace,
    state: PartialState,
) -> Task:
    corpus = checked_corpus(options.data, options.limit, state)
    if options.validation:
        validation = checked_corpus(options.validation, None, state)
        known = {utterance.digest for utterance in validation.utterances}
        corpus = _without(corpus, known)
    else:
        validation = corpus.excerpt(max(1, len(corpus.utterances) // HELD_BACK))
        corpus = _without(corpus, {utterance.digest for utterance in validation.utterances})
    data = training_data(
        model, corpus, language=settings.language, max_seconds=settings.max_seconds
    )
    if state.is_main_process:
        for fault in data.faults:
            print(f"  left out: {fault.where}: {fault.reason}", file=sys.stderr)
        print(
            f"training on {len(data):,} clips, {data.seconds / 3600:.2f} h; "
            f"validation on {len(validation.utterances):,}",
            file=sys.stderr,
        )
    return Task(data, corpus.name, validation, settings, gates)


def _without(corpus: Corpus, digests: set[str]) -> Corpus:
    """A corpus without the clips that are for validation."""
    rest = tuple(u for u in corpus.utterances if u.digest not in digests)
    if not rest:
        raise UserError(
            "All clips to train on are those of the validation, too; none is left.",
            "Give more data, or other clips with --validation.",
        )
    return Corpus(corpus.name, corpus.layouts, rest, corpus.faults)


def _report(
    model: SpeechModel, trained: SpeechModel, out: Path, options: argparse.Namespace
) -> None:
    record, before, after = trained.training[-1], footprint(model), footprint(trained)
    if options.json:
        print_json(
            {
                "out": str(out),
                "before": asdict(before),
                "after": asdict(after),
                "record": record.to_dict(),
            }
        )
        return
    wer = record.validation_wer
    print(
        f"validation WER {'undefined' if wer is None else f'{wer:.2%}'} "
        f"against {record.validation_against} ({record.label})"
    )
    print(
        f"before: {before.parameters / 1e6:.2f} M parameters, {before.saved_bytes / 1e6:.1f} MB\n"
        f"after:  {after.parameters / 1e6:.2f} M parameters, {after.saved_bytes / 1e6:.1f} MB"
    )
    if record.sparsity is not None and record.sparse_bytes is not None:
        for path, share in record.sparsities.items():
            print(f"  {path:<60}{share:>7.1%} zeros")
        print(
            f"unstructured sparsity {record.sparsity:.1%} of these matrices; the "
            f"dense model is as large and as fast as before, stored as bitmap and values it takes "
            f"{record.sparse_bytes / 1e6:.1f} MB"
        )
    if options.command == "pinch" and options.sparsity is not None:
        reached = reached_sparsity(trained)
        print(f"asked for {options.sparsity:.1%}, reached {reached:.1%}")
        if falls_short(reached, options.sparsity):
            print("thresholds travel little in few steps: more clips or epochs take them further")
    print(f"saved in {out}; the run's log is in {state_folder(out)}")
