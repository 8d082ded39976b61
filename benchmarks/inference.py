"""Times inference: Coalesce against a bare transformers pipeline, compressed against original.

python -m benchmarks.inference MODEL CLIP [--sparsity 0.5]
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import pipeline

from analysis.compression.allocation import allocate
from analysis.compression.compress import compress
from analysis.models.footprint import footprint
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe
from analysis.speech.audio import SAMPLING_RATE, Audio, read_audio
from analysis.speech.transcription import transcribe
from benchmarks.timing import best_seconds, report


def time_transcription(model: SpeechModel, audio: Audio) -> None:
    """One clip through Coalesce and through the library's own pipeline."""
    peer = pipeline(
        "automatic-speech-recognition",
        model=model.model,
        tokenizer=model.processor.tokenizer,
        feature_extractor=model.processor.feature_extractor,
    )

    def pipeline_text() -> str:
        result = peer({"raw": audio.samples, "sampling_rate": SAMPLING_RATE})
        assert isinstance(result, dict)
        return str(result["text"]).strip()

    texts = transcribe(model, audio).text, pipeline_text()
    ours, theirs = [], []
    for _ in range(5):  # in turns, so that both meet the same load on the machine
        ours.append(best_seconds(lambda: transcribe(model, audio), 1))
        theirs.append(best_seconds(pipeline_text, 1))
    report(
        f"transcribe {audio.duration:.1f} s",
        min(ours),
        "pipeline",
        min(theirs),
        ">= 1/1.05 = 0.95x",
    )
    print(f"  same text: {texts[0] == texts[1]}")


def time_encoder(model: SpeechModel, sparsity: float, seconds: float) -> None:
    """The encoder's forward pass, compressed against original, beside the ratio of their MACs."""
    groups = model.groups
    plan = CompressionPlan(
        origin=model.origin,
        # the fastest way to the same shapes
        recipe=Recipe(method="magnitude", sparsity=sparsity),
        n_clusters=allocate(groups, sparsity=sparsity),
    )
    smaller = compress(model, plan).model
    encoders = [_encoder(model, seconds), _encoder(smaller, seconds)]
    times: list[list[float]] = [[], []]
    for _ in range(8):
        for encoder, measured in zip(encoders, times, strict=True):
            measured.append(best_seconds(encoder, 1))
    before, after = min(times[0]), min(times[1])
    macs = footprint(model).encoder_macs / footprint(smaller).encoder_macs
    report(f"encoder at {sparsity:.0%}", after, "original", before, f">= 0.8 x {macs:.2f}")
    print(f"  speed-up over MAC ratio: {before / after / macs:.2f} (bar: 0.8)")


def _encoder(model: SpeechModel, seconds: float) -> Callable[[], None]:
    """A call that runs the encoder once on random input."""
    generator = torch.Generator().manual_seed(0)
    if model.architecture.decoding == "ctc":
        features = torch.randn(1, int(seconds * SAMPLING_RATE), generator=generator)
        module = model.model
    else:
        frames = 2 * model.config.max_source_positions
        features = torch.randn(1, model.config.num_mel_bins, frames, generator=generator)
        module = model.model.get_encoder()

    def run() -> None:
        with torch.inference_mode():
            module(features)

    return run


def main() -> None:
    """Run all timings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--sparsity", type=float, default=0.5)
    options = parser.parse_args()
    model, audio = load(options.model), read_audio(options.clip)
    time_transcription(model, audio)
    time_encoder(model, options.sparsity, seconds=10.0)


if __name__ == "__main__":
    main()
