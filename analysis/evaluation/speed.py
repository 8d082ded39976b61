"""How long encoders really take: warmed up, in turns, each against the original beside it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import torch

from analysis.models.footprint import CTC_SECONDS
from analysis.models.speech_model import SpeechModel
from analysis.progress import (
    UNWATCHED,
    Watch,
)

RUNS = 7
"""Timed runs of each model, after one that is not timed; odd, so that the median is one of them."""


@dataclass(frozen=True, slots=True)
class EncoderSpeed:
    """What one encoder took, in one session of measuring.

    Parameters
    ----------
    seconds : float
        Median over the runs, of one forward pass.
    audio_seconds : float
        Length of the clip: the model's window, or `CTC_SECONDS` for a CTC model.
    ratio : float
        `seconds` over the median of the first model of the same session; below 1 is faster.
    runs : int
    """

    seconds: float
    audio_seconds: float
    ratio: float
    runs: int


def measure_encoders(
    models: Sequence[SpeechModel],
    *,
    runs: int = RUNS,
    watch: Watch = UNWATCHED,
) -> list[EncoderSpeed]:
    """Time the encoders of a model and its variants on one clip of seeded noise.

    The models take turns, run by run, so that whatever else the machine does meets all alike.

    Parameters
    ----------
    models : sequence of SpeechModel
        The original first; the others are compared with it. On one device.
    runs : int
        Timed runs of each.
    watch : Watch
        Reports runs.

    Returns
    -------
    list of EncoderSpeed
        In the order of `models`.

    Raises
    ------
    Cancelled
    """
    features, audio_seconds = _clip(models[0])
    times: list[list[float]] = [[] for _ in models]
    for run in range(runs + 1):
        for model, own in zip(models, times, strict=True):
            watch.check()
            watch.progress(len(models) * run, len(models) * (runs + 1), f"run {run} of {runs}")
            took = _run(model, features)
            if run:  # the first builds kernels and buffers
                own.append(took)
    medians = [median(own) for own in times]
    return [EncoderSpeed(took, audio_seconds, took / medians[0], runs) for took in medians]


def _clip(model: SpeechModel) -> tuple[torch.Tensor, float]:
    """Noise as the encoder takes it, and its length in seconds."""
    extractor, config = model.processor.feature_extractor, model.config
    if model.architecture.decoding == "seq2seq":
        shape: tuple[int, ...] = (1, config.num_mel_bins, extractor.nb_max_frames)
        seconds = float(extractor.chunk_length)
    else:
        shape, seconds = (1, int(CTC_SECONDS * extractor.sampling_rate)), CTC_SECONDS
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return noise.to(device=model.device, dtype=model.dtype), seconds


def _run(model: SpeechModel, features: torch.Tensor) -> float:
    """Seconds of one forward pass, waiting for the model left out."""
    encoder = model.model.get_encoder() if model.config.is_encoder_decoder else model.model
    with model.lock, torch.inference_mode():
        _wait(model.device)
        started = time.perf_counter()
        encoder(features)
        _wait(model.device)
        return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
