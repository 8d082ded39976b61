"""WER of every method at equal K on one model and data set, as a table.

    python -m benchmarks.wer MODEL DATA [--sparsity 0.1,0.2] [--method cluster,magnitude,random]
        [--allocation uniform] [--normaliser whisper-english] [--out results.jsonl]

DATA is a folder with metadata.csv (columns file_name, transcription) or in LibriSpeech layout
(*.trans.txt). Results land in --out as they come; those that are there already are not run again.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from analysis.allocation import achieved_sparsity, allocate
from analysis.audio import Audio, read_audio
from analysis.checkpoints import SpeechModel, load
from analysis.compression import compress
from analysis.plan import CompressionPlan
from analysis.references import read_references
from analysis.scoring import corpus_score
from analysis.transcription import transcribe_batch
from analysis.trees import build_trees
from analysis.units import unit_groups
from analysis.variance import group_variances


def read_data(folder: Path) -> tuple[list[Audio], list[str]]:
    """All clips below a folder that have a transcript, in the order of their paths."""
    clips: list[Audio] = []
    references: list[str] = []
    for table in sorted([*folder.rglob("metadata.csv"), *folder.rglob("*.trans.txt")]):
        suffixes = (".flac", ".wav", ".ogg")
        paths = sorted(path for path in table.parent.iterdir() if path.suffix in suffixes)
        references += read_references(str(table), paths)
        clips += [read_audio(path) for path in paths]
    return clips, references


def evaluate(
    model: SpeechModel, clips: list[Audio], references: list[str], normaliser: str
) -> dict[str, Any]:
    """Corpus WER of one model, as fractions, with its error counts."""
    transcripts = transcribe_batch(model, clips)
    result = corpus_score(references, [t.text for t in transcripts], normaliser)
    return {
        "wer": result.wer,
        "cer": result.cer,
        "substitutions": result.substitutions,
        "insertions": result.insertions,
        "deletions": result.deletions,
        "words": result.words,
    }


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("--sparsity", default="0.1,0.2,0.3,0.5")
    parser.add_argument("--method", default="cluster,magnitude,random")
    parser.add_argument("--allocation", default="uniform")
    parser.add_argument("--components", default="ffn,heads")
    parser.add_argument("--distance", default="weights")
    parser.add_argument("--normaliser", default="whisper-english")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    model = load(options.model)
    clips, references = read_data(options.data)
    print(f"{len(clips)} clips, {sum(clip.duration for clip in clips) / 60:.1f} min", flush=True)
    done = _read(options.out)
    original = {"model": options.model, "data": str(options.data), "method": "original"}
    _run(done, options.out, original, lambda: model, clips, references, options.normaliser)
    groups, trees = unit_groups(model), build_trees(model, options.distance)
    variances = group_variances(model)
    for sparsity in map(float, options.sparsity.split(",")):
        for method in options.method.split(","):
            plan = CompressionPlan(
                model=model.source,
                weight_hash=model.weight_hash,
                n_clusters=allocate(
                    groups,
                    sparsity=sparsity,
                    strategy=options.allocation,
                    components=options.components.split(","),
                    trees=trees,
                    variances=variances,
                ),
                method=method,
                distance=options.distance,
                components=tuple(options.components.split(",")),
                allocation=options.allocation,
                sparsity=sparsity,
            )
            key = original | {
                "method": method,
                "sparsity": sparsity,
                "allocation": options.allocation,
                "components": options.components,
                "distance": options.distance,
                "achieved": achieved_sparsity(groups, plan.n_clusters, plan.components),
            }

            def make(plan: CompressionPlan = plan) -> SpeechModel:
                return compress(model, plan, trees=trees).model

            _run(done, options.out, key, make, clips, references, options.normaliser)


def _run(
    done: Mapping[str, dict[str, Any]],
    out: Path | None,
    key: dict[str, Any],
    make: Callable[[], SpeechModel],
    clips: list[Audio],
    references: list[str],
    normaliser: str,
) -> None:
    """Evaluate one model unless its result is there, print it and keep it."""
    result = done.get(json.dumps(key))
    if result is None:
        result = evaluate(make(), clips, references, normaliser)
        if out is not None:
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "result": result}) + "\n")
    print(
        f"| {key['method']} | {key.get('sparsity', 0):.0%} | {key.get('achieved', 0):.1%} "
        f"| {result['wer']:.1%} | {result['cer']:.1%} | {result['substitutions']} "
        f"| {result['insertions']} | {result['deletions']} | {result['words']} |",
        flush=True,
    )


def _read(out: Path | None) -> dict[str, dict[str, Any]]:
    if out is None or not out.exists():
        return {}
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    return {json.dumps(row["key"]): row["result"] for row in rows}


if __name__ == "__main__":
    main()
