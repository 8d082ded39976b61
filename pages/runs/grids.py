"""The compressed models that a sweep of the page makes: methods, sparsities and allocations."""

from dataclasses import dataclass

import streamlit as st

from analysis.evaluation.sweep_spec import OWN_ALLOCATION, PAPERS_SPARSITY
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import END_TO_END
from analysis.plan.recipe import DEFAULT_NAME, PAPERS_NAME
from pages.widgets.choices import held
from pages.widgets.formatting import listed

WAYS_TO_COMPRESS = {
    DEFAULT_NAME: "surgeon:distance=influence:merge=weighted:repair=refit",
    PAPERS_NAME: "cluster",
    "magnitude": "magnitude",
    "random": "random",
    f"{PAPERS_NAME}, layer norm folded in": "cluster:distance=normalised",
    f"{PAPERS_NAME}, medoid": "cluster:merge=medoid",
    f"{PAPERS_NAME}, heads not aligned": "cluster:align_heads=false",
    "cluster, influence": "cluster:distance=influence:merge=weighted:repair=refit",
    "cluster, contribution": "cluster:distance=contribution:merge=weighted:repair=refit",
}
"""Ways to compress that the page offers, as the shell writes them; the app's own first."""

METHODS_KEY, SPARSITIES_KEY, ALLOCATIONS_KEY = (
    "sweep-methods",
    "sweep-sparsities",
    "sweep-allocations",
)
"""Hold what the sweep runs: keys of `WAYS_TO_COMPRESS`, whole percents, names of allocations."""

_NAME_KEY = "sweep-grid"


@dataclass(frozen=True, slots=True)
class Grid:
    """Every method at every sparsity with every allocation.

    Parameters
    ----------
    methods : tuple of str
        Keys of `WAYS_TO_COMPRESS`.
    sparsities : tuple of int
        Percent.
    allocations : tuple of str
    """

    methods: tuple[str, ...]
    sparsities: tuple[int, ...] = (10, 20, 30)
    allocations: tuple[str, ...] = (OWN_ALLOCATION,)


NO_METHODS = Grid(())
THREE_METHODS = Grid((DEFAULT_NAME, PAPERS_NAME, "magnitude"))

_VARIANTS, _THREE, _PAPERS, _OWN = "My variants", "Three methods", "Like the papers", "As in Expert"


def chosen_grid(has_variants: bool) -> Grid:
    """What the sweep makes: what was chosen, or else nothing where variants are to be evaluated.

    Parameters
    ----------
    has_variants : bool
        Whether the visitor has made variants of the model.
    """
    first = NO_METHODS if has_variants else THREE_METHODS
    return Grid(
        tuple(held(METHODS_KEY, first.methods)),
        tuple(held(SPARSITIES_KEY, first.sparsities)),
        tuple(held(ALLOCATIONS_KEY, first.allocations)),
    )


def draw_grids(model: SpeechModel, has_variants: bool) -> None:
    """One of a few grids, and what it makes in a sentence."""
    grids = {_VARIANTS: NO_METHODS, _THREE: THREE_METHODS, _PAPERS: _papers_grid(model)}
    now = chosen_grid(has_variants)
    name = next((name for name, grid in grids.items() if grid == now), _OWN)
    name = name if now.methods else _VARIANTS
    offered = [*grids, _OWN] if name == _OWN else list(grids)
    if not has_variants and name != _VARIANTS:
        offered.remove(_VARIANTS)
    st.session_state[_NAME_KEY] = name  # after the callback: Expert may have changed it since
    st.segmented_control(
        "Models",
        offered,
        default=name,
        required=True,
        key=_NAME_KEY,
        on_change=lambda: _use(grids.get(st.session_state[_NAME_KEY])),
        help=f"**{_THREE}**: Coalesce's default beside the papers' clustering and plain magnitude."
        f"  \n**{_PAPERS}**: the methods and allocations of arXiv 2606.11836 at its sparsity, and"
        " Coalesce's default with the same and its own. What does not go together is left out, and"
        " the table says so.",
    )
    st.caption(_describe(now, has_variants))


def _use(grid: Grid | None) -> None:
    """Callback: take one of the grids."""
    if grid is not None:
        st.session_state[METHODS_KEY] = list(grid.methods)
        st.session_state[SPARSITIES_KEY] = list(grid.sparsities)
        st.session_state[ALLOCATIONS_KEY] = list(grid.allocations)


def _papers_grid(model: SpeechModel) -> Grid:
    """The papers' methods and allocations at their sparsity, and ours beside them."""
    percent = round(100 * PAPERS_SPARSITY[model.architecture.decoding])
    return Grid(THREE_METHODS.methods, (percent,), ("uniform", "variance", END_TO_END))


def _describe(grid: Grid, has_variants: bool) -> str:
    """What is made and evaluated, in a sentence."""
    if not (grid.methods and grid.sparsities and grid.allocations):
        return "The original and the variants." if has_variants else "The original alone."
    percents = listed([str(one) for one in sorted(grid.sparsities)])
    said = f"The original, and of it {listed(grid.methods)} at {percents} %"
    allocations = [one for one in grid.allocations if one != OWN_ALLOCATION]
    if allocations:
        with_own = ["each method's own"] * (len(allocations) < len(grid.allocations))
        said += f", K by {listed([*allocations, *with_own])}"
    return f"{said}{'; and the variants' if has_variants else ''}."
