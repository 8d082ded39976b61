"""WER of the ways to merge by what units do, one change at a time, as a table.

    python -m benchmarks.ablation MODEL DATA --out results.jsonl [--sparsity 0.1,0.2]
        [--only surgeon-refit,merge-mean] [--normaliser whisper-english]

DATA is a corpus as `coalesce evaluate` takes it. Rows land in --out as they come; those that are
there already are not run again. The interval is that of the difference to the uncompressed model's
WER (paired bootstrap over utterances).
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.clustering.trees import build_trees
from analysis.clustering.unit_space import UnitSpace
from analysis.compression.allocation import achieved_sparsity, allocate
from analysis.compression.compress import compress
from analysis.evaluation.corpora import read_corpus
from analysis.evaluation.scoring import score
from analysis.evaluation.significance import wer_difference
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe
from analysis.speech.audio import SAMPLING_RATE, Audio
from analysis.speech.excitation import Excitation, make_excitation, read_calibration
from analysis.speech.transcription import transcribe_batch


@dataclass(frozen=True, slots=True)
class Row:
    """One way to compress: what differs from contribution merging by shipped speech.

    Parameters
    ----------
    method, distance, merge, repair, sequential, allocation
        See `analysis.plan.compression_plan.CompressionPlan`.
    excitation : str
        "speech", "sounds", or "calibrated" (--calibrate).
    seconds : float or None
        Length that the excitation is cut to, in whole clips; None for all of it.
    components : str
        "ffn,heads", "ffn" or "heads".
    equal_k : bool
        Whether every group gets the K of "merge-output-error", so that only the choice of units
        and the repair differ; `allocation` is not used.
    """

    method: str = "cluster"
    distance: str = "contribution"
    merge: str = "weighted"
    repair: str = "none"
    sequential: bool = False
    allocation: str = "uniform"
    excitation: str = "speech"
    seconds: float | None = None
    components: str = "ffn,heads"
    equal_k: bool = False


ROWS: Mapping[str, Row] = {
    "weights-magnitude": Row("magnitude", "weights", "mean"),
    "weights-random": Row("random", "weights", "mean"),
    "weights-cluster": Row("cluster", "weights", "mean"),
    "weights-cluster-refit": Row("cluster", "weights", "mean", "refit"),
    "random-refit": Row("random", "weights", "mean", "refit"),
    "merge": Row(),
    "merge-mean": Row(repair="mean"),
    "merge-refit": Row(repair="refit"),
    "merge-refit-plain": Row(merge="mean", repair="refit"),
    "prune": Row("magnitude"),
    "prune-mean": Row("magnitude", repair="mean"),
    "prune-refit": Row("magnitude", repair="refit"),
    "surgeon-mean": Row("surgeon", repair="mean"),
    "surgeon-refit": Row("surgeon", repair="refit"),
    "surgeon-sequential": Row("surgeon", repair="refit", sequential=True),
    "merge-sequential": Row(repair="refit", sequential=True),
    "surgeon-output-error": Row("surgeon", repair="refit", allocation="output-error"),
    "surgeon-output-error-sequential": Row(
        "surgeon", repair="refit", sequential=True, allocation="output-error"
    ),
    "surgeon-output-error-mean": Row("surgeon", repair="mean", allocation="output-error"),
    "surgeon-output-error-none": Row("surgeon", allocation="output-error"),
    "surgeon-output-error-sounds": Row(
        "surgeon", repair="refit", allocation="output-error", excitation="sounds"
    ),
    "surgeon-output-error-5s": Row("surgeon", repair="refit", allocation="output-error", seconds=5),
    "surgeon-output-error-20s": Row(
        "surgeon", repair="refit", allocation="output-error", seconds=20
    ),
    "surgeon-output-error-calibrated": Row(
        "surgeon", repair="refit", allocation="output-error", excitation="calibrated"
    ),
    "prune-output-error": Row("magnitude", repair="refit", allocation="output-error"),
    "merge-output-error": Row(repair="refit", allocation="output-error"),
    "merge-output-error-none": Row(allocation="output-error"),
    "merge-output-error-mean": Row(repair="mean", allocation="output-error"),
    "merge-output-error-plain": Row(merge="mean", repair="refit", allocation="output-error"),
    "merge-output-error-sequential": Row(
        repair="refit", sequential=True, allocation="output-error"
    ),
    "merge-output-error-sounds": Row(
        repair="refit", allocation="output-error", excitation="sounds"
    ),
    "merge-output-error-10s": Row(repair="refit", allocation="output-error", seconds=10),
    "merge-output-error-50s": Row(repair="refit", allocation="output-error", seconds=50),
    "merge-output-error-calibrated": Row(
        repair="refit", allocation="output-error", excitation="calibrated"
    ),
    "surgeon-equal-k": Row("surgeon", repair="refit", equal_k=True),
    "weights-cluster-equal-k": Row("cluster", "weights", "mean", equal_k=True),
    "weights-magnitude-equal-k": Row("magnitude", "weights", "mean", equal_k=True),
    "weights-random-equal-k": Row("random", "weights", "mean", equal_k=True),
    "weights-cluster-distortion": Row("cluster", "weights", "mean", allocation="distortion"),
    "weights-magnitude-distortion": Row("magnitude", "weights", "mean", allocation="distortion"),
    "surgeon-distortion": Row("surgeon", repair="refit", allocation="distortion"),
    "surgeon-sounds": Row("surgeon", repair="refit", excitation="sounds"),
    "surgeon-5s": Row("surgeon", repair="refit", seconds=5),
    "surgeon-20s": Row("surgeon", repair="refit", seconds=20),
    "surgeon-calibrated": Row("surgeon", repair="refit", excitation="calibrated"),
    "surgeon-ffn": Row("surgeon", repair="refit", components="ffn"),
    "surgeon-heads": Row("surgeon", repair="refit", components="heads"),
}
"""Every row of the table by name."""


def cut(excitation: Excitation, seconds: float | None) -> Excitation:
    """As many of the first clips as reach `seconds`."""
    if seconds is None:
        return excitation
    ends = np.cumsum([len(clip) for clip in excitation.clips])
    n_clips = int(np.searchsorted(ends, seconds * SAMPLING_RATE)) + 1
    return Excitation(excitation.kind, excitation.clips[:n_clips])


def make(model: SpeechModel, row: Row, sparsity: float, calibration: Path | None) -> SpeechModel:
    """The compressed model of one row."""
    excitation = None
    if row.distance == "contribution" or row.repair != "none":
        if row.excitation == "calibrated":
            assert calibration is not None
            excitation = read_calibration(calibration)
        else:
            excitation = make_excitation(row.excitation)
        excitation = cut(excitation, row.seconds)
    groups, components = model.groups, tuple(row.components.split(","))
    removal = row.method == "surgeon"
    trees = build_trees(model, UnitSpace(row.distance, excitation=excitation), removal=removal)
    n_clusters = allocate(
        groups,
        sparsity=sparsity,
        strategy="output-error" if row.equal_k else row.allocation,
        components=components,
        trees=build_trees(model, UnitSpace("contribution")) if row.equal_k else trees,
        method="cluster" if row.equal_k else row.method,
    )
    plan = CompressionPlan(
        origin=model.origin,
        recipe=Recipe.read(
            {
                "method": row.method,
                "distance": row.distance,
                "merge": row.merge,
                "repair": row.repair,
                "sequential": row.sequential,
                "allocation": "manual" if row.equal_k else row.allocation,
                "excitation": row.excitation,
                "components": components,
                "sparsity": sparsity,
            }
        ),
        n_clusters=n_clusters,
    )
    print(f"  removed {achieved_sparsity(groups, n_clusters):.1%} of the mergeable parameters")
    return compress(model, plan, trees=trees, excitation=excitation).model


def errors(
    model: SpeechModel, clips: list[Audio], references: list[str], normaliser: str
) -> list[list[int]]:
    """Substitutions, insertions, deletions and reference words of every clip."""
    texts = [transcript.text for transcript in transcribe_batch(model, clips)]
    scores = [score(*pair, normaliser) for pair in zip(references, texts, strict=True)]
    return [[s.substitutions, s.insertions, s.deletions, s.words] for s in scores]


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sparsity", default="0.1")
    parser.add_argument("--only", help="names of rows, by commas")
    parser.add_argument("--calibrate", type=Path, help="folder with clips, for the calibrated row")
    parser.add_argument("--normaliser", default="whisper-english")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(ROWS)
    names = [n for n in names if options.calibrate or ROWS[n].excitation != "calibrated"]
    model = load(options.model)
    corpus = read_corpus(options.data)
    clips = [utterance.read() for utterance in corpus.utterances]
    references = [utterance.text for utterance in corpus.utterances]
    done = _read(options.out)

    def run(key: dict[str, Any], name: str, sparsity: float) -> list[list[int]]:
        known = done.get(json.dumps(key))
        if known is not None:
            return known
        changed = make(model, ROWS[name], sparsity, options.calibrate) if name else model
        found = errors(changed, clips, references, options.normaliser)
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "errors": found}) + "\n")
        return found

    shared = {"weights": model.weight_hash, "data": str(options.data), "rule": options.normaliser}
    shared |= {"speech": make_excitation("speech").identity}
    baseline = run(shared, "", 0.0)
    _print("uncompressed", 0.0, baseline, baseline)
    for sparsity in map(float, options.sparsity.split(",")):
        for name in names:
            key = shared | {"sparsity": sparsity, **asdict(ROWS[name])}
            _print(name, sparsity, run(key, name, sparsity), baseline)


def _print(name: str, sparsity: float, counts: list[list[int]], baseline: list[list[int]]) -> None:
    ours, theirs = np.array(counts), np.array(baseline)
    substitutions, insertions, deletions, words = ours.sum(axis=0).tolist()
    wer = (substitutions + insertions + deletions) / words
    gained = wer_difference(
        ours[:, :3].sum(axis=1).tolist(),
        theirs[:, :3].sum(axis=1).tolist(),
        ours[:, 3].tolist(),
    )
    print(
        f"| {name} | {sparsity:.0%} | {wer:.1%} "
        f"| {gained.delta:+.1%} [{gained.low:+.1%}, {gained.high:+.1%}] "
        f"| {substitutions} | {insertions} | {deletions} | {words} |",
        flush=True,
    )


def _read(out: Path) -> dict[str, list[list[int]]]:
    if not out.exists():
        return {}
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    return {json.dumps(row["key"]): row["errors"] for row in rows}


if __name__ == "__main__":
    main()
