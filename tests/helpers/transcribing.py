"""Transcripts of the bare library, and what passes through a model while it transcribes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import pipeline

from analysis.models.speech_model import SpeechModel
from analysis.speech.audio import SAMPLING_RATE, Audio, Samples
from analysis.speech.transcription import TranscriptionOptions
from tests.helpers.talking_models import audio

COLD = TranscriptionOptions(warm_up=False)


def bare(model: SpeechModel, clip: Audio, **settings: Any) -> str:
    """What a `transformers` pipeline makes of a clip."""
    recogniser: Any = pipeline(
        "automatic-speech-recognition",
        model=model.model,
        tokenizer=model.processor.tokenizer,
        feature_extractor=model.processor.feature_extractor,
    )
    return recogniser(clip.samples.copy(), **settings)["text"].strip()


def telling(text: str) -> str:
    """Guard: comparing texts shows nothing where the models always write the same letter."""
    assert len(set(text)) >= 4, text
    return text


@contextmanager
def calls_of(module: torch.nn.Module) -> Iterator[list[tuple[int, ...]]]:
    """Shapes of what goes into a module."""
    shapes: list[tuple[int, ...]] = []

    def note(_: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        inputs = [*args, *kwargs.values()]
        shapes.append(tuple(next(x for x in inputs if torch.is_tensor(x)).shape))

    handle = module.register_forward_pre_hook(note, with_kwargs=True)
    yield shapes
    handle.remove()


# --- language and task --------------------------------------------------------------------------


def detected(model: SpeechModel, samples: Samples) -> str:
    features = model.processor.feature_extractor(
        samples, sampling_rate=SAMPLING_RATE, return_tensors="pt"
    )
    network: Any = model.model
    found = network.detect_language(**features).item()
    return next(t for t, i in network.generation_config.lang_to_id.items() if i == found)


# --- batches ------------------------------------------------------------------------------------


def clips_of(*seconds: float) -> list[Audio]:
    return [audio(length, seed) for seed, length in enumerate(seconds)]
