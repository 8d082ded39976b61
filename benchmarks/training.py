"""Compression followed by training, and pinching, side by side: one table from one command.

    python -m benchmarks.training MODEL --data DIR --validation DIR --test DIR --out DIR
        [--epochs 3] [--learning-rate 2e-4] [--normaliser none] [--only "original;cluster 50 %"]

Every row is kept in --out as soon as it is there, and a row that was cut off goes on from its last
training checkpoint, so that the same command may be given again. --data and --validation are for
training; --test is heard only at the end. At the end the encoders are timed in turns, so that the
last column means the same for all rows.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from analysis.cli import parser as cli
from analysis.compression.compress import compress
from analysis.compression.planner import Planner
from analysis.delivery.saving import save
from analysis.evaluation.corpora import Corpus, read_corpus
from analysis.evaluation.corpus_evaluation import Evaluation, compare_evaluations, evaluate
from analysis.evaluation.results import ResultStore
from analysis.evaluation.speed import measure_encoders
from analysis.files import replace_text
from analysis.models.footprint import footprint
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import MANUAL
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe, complete
from analysis.speech.recognition import TranscriptionOptions
from analysis.training.finishing import sparse_bytes, unstructured_sparsity
from analysis.training.log import read_log, state_folder

ORIGINAL = "original"


@dataclass(frozen=True, slots=True)
class Setup:
    """What all rows share.

    Parameters
    ----------
    source : str
        The model, as `load` takes it.
    model : SpeechModel
    folder : Path
        For rows and models.
    shell : tuple of str
        Options of every training command.
    """

    source: str
    model: SpeechModel
    folder: Path
    shell: tuple[str, ...]

    def path(self, row: str) -> Path:
        """Where the model of a row lies."""
        return self.folder / row.replace(" %", "").replace(",", "").replace(" ", "-")


Make = Callable[[Setup], None]


def clustered(setup: Setup, *, row: str, sparsity: float) -> None:
    """Merge units by Coalesce's own recipe, without training."""
    save(compress(setup.model, _cluster_plan(setup, sparsity)).model, setup.path(row))


def magnitude(setup: Setup, *, row: str, sparsity: float) -> None:
    """Prune by magnitude at the K of `clustered` in every group, as the papers do: no repair."""
    merged = _cluster_plan(setup, sparsity)
    components = merged.recipe.components
    recipe = Recipe(method="magnitude", allocation=MANUAL, sparsity=sparsity, components=components)
    plan = CompressionPlan(origin=setup.model.origin, recipe=recipe, n_clusters=merged.n_clusters)
    save(compress(setup.model, plan).model, setup.path(row))


def trained(setup: Setup, *, row: str, command: str, start: str, options: Sequence[str]) -> None:
    """Train from the model of another row."""
    source = setup.source if start == ORIGINAL else str(setup.path(start))
    arguments = [command, source, "--out", str(setup.path(row)), *setup.shell]
    arguments += [option.format(original=setup.source) for option in options]
    if cli.main(arguments):
        raise SystemExit(f"{row}: training failed")


def _cluster_plan(setup: Setup, sparsity: float) -> CompressionPlan:
    return Planner(setup.model).prepare(complete(sparsity=sparsity)).plan


def _train_row(row: str, command: str, start: str, *options: str) -> tuple[str, Make]:
    return row, partial(trained, row=row, command=command, start=start, options=options)


CLUSTER, MAGNITUDE = "cluster 50 %", "magnitude 50 %"

ROWS: Mapping[str, Make | None] = dict(
    [
        (ORIGINAL, None),
        (CLUSTER, partial(clustered, row=CLUSTER, sparsity=0.5)),
        (MAGNITUDE, partial(magnitude, row=MAGNITUDE, sparsity=0.5)),
        _train_row(f"{CLUSTER}, fine-tuned", "finetune", CLUSTER),
        _train_row(f"{MAGNITUDE}, fine-tuned", "finetune", MAGNITUDE),
        _train_row("unit gates 50 %", "pinch", ORIGINAL, "--units", "--sparsity", "0.5"),
        _train_row("self-pinching 50 %", "pinch", ORIGINAL, "--sparsity", "0.5"),
        _train_row("self-pinching 65 %", "pinch", ORIGINAL, "--sparsity", "0.65"),
        _train_row(f"{CLUSTER}, distilled", "finetune", CLUSTER, "--teacher", "{original}"),
        _train_row(f"{ORIGINAL}, fine-tuned", "finetune", ORIGINAL),
    ]
)
"""Every row and what makes its model."""


