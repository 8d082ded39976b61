"""The figures of docs/method.md: drawn with Coalesce's own functions from demo-whisper as bundled.

`tests.browser.illustrations` writes them into docs/pictures.
"""

from collections.abc import Iterator

import numpy as np
import plotly.graph_objects as go
import torch

import coalesce
from analysis.clustering.contributions import contribution_gram, group_moments
from analysis.clustering.curves import knee
from analysis.clustering.distances import procrustes_distances
from analysis.clustering.unit_space import UnitSpace
from analysis.compression.compress import compress
from analysis.compression.planner import Planner
from analysis.compression.worth import losses, position_of, worth_of
from analysis.figures.clusters import cut_curve, similarity_matrices
from analysis.figures.layout import kind_of, lay_out
from analysis.figures.palette import BLUE, NEUTRAL, VERMILLION
from analysis.figures.worth import worth_heatmap
from analysis.models.modules import linear_at
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.models.unit_weights import read_units
from analysis.plan.recipe import complete
from analysis.training.gates import ElementGate

_HEIGHT = 420
_SPARSITY = 0.3


def figures() -> Iterator[tuple[str, go.Figure]]:
    """Each with the name of its file."""
    model = coalesce.load("demo-whisper")
    heads, channels = model.groups[:2]
    yield "units", coalesce.figures.parameters(model)
    yield "heads", _heads_before_and_after_rotation(model, heads)
    tree = UnitSpace().tree(model, channels)
    yield "merging", cut_curve(channels, tree, channels.n_units // 2, knee(tree))
    yield "contributions", _sizes_and_contributions(model, channels)
    yield "refit", _errors_with_and_without_refit(model)
    yield "variance", coalesce.figures.statistics(model)
    by_weights = coalesce.plan(model, _SPARSITY, distance="weights", allocation="distortion")
    yield "error-curves", coalesce.figures.error_curves(model, by_weights)
    default = Planner(model).prepare(complete(sparsity=_SPARSITY))
    yield "kept-units", coalesce.figures.kept_units(model, default.plan)
    worths = {name: worth_of(tree) for name, tree in default.trees.items()}
    lost = losses(model.groups, worths)
    yield "worth", worth_heatmap(model.groups, lost, position=position_of(model))
    yield "gates", _gate_of_one_matrix(model, channels)


def _heads_before_and_after_rotation(model: SpeechModel, heads: UnitGroup) -> go.Figure:
    """Cosines between heads, as stored and after Procrustes alignment."""
    weights = read_units(model.model, heads)
    vectors = weights.vectors().numpy()
    norms = np.linalg.norm(vectors, axis=1)
    aligned = procrustes_distances(weights).matrix
    squared = np.add.outer(norms**2, norms**2)
    cosines = {
        "As stored": vectors @ vectors.T / np.outer(norms, norms),
        "After the best rotation": (squared - aligned) / 2 / np.outer(norms, norms),
    }
    return similarity_matrices(cosines, range(len(norms)), "head")


def _sizes_and_contributions(model: SpeechModel, channels: UnitGroup) -> go.Figure:
    """Of every channel the norm of its weights, and what it adds on the shipped speech."""
    units = read_units(model.model, channels)
    sizes = np.linalg.norm(units.vectors().numpy(), axis=1)
    moments = group_moments(model, UnitSpace("contribution").heard(model), channels)
    added = np.sqrt(np.diagonal(contribution_gram(moments, units.output)).clip(min=0))
    by_size, by_work = (np.argsort(np.argsort(values)) for values in (sizes, added))
    agreement = float(np.corrcoef(by_size, by_work)[0, 1])
    most, least = np.percentile(added, [90, 10])
    figure = go.Figure(
        go.Scatter(
            x=sizes,
            y=added,
            mode="markers",
            marker={"color": BLUE, "size": 5, "opacity": 0.6},
        )
    )
    figure.update_xaxes(title_text="norm of the channel's weights")
    figure.update_yaxes(title_text="what it adds on speech (root mean square)", type="log")
    lay_out(
        figure,
        _HEIGHT,
        f"{channels.title}: rank correlation {agreement:.2f};"
        f" the upper tenth adds over {most / least:.0f} times what the lowest adds",
    )
    return figure


def _errors_with_and_without_refit(model: SpeechModel) -> go.Figure:
    """What every block's output misses with three tenths of its units gone, before and after."""
    groups = model.groups
    figure = go.Figure()
    for repair, color, label in (
        ("mean", VERMILLION, "mean output restored only"),
        ("refit", BLUE, "output columns refitted"),
    ):
        recipe = complete(
            sparsity=_SPARSITY, allocation="uniform", swaps=False, sequential=False, repair=repair
        )
        ready = Planner(model).prepare(recipe)
        made = compress(model, ready.plan, trees=ready.trees, excitation=ready.excitation).groups
        errors = [made[group.id].output_error if group.id in made else 0.0 for group in groups]
        figure.add_bar(
            x=[[_stack_and_block(group) for group in groups], [group.layer for group in groups]],
            y=[100 * (error or 0.0) for error in errors],
            marker_color=color,
            name=label,
        )
    figure.update_xaxes(title_text="layer")
    figure.update_yaxes(title_text="output missed (% of its variance)")
    figure.update_layout(barmode="group")
    _with_legend(figure)
    return figure


def _stack_and_block(group: UnitGroup) -> str:
    return f"{group.stack}<br>{kind_of(group.block)}"


def _gate_of_one_matrix(model: SpeechModel, channels: UnitGroup) -> go.Figure:
    """What a gate lets through of one matrix, forward and as the gradient sees it."""
    matrix = linear_at(model.model, channels.output_path).weight.detach().float()
    sizes = matrix.abs().flatten()
    gate = ElementGate(matrix)
    with torch.no_grad():
        gate.level.copy_(sizes.median() / gate.spread)
        entries = torch.linspace(-1.0, 1.0, 801) * sizes.quantile(0.95)
        forward = gate(entries)
        backward = entries * gate.soft(entries)
    edge = float(gate.threshold.detach())
    figure = go.Figure()
    for values, name, color, dash in (
        (entries, "no gate", NEUTRAL, "dot"),
        (forward, "forward: W ⊙ [W² ≥ t²]", BLUE, "solid"),
        (backward, "for the gradient: W ⊙ sigmoid((W² − t²) / 2τ)", VERMILLION, "dash"),
    ):
        figure.add_scatter(
            x=entries.numpy(),
            y=values.numpy(),
            mode="lines",
            name=name,
            line={"color": color, "dash": dash, "width": 2},
        )
    for x in (-edge, edge):
        figure.add_vline(x=x, line={"color": NEUTRAL, "width": 1})
    figure.add_annotation(x=edge, y=1, yref="paper", text="t", showarrow=False, xshift=8)
    figure.add_annotation(x=-edge, y=1, yref="paper", text="−t", showarrow=False, xshift=-10)
    figure.update_xaxes(title_text="entry W")
    figure.update_yaxes(title_text="what is left of it")
    _with_legend(figure)
    return figure


def _with_legend(figure: go.Figure) -> None:
    """The common layout, and a legend above the plot in place of a title."""
    lay_out(figure, _HEIGHT, None)
    figure.update_layout(
        showlegend=True, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}
    )
