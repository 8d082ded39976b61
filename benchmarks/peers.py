"""WER of other people's ways to shrink a model beside ours, at the same K in every group.

    python -m benchmarks.peers MODEL [MODEL …] --data DIR --out DIR [--sparsity 0.1,0.3]
        [--method cluster,magnitude] [--allocation uniform,variance] [--normaliser none]
        [--config sweep.yaml] [--limit N] [--batch-size N] [--max-new-tokens N]

The peers are Torch-Pruning's group magnitude (Fang et al., CVPR 2023), which traces each block to
find what belongs to a unit, and the folding of Model Folding (Wang et al., ICLR 2025, section 4):
k-means over a unit's input and output weights, mean of the inputs, sum of the outputs, heads as
they stand. Results land in --out as they come; those that are there already are not run again.

Needs ``pip install -e ".[benchmarks]"``.
"""

import argparse
import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from threading import Lock

import numpy as np
import torch
import torch_pruning
from torch import nn

from analysis.cli.terminal import progress_bar
from analysis.clustering.clusterings import kmeans_labels
from analysis.compression.merging import merge_units
from analysis.evaluation.corpora import Corpus, read_corpus
from analysis.evaluation.corpus_evaluation import compare_evaluations, recognise, run_of, summarise
from analysis.evaluation.results import ResultStore
from analysis.evaluation.sweep import Row, Skipped, sweep
from analysis.evaluation.sweep_spec import (
    SweepSpec,
    read_spec,
    read_spec_file,
)
from analysis.evaluation.sweep_tables import to_csv, to_markdown
from analysis.models.loading import load
from analysis.models.modules import linear_at, share_modules
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.models.unit_weights import read_units, write_units
from analysis.progress import Watch
from analysis.speech.recognition import TranscriptionOptions

_FRAMES = 8  # length of the input that blocks are traced with


class _Block(nn.Module):
    """A feed-forward or attention block by itself, as a function of one input."""

    def __init__(self, model: nn.Module, group: UnitGroup) -> None:
        super().__init__()
        self.attention: nn.Module | None = None
        self.first = "input"
        """Path of a projection that the units begin in."""
        if group.component == "ffn":
            self.input = copy.deepcopy(linear_at(model, group.input_paths["input"]))
            self.output = copy.deepcopy(linear_at(model, group.output_path))
        else:
            path = group.output_path.rpartition(".")[0]
            self.attention = copy.deepcopy(model.get_submodule(path))
            self.first = "attention." + group.input_paths["query"].rpartition(".")[2]
        self.cross = group.block == "cross_attention"
        self.requires_grad_(True)  # the tracing follows gradients

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        if self.attention is None:
            found: torch.Tensor = self.output(nn.functional.gelu(self.input(hidden)))
        elif self.cross:
            found = self.attention(hidden, key_value_states=hidden)[0]
        else:
            found = self.attention(hidden)[0]
        return found


def pruned_labels(model: SpeechModel, group: UnitGroup, n_clusters: int) -> np.ndarray:
    """Torch-Pruning's choice: labels of the units of largest group magnitude, -1 for the others."""
    block = _Block(model.model, group)
    hidden = torch.randn(1, _FRAMES, model.config.hidden_size, dtype=model.dtype)
    graph = torch_pruning.DependencyGraph().build_dependency(block, example_inputs=hidden)
    first = linear_at(block, block.first)
    traced = graph.get_pruning_group(
        first, torch_pruning.prune_linear_out_channels, idxs=list(range(first.out_features))
    )
    importance = torch_pruning.importance.GroupMagnitudeImportance(p=2)(traced)
    scores = importance.view(group.n_units, group.rows).mean(dim=1).numpy()
    labels = np.full(group.n_units, -1)
    labels[np.sort(np.argsort(-scores, kind="stable")[:n_clusters])] = np.arange(n_clusters)
    return labels


def folded_labels(model: SpeechModel, group: UnitGroup, n_clusters: int) -> np.ndarray:
    """Model Folding's clusters: k-means over each unit's weights, in and out, without biases."""
    units = read_units(model.model, group)
    parts = [part.reshape(group.n_units, -1) for part in (*units.inputs.values(), units.output)]
    return kmeans_labels(torch.cat(parts, dim=1).numpy(), n_clusters, seed=0, n_init=10)


