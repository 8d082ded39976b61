"""The most useful figures, from a model and a plan: Plotly figures, as the pages show them."""

from pathlib import Path

import plotly.graph_objects as go

from analysis.compression.forecast import error_curve, forecast
from analysis.compression.planner import Planner
from analysis.figures.allocations import error_multiples
from analysis.figures.kept_units import kept_units_chart
from analysis.figures.statistics import statistic_heatmap
from analysis.figures.treemap import parameter_treemap
from analysis.models.anatomy import parameter_parts
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import model_statistics
from analysis.plan.compression_plan import CompressionPlan
from analysis.speech.excitation import read_calibration

__all__ = ["error_curves", "kept_units", "parameters", "statistics"]


def parameters(model: SpeechModel) -> go.Figure:
    """The parameters of a model as areas: which can be merged, and which are never touched.

    Parameters
    ----------
    model : SpeechModel
        The original, or a compressed one.

    Returns
    -------
    plotly.graph_objects.Figure

    Examples
    --------
    >>> import coalesce
    >>> figure = coalesce.figures.parameters(coalesce.load("demo-hubert"))
    >>> figure.data[0].type
    'bar'
    """
    return parameter_treemap(parameter_parts(model))


def statistics(model: SpeechModel, name: str = "variance") -> go.Figure:
    """One statistic of every matrix that has units: a row for each layer, the input at the top.

    Parameters
    ----------
    model : SpeechModel
        The original, or a compressed one.
    name : str
        A key of `analysis.models.statistics.STATISTICS`, for example "kurtosis".

    Returns
    -------
    plotly.graph_objects.Figure

    Examples
    --------
    >>> import coalesce
    >>> figure = coalesce.figures.statistics(coalesce.load("demo-hubert"), "stable_rank")
    >>> figure.layout.coloraxis.colorbar.title.text
    'Stable rank (1)'
    """
    return statistic_heatmap(model.groups, model_statistics(model), name)


def kept_units(model: SpeechModel, plan: CompressionPlan) -> go.Figure:
    """How many units every layer keeps under a plan, in front of those that there were.

    Parameters
    ----------
    model : SpeechModel
        The original that the plan was made for.
    plan : CompressionPlan
        What `coalesce.plan` gave.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    UserError
        Where the plan was made for another model.

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-hubert")
    >>> plan = coalesce.plan(model, 0.5, method="magnitude")
    >>> figure = coalesce.figures.kept_units(model, plan)
    >>> figure.layout.title.text.split("<")[0].strip()
    'Every layer keeps the same share of its heads and channels'
    """
    model.check_plan(plan)
    return kept_units_chart(model.groups_for(plan.recipe.components), plan.n_clusters)


def error_curves(
    model: SpeechModel, plan: CompressionPlan, *, calibrate: str | Path | None = None
) -> go.Figure:
    """What each number of clusters K would cost every group, with the K of a plan marked.

    Parameters
    ----------
    model : SpeechModel
        The original that the plan was made for.
    plan : CompressionPlan
        What `coalesce.plan` gave.
    calibrate : str or Path, optional
        The folder that the plan was made with, where it was made with one.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    UserError
        Where the plan was made for another model.

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-hubert")
    >>> plan = coalesce.plan(model, 0.5, method="magnitude")
    >>> figure = coalesce.figures.error_curves(model, plan)
    >>> len(figure.data[-1].x) == len(coalesce.groups(model))
    True
    """
    model.check_plan(plan)
    clips = read_calibration(calibrate) if calibrate else None
    trees = Planner(model, clips).prepare(plan.recipe).trees
    groups = model.groups_for(plan.recipe.components)
    how, seed = plan.recipe.method, plan.recipe.seed
    curves = {group.id: error_curve(group, trees[group.id], how, seed=seed) for group in groups}
    errors = forecast(trees, plan.n_clusters, how, seed=seed).errors
    return error_multiples(groups, curves, plan.n_clusters, errors)
