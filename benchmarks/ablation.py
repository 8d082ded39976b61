"""WER of what the default recipe is made of, one change at a time, as a table.

    python -m benchmarks.ablation MODEL DATA --out results.jsonl [--sparsity 0.1,0.2]
        [--only default,repair-mean] [--normaliser whisper-english]

DATA is a corpus as `coalesce evaluate` takes it. Rows land in --out as they come; those that are
there already are not run again. The interval is that of the difference to the uncompressed model's
WER (paired bootstrap over utterances).
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis.compression.allocation import achieved_sparsity, allocate
from analysis.compression.compress import compress
from analysis.compression.planner import Planner
from analysis.compression.tree_choice import TreeChoice
from analysis.evaluation.corpora import read_corpus
from analysis.evaluation.scoring import score
from analysis.evaluation.significance import wer_difference
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import group_variances
from analysis.plan.choices import CALIBRATED, CONTRIBUTION, INFLUENCE, MANUAL, OUTPUT_ERROR, SURGEON
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe, complete
from analysis.speech.audio import SAMPLING_RATE, Audio
from analysis.speech.excitation import Excitation, make_excitation, read_calibration
from analysis.speech.hearing import recipe_excitation
from analysis.speech.transcription import transcribe_batch


@dataclass(frozen=True, slots=True)
class Row:
    """One way to compress.

    Parameters
    ----------
    recipe : Recipe
        Its sparsity is that of the command.
    seconds : float or None
        Length that the excitation is cut to, in whole clips; None for all of the level's.
    equal_k : bool
        Whether every group gets the K of the default recipe, so that only the choice of units and
        the repair differ; the recipe's allocation is not used.
    """

    recipe: Recipe
    seconds: float | None = None
    equal_k: bool = False


def _row(**changes: Any) -> Row:
    """The default recipe with some changes, and what follows from them (`complete`)."""
    return Row(complete(**changes))


def _at_its_k(**changes: Any) -> Row:
    return replace(_row(**changes), equal_k=True)


ROWS: Mapping[str, Row] = {
    # today's default: surgeon, influence, refit, end-to-end
    "default": _row(),
    "level-quick": _row(level="quick"),
    "level-thorough": _row(level="thorough"),
    "repair-mean": _row(repair="mean"),
    "repair-none": _row(repair="none"),
    "sequential": _row(sequential=True),
    "allocation-uniform": _row(allocation="uniform"),
    "allocation-variance": _row(allocation="variance"),
    "allocation-distortion": _row(allocation="distortion"),
    "allocation-output-error": _row(allocation=OUTPUT_ERROR),
    "distance-contribution": _row(distance=CONTRIBUTION, method=SURGEON),
    "sounds": _row(excitation="sounds"),
    "calibrated": _row(excitation=CALIBRATED),
    "10s": replace(_row(), seconds=10),
    "50s": replace(_row(), seconds=50),
    "ffn": _row(components=("ffn",)),
    "heads": _row(components=("heads",)),
    # other units by influence
    "cluster": _row(method="cluster"),
    "cluster-plain": _row(method="cluster", merge="mean"),
    "prune": _row(method="magnitude", distance=INFLUENCE),
    "random-refit": _row(method="random", distance=INFLUENCE),
    # the default until the surgeon went by influence
    "former-default": _row(method="cluster", distance=CONTRIBUTION),
    # the same K in every group
    "cluster-at-its-k": _at_its_k(method="cluster"),
    "weights-cluster-at-its-k": _at_its_k(distance="weights"),
    "weights-magnitude-at-its-k": _at_its_k(method="magnitude"),
    "weights-random-at-its-k": _at_its_k(method="random"),
    # the papers', uniform and mixed
    "papers-cluster": _row(distance="weights"),
    "papers-cluster-mixed": _row(distance="weights", allocation="variance"),
    "papers-cluster-refit": _row(distance="weights", repair="refit"),
    "papers-cluster-distortion": _row(distance="weights", allocation="distortion"),
    "papers-magnitude": _row(method="magnitude"),
    "papers-magnitude-mixed": _row(method="magnitude", allocation="variance"),
    "papers-random": _row(method="random"),
}
"""Every row of the table by name."""


def cut(excitation: Excitation, seconds: float | None) -> Excitation:
    """As many of the first clips as reach `seconds`."""
    if seconds is None:
        return excitation
    ends = np.cumsum([len(clip) for clip in excitation.clips])
    n_clips = int(np.searchsorted(ends, seconds * SAMPLING_RATE)) + 1
    return Excitation(
        excitation.kind,
        excitation.clips[:n_clips],
        excitation.voices[:n_clips],
        excitation.languages[:n_clips],
    )


def make(model: SpeechModel, row: Row, sparsity: float, calibration: Path | None) -> SpeechModel:
    """The compressed model of one row."""
    recipe = row.recipe.changed(sparsity=sparsity)
    excitation = None
    if recipe.excitation == CALIBRATED:
        assert calibration is not None
        excitation = read_calibration(calibration)
    elif recipe.listens:
        excitation = cut(recipe_excitation(model, recipe), row.seconds)
    trees = TreeChoice.of(recipe, excitation).build(model)
    if row.equal_k:
        usual = Planner(model).prepare(complete(sparsity=sparsity)).plan
        n_clusters = usual.n_clusters
        recipe = recipe.changed(allocation=MANUAL, components=usual.recipe.components)
    else:
        n_clusters = allocate(
            model.groups_for(recipe.components),
            sparsity=sparsity,
            strategy=recipe.allocation,
            components=recipe.components,
            trees=trees,
            variances=group_variances(model),
            method=recipe.method,
        )
    plan = CompressionPlan(origin=model.origin, recipe=recipe, n_clusters=n_clusters)
    achieved = achieved_sparsity(model.groups, n_clusters)
    print(f"  removed {achieved:.1%} of the mergeable parameters")
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
    names = [n for n in names if options.calibrate or ROWS[n].recipe.excitation != CALIBRATED]
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
            row = ROWS[name]
            key = shared | {"sparsity": sparsity, "seconds": row.seconds, "equal_k": row.equal_k}
            key |= row.recipe.model_dump(mode="json", exclude={"sparsity"})
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
