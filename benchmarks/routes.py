"""Puts a compressed Whisper through every route out of Coalesce, and compares what it writes.

python -m benchmarks.routes CHECKPOINT DATA [--clips 20]

CHECKPOINT is what `coalesce compress` saved, DATA a corpus. Each route decodes greedily with the
checkpoint's own generation settings: Coalesce; transformers' pipeline, with remote code where the
checkpoint needs it; CTranslate2 where it can hold the heads; onnxruntime's encoder under torch's
decoder. A stock checkpoint also goes through plain `from_pretrained`.
"""

import argparse
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctranslate2
import onnxruntime
import torch
import transformers
from transformers import pipeline
from transformers.modeling_outputs import BaseModelOutput

from analysis.compression.stock import stock_widths
from analysis.delivery.ctranslate2 import export_ctranslate2
from analysis.delivery.export_checks import folder_bytes
from analysis.delivery.onnx import export_onnx, graph_name
from analysis.errors import UserError
from analysis.evaluation.corpora import read_corpus
from analysis.evaluation.scoring import corpus_score
from analysis.models.loading import load
from analysis.models.quantising import quantise
from analysis.models.speech_model import SpeechModel
from analysis.speech.audio import SAMPLING_RATE, Audio, Samples
from analysis.speech.transcription import TranscriptionOptions, transcribe_batch

MOST_TOKENS = 100
"""Per clip, in every route: a weak model that repeats itself stops at the same place in all."""

_CONTROL = re.compile(r"<\|[^|]*\|>")

Route = Callable[[Audio], str]


def through_coalesce(model: SpeechModel) -> Route:
    """Coalesce's own transcription."""
    options = TranscriptionOptions(num_beams=1, max_new_tokens=MOST_TOKENS, warm_up=False)
    return lambda clip: transcribe_batch(model, [clip], options)[0].text


def through_pipeline(folder: Path, *, trust: bool) -> Route:
    """transformers' pipeline on the folder, as a stranger would load it."""
    recognise = pipeline(
        "automatic-speech-recognition", str(folder), trust_remote_code=trust, device="cpu"
    )
    settings = {"num_beams": 1, "max_new_tokens": MOST_TOKENS}

    def route(clip: Audio) -> str:
        given = {"raw": clip.samples, "sampling_rate": SAMPLING_RATE}
        result: Any = recognise(given, generate_kwargs=settings)
        # the pipeline prints the control tokens that a model writes among the words
        return _CONTROL.sub("", str(result["text"])).strip()

    return route


def through_plain_class(model: SpeechModel, folder: Path) -> Route:
    """The library's own class, without remote code."""
    plain = transformers.WhisperForConditionalGeneration.from_pretrained(
        folder, trust_remote_code=False, use_safetensors=True
    )
    return lambda clip: _decode(model, _generate(plain.eval(), _features(model, clip.samples)))


def through_onnx(model: SpeechModel, folder: Path) -> Route:
    """The exported encoder, and torch's decoder on what it gives."""
    made = export_onnx(model, folder)
    session = onnxruntime.InferenceSession(
        str(made.folder / graph_name(model)), providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name

    def route(clip: Audio) -> str:
        features = _features(model, clip.samples)
        (encoded,) = session.run(None, {name: features.numpy()})
        given = BaseModelOutput(last_hidden_state=torch.from_numpy(encoded))
        return _decode(model, _generate(model.model, features, encoder_outputs=given))

    return route


def through_ctranslate2(model: SpeechModel, folder: Path, precision: str) -> Route:
    """The exported model, decoded by CTranslate2."""
    made = export_ctranslate2(model, folder, precision=precision)
    whisper = ctranslate2.models.Whisper(str(made.folder), device="cpu", compute_type=precision)
    settings: Any = model.model.generation_config
    prompt = [settings.decoder_start_token_id, settings.no_timestamps_token_id]

    def route(clip: Audio) -> str:
        features = _features(model, clip.samples).numpy()
        (result,) = whisper.generate(
            ctranslate2.StorageView.from_array(features),
            [prompt],
            beam_size=1,
            max_length=len(prompt) + MOST_TOKENS,
            no_repeat_ngram_size=settings.no_repeat_ngram_size or 0,
        )
        return _decode(model, result.sequences_ids[0])

    return route


def _features(model: SpeechModel, samples: Samples) -> torch.Tensor:
    made = model.processor.feature_extractor(
        samples, sampling_rate=SAMPLING_RATE, return_tensors="pt"
    )
    features: torch.Tensor = made.input_features
    return features


def _generate(module: Any, features: torch.Tensor, **given: Any) -> list[int]:
    with torch.inference_mode():
        ids = module.generate(features, num_beams=1, max_new_tokens=MOST_TOKENS, **given)
    tokens: list[int] = ids[0].tolist()
    return tokens


def _decode(model: SpeechModel, tokens: list[int]) -> str:
    text: str = model.processor.tokenizer.decode(tokens, skip_special_tokens=True)
    return text.strip()


def main() -> None:
    """Run all routes over the clips and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--clips", type=int, default=20)
    options = parser.parse_args()
    folder: Path = options.checkpoint
    model = load(str(folder))
    stock = stock_widths(model) is not None
    corpus = read_corpus(options.data)
    window = model.processor.feature_extractor.chunk_length
    utterances = [u for u in corpus.utterances if u.duration <= window][: options.clips]
    clips = [utterance.read() for utterance in utterances]
    references = [utterance.text for utterance in utterances]
    routes = {"Coalesce, reloaded": through_coalesce(model)}
    routes["pipeline" if stock else "pipeline, remote code"] = through_pipeline(
        folder, trust=not stock
    )
    if stock:
        routes["plain from_pretrained"] = through_plain_class(model, folder)
    routes["torch int8"] = through_coalesce(quantise(model))
    with tempfile.TemporaryDirectory() as scratch:
        routes["onnxruntime encoder"] = through_onnx(model, Path(scratch) / "onnx")
        for precision in ("float32", "int8"):
            try:
                routes[f"CTranslate2 {precision}"] = through_ctranslate2(
                    model, Path(scratch) / precision, precision
                )
            except UserError as refusal:
                print(f"CTranslate2 {precision}: {refusal}")
        texts = {name: [route(clip) for clip in clips] for name, route in routes.items()}
    expected = texts["Coalesce, reloaded"]
    load_now = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(
        f"{model.name} ({'stock classes' if stock else 'own class'},"
        f" {folder_bytes(folder) / 1e6:.1f} MB): {len(clips)} clips of {corpus.name},"
        f" load of the machine {load_now}"
    )
    print(f"{'route':<24}{'same text':>12}{'WER':>9}")
    for name, written in texts.items():
        same = sum(a == b for a, b in zip(written, expected, strict=True))
        wer = corpus_score(references, written).wer
        print(f"{name:<24}{f'{same} of {len(clips)}':>12}{wer:>9.2%}")


if __name__ == "__main__":
    main()
