"""The peers do what their papers say: what is free to drop or to fold costs nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("torch_pruning", reason="pip install -e '.[benchmarks]'")

from analysis.evaluation.corpora import read_corpus
from analysis.evaluation.results import ResultStore
from analysis.evaluation.sweep import Row, sweep
from analysis.evaluation.sweep_spec import read_spec
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_weights import UnitWeights, read_units, write_units
from analysis.speech.recognition import TranscriptionOptions
from benchmarks.peers import PEERS, folded_labels, peer_rows, pruned_labels, shrink
from tests.helpers.corpora import write_corpus
from tests.helpers.tiny_models import BUILDERS, logits

Change = Callable[[UnitWeights, int], None]


def changed(name: str, change: Change) -> tuple[SpeechModel, dict[str, int]]:
    """A model of one's own, each group changed as if it had K units; with the K."""
    model = BUILDERS[name]()
    n_clusters: dict[str, int] = {}
    for group in model.groups:
        k = n_clusters[group.id] = (group.n_units + 1) // 2
        units = read_units(model.model, group).clone()
        change(units, k)
        write_units(model.model, group, units)
    return model, n_clusters


def parts(units: UnitWeights) -> list[torch.Tensor]:
    return [*units.inputs.values(), *units.biases.values(), units.output]


def silence(units: UnitWeights, k: int) -> None:
    """All but the last K units do nothing."""
    for part in parts(units):
        part[: units.n_units - k] = 0


def repeat(units: UnitWeights, k: int) -> None:
    """Each unit is one of K."""
    for part in parts(units):
        part[:] = part[torch.arange(units.n_units) % k]


def test_peers_keep_what_ours_keeps(tmp_path: Path) -> None:
    """At every allocation, also at those that a peer itself could not have."""
    model = BUILDERS["hubert"]()
    (tmp_path / "corpus").mkdir()
    corpus = read_corpus(write_corpus(tmp_path / "corpus", ["one two", "three"]))
    spec = read_spec(
        {
            "model": "tiny",
            "data": "corpus",
            "sparsity": "0.4",
            "allocation": "uniform,output-error",
            "method": "magnitude,cluster:distance=contribution:excitation=sounds",
            "normaliser": "none",
        }
    )
    options = TranscriptionOptions()
    found = sweep(model, spec.cells(), corpus, options, spec.normaliser)
    ours = [row for row in found if isinstance(row, Row)]
    rows = peer_rows(model, spec, corpus, options, ResultStore(tmp_path / "results"), ours)
    assert len(rows) == 2 * len(PEERS)
    for row in rows:
        assert row.cell is not None
        [like] = [
            own
            for own in ours
            if own.cell
            and replace(own.cell, way=row.cell.way) == row.cell
            and own.cell.way.recipe.method == "cluster"
        ]
        assert (row.n_clusters, row.cost) == (like.n_clusters, like.cost)
        assert row.against_magnitude is not None


@pytest.mark.parametrize("name", ["whisper", "hubert", "wav2vec2_large"])
def test_pruning_drops_what_does_nothing(name: str) -> None:
    model, n_clusters = changed(name, silence)
    small = shrink(model, n_clusters, pruned_labels)
    torch.testing.assert_close(logits(small), logits(model))
    assert {g.id: g.n_units for g in small.groups} == n_clusters


@pytest.mark.parametrize("name", ["whisper", "hubert", "wav2vec2_large"])
def test_folding_merges_what_repeats(name: str) -> None:
    model, n_clusters = changed(name, repeat)
    small = shrink(model, n_clusters, folded_labels)
    torch.testing.assert_close(logits(small), logits(model), rtol=1e-4, atol=1e-4)
    assert {g.id: g.n_units for g in small.groups} == n_clusters


def test_group_magnitude_is_what_torch_pruning_documents(whisper: SpeechModel) -> None:
    """Mean over a unit's matrices of their squared norms; biases do not count."""
    for group in whisper.groups:
        units = read_units(whisper.model, group)
        matrices = [*units.inputs.values(), units.output]
        scores = torch.stack([m.flatten(1).square().sum(dim=1) for m in matrices]).mean(dim=0)
        kept = np.sort(np.argsort(-scores.numpy(), kind="stable")[:2])
        labels = pruned_labels(whisper, group, 2)
        assert np.flatnonzero(labels >= 0).tolist() == kept.tolist()
        assert labels[kept].tolist() == [0, 1]
