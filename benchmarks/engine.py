"""Times the compression engine: merge tree against k-means, sliders, recompression, memory.

    python -m benchmarks.engine [MODEL] [--kmeans-clusters 4608] [--tree-size 5120]

The k-means of a large-v3-sized group takes minutes; a smaller --tree-size is quicker.
"""

import argparse
import copy
import tempfile
from pathlib import Path

import numpy as np
import torch
from sklearn.cluster import KMeans

from analysis.clustering.distances import euclidean_distances
from analysis.clustering.merge_tree import ward_tree
from analysis.clustering.trees import build_trees
from analysis.compression.allocation import allocate
from analysis.compression.compress import Compression, compress
from analysis.compression.selection import predicted_error
from analysis.delivery.saving import save
from analysis.models.footprint import footprint, predict_footprint
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe
from benchmarks.timing import best_seconds, report


def time_tree(n_units: int, unit_dim: int, n_clusters: int) -> None:
    """One FFN group of random units: the tree of all K against scikit-learn's k-means of one K."""
    vectors = np.random.default_rng(0).standard_normal((n_units, unit_dim), dtype=np.float32)
    tree_seconds = best_seconds(lambda: ward_tree(euclidean_distances(vectors)), 2)
    solver = KMeans(n_clusters, n_init=1, random_state=0)
    kmeans_seconds = best_seconds(lambda: solver.fit(vectors), 1)
    peer = f"scikit-learn KMeans, K = {n_clusters}"
    report(f"merge tree {n_units} x {unit_dim}", tree_seconds, peer, kmeans_seconds, ">= 25x")
    inertia = ward_tree(euclidean_distances(vectors)).inertia(n_clusters)
    print(f"  inertia: tree {inertia:.6g}, k-means {solver.inertia_:.6g}")


def time_model(source: str) -> None:
    """Sliders, recompression and memory on one model."""
    model = load(source)
    groups, trees = model.groups, build_trees(model)
    base = footprint(model)
    plan = CompressionPlan(
        origin=model.origin,
        recipe=Recipe(sparsity=0.3),
        n_clusters=allocate(groups, sparsity=0.3),
    )

    def move_slider() -> None:
        wanted = allocate(groups, sparsity=0.31, strategy="distortion", trees=trees)
        predict_footprint(model, base, wanted)
        for group in groups:
            k = wanted[group.id]
            predicted_error(trees[group.id], k, "cluster", seed=0, group=group.id)
        trees[groups[1].id].labels(wanted[groups[1].id])

    whole = compress(model, plan, trees=trees)
    changed = dict(plan.n_clusters)
    changed[groups[1].id] -= 1
    next_plan = plan.with_clusters(changed)
    from_scratch = best_seconds(lambda: compress(model, plan, trees=trees), 3)
    slider = best_seconds(move_slider, 5)
    report("a K slider moved", slider, "compressing the model", from_scratch, "<= 0.05 s")
    one = best_seconds(lambda: compress(model, next_plan, trees=trees, reuse=whole), 5)
    report("recompress, one group changed", one, "all groups", from_scratch, "<= 0.05 s")
    reload_seconds = best_seconds(lambda: _save_and_reload(whole), 1)
    report("recompress, all groups", from_scratch, "save and reload", reload_seconds, "<= 0.5 s")
    pruned = plan.changed(recipe=plan.recipe.changed(method="magnitude"))
    baseline = best_seconds(lambda: compress(model, pruned, trees=trees), 3)
    report("clustering", from_scratch, "magnitude pruning", baseline, "none")
    _report_memory(model, whole)


def _save_and_reload(compression: Compression) -> None:
    with tempfile.TemporaryDirectory() as folder:
        load(str(save(compression.model, Path(folder) / "model")))


def _report_memory(model: SpeechModel, compression: Compression) -> None:
    """Bytes of original and one variant, against two models that share nothing."""

    def storages(*modules: torch.nn.Module) -> int:
        tensors = [tensor for module in modules for tensor in module.state_dict().values()]
        unique = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
        return sum(unique.values())

    variant = compression.model.model
    ours = storages(model.model, variant)
    apart = storages(model.model, copy.deepcopy(variant))
    merged = sum(
        tensor.nbytes
        for result in compression.groups.values()
        for tensor in (
            *result.weights.inputs.values(),
            *result.weights.biases.values(),
            result.weights.output,
        )
    )
    print(
        f"memory: original {storages(model.model) / 1e6:.1f} MB, with one variant "
        f"{ours / 1e6:.1f} MB; two separate models {apart / 1e6:.1f} MB; ratio {apart / ours:.2f}x "
        f"(bar: original + merged matrices = "
        f"{(storages(model.model) + merged) / 1e6:.1f} MB)"
    )


def main() -> None:
    """Run all timings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="demo-whisper")
    parser.add_argument("--tree-size", type=int, default=5120)
    parser.add_argument("--tree-dim", type=int, default=2561)
    parser.add_argument("--kmeans-clusters", type=int, default=4608)
    options = parser.parse_args()
    time_model(options.model)
    time_tree(options.tree_size, options.tree_dim, options.kmeans_clusters)


if __name__ == "__main__":
    main()
