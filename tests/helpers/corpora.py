"""Clips and corpora of noise."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from analysis.speech.audio import SAMPLING_RATE
from tests.helpers.talking_models import sound


def clip(path: Path, seconds: float = 0.5, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * 16_000))
    soundfile.write(path, samples, 16_000)
    return path


def write_corpus(folder: Path, references: Sequence[str]) -> Path:
    """Noise of growing length, two speakers in turn."""
    rows = ["file_name,transcription,speaker"]
    for index, text in enumerate(references):
        name = f"{index}.wav"
        soundfile.write(folder / name, sound(0.5 + index / 4, index), SAMPLING_RATE)
        rows.append(f"{name},{text},{'ab'[index % 2]}")
    (folder / "metadata.csv").write_text("\n".join(rows))
    return folder
