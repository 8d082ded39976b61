"""Clips and settings for training runs of seconds, and what is asked of their results."""

from pathlib import Path

import soundfile
import torch

from analysis.delivery.saving import save
from analysis.evaluation.corpora import Corpus, read_corpus
from analysis.models.speech_model import SpeechModel
from analysis.plan.training_settings import GateSettings, TrainingSettings
from analysis.speech.audio import SAMPLING_RATE
from analysis.training.data import Batch, Collator, training_data
from analysis.training.run import Task
from tests.helpers.talking_models import sound

WORDS = ("one", "two", "cab", "add a", "bad", "dab", "fee", "egg")
QUICK = TrainingSettings(epochs=2, batch_size=4, learning_rate=1e-3, normaliser="none")


def write_clips(folder: Path, texts: tuple[str, ...], seed: int = 0) -> Corpus:
    """Noise of growing length with a transcript each."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["file_name,transcription"]
    for index, text in enumerate(texts):
        soundfile.write(folder / f"{index}.wav", sound(1 + index / 8, seed + index), SAMPLING_RATE)
        rows.append(f"{index}.wav,{text}")
    (folder / "metadata.csv").write_text("\n".join(rows))
    return read_corpus(folder)


def task_of(
    model: SpeechModel,
    corpus: Corpus,
    validation: Corpus,
    gates: GateSettings | None = None,
    settings: TrainingSettings = QUICK,
) -> Task:
    return Task(training_data(model, corpus), corpus.name, validation, settings, gates)


def weights(model: SpeechModel) -> dict[str, torch.Tensor]:
    return dict(model.model.named_parameters())


def batch_of(model: SpeechModel, corpus: Corpus) -> Batch:
    data = training_data(model, corpus)
    return Collator(model)([data[index] for index in range(4)])


def assert_same(model: SpeechModel, other: SpeechModel) -> None:
    ours, theirs = weights(model), weights(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-6, atol=1e-7)


def quiet_copy(model: SpeechModel, folder: Path) -> Path:
    """Saved without dropout and SpecAugment, which draw other numbers in each process."""
    for name in vars(model.config):
        if "dropout" in name or name == "layerdrop":
            setattr(model.config, name, 0.0)
    model.config.apply_spec_augment = False
    return save(model, folder)
