"""Make the bundled demo models from nothing: synthesise, train, export, record, measure, evaluate.

``python -m demo.build all`` runs every stage in order; each stage is also a command of its own.
Needs espeak-ng and flite, and the Free Spoken Digit Dataset for the human digits; the excitation
needs more synthesisers, which README.md lists.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from demo.alignment import alignment_heads, monotonicity
from demo.evaluation import (
    corpus_test_set,
    digit_strings,
    disturbed,
    hubert_transcriber,
    read_recordings,
    score,
    whisper_transcriber,
)
from demo.examples import TRAIN_SPEAKERS, ExampleSource, read_digits
from demo.excitation import write_excitation
from demo.measure import write_measured
from demo.models import (
    build_hubert,
    build_hubert_processor,
    build_whisper,
    build_whisper_processor,
    save_model,
)
from demo.plan import PLANS
from demo.recordings import (
    clip_recordings,
    held_out_recordings,
    write_recordings,
)
from demo.synthesis import read_corpus, write_corpus
from demo.tasks import HubertTask, WhisperTask
from demo.train import load_average, train

DEMO = Path(__file__).resolve().parent
DEFAULT_DIGITS = DEMO.parent.parent / "shared" / "testbed" / "digits"
STAGES = ("synthesise", "train", "export", "record", "excitation", "measure", "evaluate")
TRAIN_CORPUS = (60_000, 1)  # utterances, seed
HELD_OUT_CORPUS = (1_500, 2)


def synthesise_corpora(work: Path) -> None:
    """Speak the training sentences, and held-out ones by held-out voices for larger tests."""
    size, seed = TRAIN_CORPUS
    write_corpus(work / "train", size, seed=seed, held_out=False)
    size, seed = HELD_OUT_CORPUS
    write_corpus(work / "held_out", size, seed=seed, held_out=True)


def make_task(name: str) -> WhisperTask | HubertTask:
    """Build an untrained model with its loss; ``name`` is "whisper" or "hubert"."""
    seed = PLANS[name].seed
    if name == "whisper":
        processor = build_whisper_processor()
        return WhisperTask(build_whisper(processor.tokenizer, seed), processor)
    ctc_processor = build_hubert_processor()
    return HubertTask(build_hubert(ctc_processor, seed), ctc_processor)


def train_model(name: str, work: Path, digits: Path) -> None:
    """Train one model on the corpus in ``work``; its checkpoint lies beside it.

    Whisper needs the checkpoint of a trained HuBERT there, from which it learns.
    """
    plan = PLANS[name]
    source = ExampleSource(
        read_corpus(work / "train"), read_digits(digits, TRAIN_SPEAKERS), plan.seed
    )
    task = make_task(name)
    if isinstance(task, WhisperTask):
        teacher = make_task("hubert")
        assert isinstance(teacher, HubertTask)
        load_average(work / "hubert.safetensors", teacher)
        teacher.model.config.apply_spec_augment = False
        task.learn_from(teacher.model)
    train(task, source, plan, work / f"{name}.safetensors")


def export_model(name: str, work: Path, folder: Path) -> None:
    """Write a checkpoint's averaged weights as a stock fp16 transformers checkpoint."""
    task = make_task(name)
    n_steps = load_average(work / f"{name}.safetensors", task)
    if isinstance(task, WhisperTask):
        scores = monotonicity(task, read_corpus(work / "train"))
        task.model.generation_config.update(alignment_heads=alignment_heads(scores))
    else:
        task.model.config.apply_spec_augment = False
    save_model(task.model, task.processor, folder)
    print(f"{folder}: after {n_steps} steps")


def record() -> None:
    """Synthesise the recordings that ship with the models."""
    write_recordings(DEMO / "heldout", held_out_recordings(), "kind")
    write_recordings(DEMO / "clips", clip_recordings(), "description")


def evaluate_model(name: str, work: Path, digits: Path, n_corpus: int) -> None:
    """Print word error rates on every test set that is there."""
    make = whisper_transcriber if name == "whisper" else hubert_transcriber
    transcribe = make(DEMO / name)
    sets = {"heldout": read_recordings(DEMO / "heldout"), "clips": read_recordings(DEMO / "clips")}
    if digits.exists():
        sets["human digit strings"] = digit_strings(digits)
    if (work / "held_out").exists():
        corpus = read_corpus(work / "held_out")
        sets["held-out corpus"] = corpus_test_set(corpus, n_corpus)
        sets["heldout, disturbed"] = disturbed(sets["heldout"], corpus)
    for title, test_set in sets.items():
        hypotheses = transcribe(test_set.waveforms)
        print(f"{name}, {title}: {score(test_set.texts, hypotheses)}", flush=True)
        for voice in sorted({voice.split("+")[0] for voice in test_set.voices if " " not in voice}):
            rows = [i for i, v in enumerate(test_set.voices) if v.split("+")[0] == voice]
            part = score([test_set.texts[i] for i in rows], [hypotheses[i] for i in rows])
            print(f"    {voice}: {part}")
        for text, hypothesis in zip(test_set.texts, hypotheses, strict=True):
            if text != hypothesis:
                print(f"        {text}\n     -> {hypothesis}")


def main() -> None:
    """Run the stages that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m demo.build", description=__doc__)
    parser.add_argument("stage", choices=(*STAGES, "all"))
    parser.add_argument("--model", choices=tuple(PLANS), help="only this model")
    parser.add_argument("--work", type=Path, default=DEMO.parent / "build" / "demo")
    parser.add_argument("--digits", type=Path, default=DEFAULT_DIGITS)
    parser.add_argument("--corpus-size", type=int, default=500, help="of the larger test")
    options = parser.parse_args()
    stages = STAGES if options.stage == "all" else (options.stage,)
    names = (options.model,) if options.model else tuple(PLANS)
    for stage in stages:
        if stage == "synthesise":
            synthesise_corpora(options.work)
        elif stage == "record":
            record()
        elif stage == "excitation":
            write_excitation(DEMO / "excitation", options.work / "excitation-speech")
        for name in names:
            if stage == "train":
                train_model(name, options.work, options.digits)
            elif stage == "export":
                export_model(name, options.work, DEMO / name)
            elif stage == "measure":
                write_measured(f"demo-{name}", DEMO / "measured" / f"{name}.npz")
            elif stage == "evaluate":
                evaluate_model(name, options.work, options.digits, options.corpus_size)


if __name__ == "__main__":
    main()