PEERS: Mapping[str, Callable[[SpeechModel, UnitGroup, int], np.ndarray]] = {
    f"Torch-Pruning {version('torch-pruning')}": pruned_labels,
    "Model Folding": folded_labels,
}
"""Each peer's way to say which units stay or fall together."""


def shrink(
    model: SpeechModel,
    n_clusters: Mapping[str, int],
    choose: Callable[[SpeechModel, UnitGroup, int], np.ndarray],
) -> SpeechModel:
    """The model with units dropped or merged (mean in, sum out) as a peer says."""
    module = share_modules(model.model)
    for group in model.groups:
        k = n_clusters[group.id]
        if k < group.n_units:
            units = read_units(model.model, group)
            labels = choose(model, group, k)
            write_units(module, group, merge_units(units, labels, "mean", align_heads=False))
    return replace(model, model=module, lock=Lock())


def peer_rows(
    model: SpeechModel,
    spec: SweepSpec,
    corpus: Corpus,
    options: TranscriptionOptions,
    store: ResultStore,
    ours: Sequence[Row],
) -> list[Row]:
    """A row per peer, sparsity and allocation, tested like ours.

    Every group keeps what it keeps in the first of our models that clusters with this sparsity and
    allocation, or else in the first of any.
    """
    original = ours[0].evaluation
    rows = []
    for sparsity, allocation in product(spec.sparsity, spec.allocation):
        models = [row for row in ours if _is_of(row, sparsity, allocation)]
        like = next((row for row in models if _clusters(row)), next(iter(models), None))
        if like is None or like.cell is None:
            continue
        same = (row for row in ours if row.n_clusters == like.n_clusters)
        baseline = next((row.evaluation for row in same if _is_magnitude(row)), None)
        for name, choose in PEERS.items():
            make = partial(shrink, model, like.n_clusters, choose)
            identity = json.dumps({"peer": name, "n_clusters": dict(like.n_clusters)})
            results = recognise(
                run_of(model, options, identity), corpus, make, options, store=store
            )
            found = summarise(corpus, results, spec.normaliser)
            rows.append(
                replace(
                    like,
                    cell=replace(like.cell, way=like.cell.way.changed(name=name, made=True)),
                    evaluation=found,
                    against_original=compare_evaluations(found, original),
                    against_magnitude=compare_evaluations(found, baseline) if baseline else None,
                )
            )
    return rows


def _is_of(row: Row, sparsity: float, allocation: str) -> bool:
    cell = row.cell
    return cell is not None and (cell.sparsity, cell.allocation) == (sparsity, allocation)


def _clusters(row: Row) -> bool:
    return row.cell is not None and row.cell.way.recipe.method == "cluster"


def _is_magnitude(row: Row) -> bool:
    return row.cell is not None and row.cell.way.is_magnitude


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="+")
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True)
    for name in ("sparsity", "method", "allocation", "normaliser"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--config", type=Path, help="as for `coalesce sweep`")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--batch-size", type=int, default=TranscriptionOptions().batch_size)
    parser.add_argument("--max-new-tokens", type=int)
    given = vars(parser.parse_args())
    out, config, limit = given.pop("out"), given.pop("config"), given.pop("limit")
    names = ("batch_size", "max_new_tokens")
    options = TranscriptionOptions(**{name: given.pop(name) for name in names})
    flags = {name: value for name, value in given.items() if value}
    spec = read_spec((read_spec_file(config) if config else {}) | flags)
    corpus = read_corpus(Path(spec.data))
    corpus = corpus.excerpt(limit) if limit else corpus
    store = ResultStore(out / "results")
    rows: list[Row | Skipped] = []
    for source in spec.model:
        model = load(source)
        with progress_bar(model.name) as progress:
            found = sweep(
                model,
                spec.cells(),
                corpus,
                options,
                spec.normaliser,
                store=store,
                watch=Watch(progress),
            )
        ours = [row for row in found if isinstance(row, Row)]
        rows += [*found, *peer_rows(model, spec, corpus, options, store, ours)]
        (out / "table.csv").write_text(to_csv(rows), encoding="utf-8")
    print(to_markdown(rows))


if __name__ == "__main__":
    main()