def _model(setup: Setup, row: str) -> SpeechModel:
    return setup.model if row == ORIGINAL else load(str(setup.path(row)))


def measure(
    setup: Setup, row: str, corpus: Corpus, normaliser: str, original: Evaluation | None
) -> tuple[dict[str, Any], Evaluation]:
    """Make a row's model if it is not there yet, and measure all but its speed."""
    folder, make = setup.path(row), ROWS[row]
    if make is not None and not (folder / "config.json").is_file():
        make(setup)
    model = _model(setup, row)
    found = evaluate(
        model,
        corpus,
        TranscriptionOptions(num_beams=1),
        normaliser,
        store=ResultStore(setup.folder / "results"),
    )
    cost, curves = footprint(model), read_log(state_folder(folder))
    zeros = unstructured_sparsity(model)
    difference = compare_evaluations(found, original).difference if original is not None else None
    return {
        "row": row,
        "wer": found.total.wer,
        "low": found.interval.low,
        "high": found.interval.high,
        "p": difference.p_value if difference else None,
        "parameters": cost.parameters,
        "bytes": cost.bytes,
        "unstructured": zeros if row.startswith("self-pinching") else None,
        "sparse_bytes": sparse_bytes(model) if row.startswith("self-pinching") else None,
        "macs": cost.macs,
        "training_seconds": curves.seconds if curves.ended == "finished" else None,
    }, found


_COLUMNS = (
    "",
    "WER % [95 %]",
    "p against original",
    "parameters",
    "MB",
    "unstructured zeros",
    "MB as bitmap and values",
    "encoder time",
    "training",
)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = [f"| {' | '.join(_COLUMNS)} |", "|---|---" + "|---:" * (len(_COLUMNS) - 2) + "|"]
    for row in rows:
        cells = [
            row["row"],
            f"{100 * row['wer']:.2f} [{100 * row['low']:.2f}, {100 * row['high']:.2f}]",
            "–" if row["p"] is None else f"{row['p']:.2g}",
            f"{row['parameters'] / 1e6:.2f} M",
            f"{row['bytes'] / 1e6:.1f}",
            "–" if row["unstructured"] is None else f"{row['unstructured']:.1%}",
            "–" if row["sparse_bytes"] is None else f"{row['sparse_bytes'] / 1e6:.1f}",
            f"{row['ratio']:.2f}" if "ratio" in row else "–",
            "–" if row["training_seconds"] is None else f"{row['training_seconds'] / 60:.1f} min",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _check_same(stored: Path, options: argparse.Namespace) -> None:
    """Refuse to mix rows of two experiments in one folder."""
    text = json.dumps({k: v for k, v in vars(options).items() if k not in ("out", "only")})
    if stored.is_file() and stored.read_text(encoding="utf-8") != text:
        raise SystemExit(f"{stored.parent} holds rows of other options: choose another --out.")
    replace_text(stored, text)


def main() -> None:
    """Make and measure every row that is missing, then print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("model")
    for name in ("--data", "--validation", "--test", "--out"):
        parser.add_argument(name, required=True, metavar="DIR")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--normaliser", default="none")
    parser.add_argument("--only", help="rows by semicolons, the original first; all by default")
    options = parser.parse_args()
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    _check_same(folder / "setup.json", options)
    shared = {
        "--data": options.data,
        "--validation": options.validation,
        "--epochs": str(options.epochs),
        "--learning-rate": str(options.learning_rate),
        "--normaliser": options.normaliser,
    }
    shell = tuple(word for pair in shared.items() for word in pair)
    setup = Setup(options.model, load(options.model), folder, shell)
    corpus = read_corpus(Path(options.test))
    rows: list[dict[str, Any]] = []
    original: Evaluation | None = None
    for name in ROWS if options.only is None else options.only.split(";"):
        row, found = measure(setup, name, corpus, options.normaliser, original)
        original = original or found
        rows.append(row)
        print(table(rows), flush=True)
        replace_text(folder / "rows.json", json.dumps(rows, indent=1))
    models = [_model(setup, row["row"]) for row in rows]
    for row, speed in zip(rows, measure_encoders(models), strict=True):
        row |= {"ratio": speed.ratio, "encoder_seconds": speed.seconds}
    replace_text(folder / "rows.json", json.dumps(rows, indent=1))
    replace_text(folder / "table.md", table(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
