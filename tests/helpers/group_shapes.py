"""Groups without weights, in the shapes of a Whisper, and evidence drawn at random for them."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from analysis.clustering.merge_tree import MergeTree
from analysis.models.architectures import Attention, FeedForward
from analysis.models.unit_groups import UnitGroup

_BLOCKS: Mapping[str, Attention | FeedForward] = {
    "ffn": FeedForward("fc1", "fc2", "norm"),
    "self_attention": Attention("self_attention", "self_attn", "norm"),
    "cross_attention": Attention("cross_attention", "encoder_attn", "norm"),
}


def group(stack: str, layer: int, block: str, n_units: int, unit_dim: int) -> UnitGroup:
    return UnitGroup(
        id=f"{stack}.{layer}.{block}",
        stack=stack,
        layer=layer,
        spec=_BLOCKS[block],
        layer_path="",
        previous_path="",
        n_units=n_units,
        rows=1,
        unit_dim=unit_dim,
    )


def seq2seq_groups(layers: int, heads: int, channels: int, hidden: int) -> list[UnitGroup]:
    """Shapes of a Whisper, without its weights."""
    head_dim = 4 * hidden * hidden // heads
    found = []
    for stack, layer in product(("encoder", "decoder"), range(layers)):
        blocks = ["self_attention", "ffn"]
        if stack == "decoder":
            blocks.insert(1, "cross_attention")
        for block in blocks:
            size = (channels, 2 * hidden + 1) if block == "ffn" else (heads, head_dim)
            found.append(group(stack, layer, block, *size))
    return found


def random_tree(n: int, seed: int) -> MergeTree:
    """Ascending merge costs and norms; allocation looks at nothing else."""
    rng = np.random.default_rng(seed)
    links = np.zeros((n - 1, 4))
    links[:, 2] = np.sort(rng.gamma(1.0, 1.0, n - 1))
    return MergeTree(
        links,
        rng.gamma(2.0, 2.0, n),
        residual_variance=float(rng.gamma(2.0, 9.0)),
        inflation=rng.uniform(1.0, 9.0, n - 1),
    )


def evidence(
    groups: Sequence[UnitGroup], seed: int = 0
) -> tuple[dict[str, MergeTree], dict[str, float]]:
    rng = np.random.default_rng(seed)
    trees = {g.id: random_tree(g.n_units, seed + i) for i, g in enumerate(groups)}
    return trees, {g.id: float(rng.gamma(2.0, 1.0)) for g in groups}


def parameters(groups: Sequence[UnitGroup], k: Mapping[str, int]) -> int:
    return sum(k[g.id] * g.parameters_per_unit for g in groups)
