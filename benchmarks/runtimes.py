"""Times the encoder of an original and a compressed model in every runtime, all in one run.

python -m benchmarks.runtimes MODEL [--sparsity 0.5] [--threads 1]

The compressed one has the same share of heads and channels removed everywhere, which is what
CTranslate2 can hold; which units go makes no difference to the time. All runtimes have the same
number of threads and take turns, so that whatever else the machine does meets all alike.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ctranslate2
import onnxruntime
import torch

from analysis.compression.allocation import allocate
from analysis.compression.compress import compress
from analysis.delivery.ctranslate2 import export_ctranslate2
from analysis.delivery.export_checks import check_input, folder_bytes
from analysis.delivery.onnx import export_onnx, graph_name
from analysis.delivery.saving import save
from analysis.models.footprint import footprint
from analysis.models.loading import load
from analysis.models.quantising import quantise
from analysis.models.speech_model import SpeechModel
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe
from benchmarks.timing import best_seconds

ROUNDS = 15
SECONDS = 10.0
"""Of the clip that a CTC model hears; a Whisper always hears its whole window."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """One way to run an encoder: what it is called, its files' bytes, a call that runs it."""

    name: str
    bytes: int
    run: Callable[[], object]


def smaller_model(model: SpeechModel, sparsity: float) -> SpeechModel:
    """The same share removed of every group, by magnitude: the fastest way to these shapes."""
    plan = CompressionPlan(
        origin=model.origin,
        recipe=Recipe(method="magnitude", sparsity=sparsity),
        n_clusters=allocate(model.groups, sparsity=sparsity),
    )
    return compress(model, plan).model


def runtimes_of(model: SpeechModel, folder: Path, threads: int) -> list[Runtime]:
    """The encoder in torch, onnxruntime and, for a Whisper, CTranslate2, on the same speech."""
    features = check_input(model, SECONDS)
    given = torch.from_numpy(features)
    saved = folder_bytes(save(model, folder / "torch"))
    small = quantise(model)
    found = [
        Runtime("torch float32", saved, _in_torch(model, given)),
        Runtime("torch int8", footprint(small).bytes, _in_torch(small, given)),
    ]
    graph = export_onnx(model, folder / "onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        str(graph.folder / graph_name(model)), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    found.append(
        Runtime("onnxruntime float32", graph.bytes, lambda: session.run(None, {name: features}))
    )
    if model.architecture.decoding == "seq2seq":
        for precision in ("float32", "int8"):
            made = export_ctranslate2(model, folder / precision, precision=precision)
            whisper = ctranslate2.models.Whisper(
                str(made.folder), device="cpu", compute_type=precision, intra_threads=threads
            )
            found.append(
                Runtime(f"CTranslate2 {precision}", made.bytes, _in_ctranslate2(whisper, features))
            )
    return found


def _in_torch(model: SpeechModel, given: torch.Tensor) -> Callable[[], object]:
    module = model.model.get_encoder() if model.config.is_encoder_decoder else model.model

    def run() -> object:
        with torch.inference_mode():
            return module(given)

    return run


def _in_ctranslate2(whisper: ctranslate2.models.Whisper, features: object) -> Callable[[], object]:
    view = ctranslate2.StorageView.from_array(features)
    return lambda: whisper.encode(view)


def main() -> None:
    """Run all timings and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--sparsity", type=float, default=0.5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load(options.model)
    variant = smaller_model(model, options.sparsity)
    with tempfile.TemporaryDirectory() as scratch:
        sides = []
        for each, name in ((model, "original"), (variant, "variant")):
            (Path(scratch) / name).mkdir()
            sides.append(runtimes_of(each, Path(scratch) / name, options.threads))
        best = {runtime: best_seconds(runtime.run, 1) for side in sides for runtime in side}
        for _ in range(ROUNDS):
            for runtime in best:
                best[runtime] = min(best[runtime], best_seconds(runtime.run, 1))
    macs = footprint(model).encoder_macs / footprint(variant).encoder_macs
    load_now = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(
        f"{model.name}: encoder at {options.sparsity:.0%} against the original, best of"
        f" {ROUNDS + 1}, {options.threads} thread(s); load of the machine {load_now};"
        f" {macs:.2f}x fewer MACs"
    )
    heads = f"{'runtime':<22}{'original':>11}{'variant':>11}{'speed-up':>10}"
    print(f"{heads}{'MB, from':>10}{'to':>7}")
    for before, after in zip(*sides, strict=True):
        print(
            f"{before.name:<22}{1e3 * best[before]:>8.1f} ms{1e3 * best[after]:>8.1f} ms"
            f"{best[before] / best[after]:>9.2f}x"
            f"{before.bytes / 1e6:>10.1f}{after.bytes / 1e6:>7.1f}"
        )


if __name__ == "__main__":
    main()
