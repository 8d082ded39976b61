"""How a model is compressed: every option of it, declared once.

To add an option: a field here, the code that obeys it, and a line in `pages/planning/controls.py`.
The shell's flag, the option of a sweep, the JSON and the reference in the docs follow from the
field.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from analysis.errors import UserError
from analysis.plan.choices import (
    ALLOCATIONS,
    CALIBRATED,
    COMPONENTS,
    DATA_FREE,
    DISTANCES,
    END_TO_END,
    ENGINES,
    EXCITATIONS,
    INFLUENCE,
    LEVELS,
    LISTENING,
    MANUAL,
    MERGE_RULES,
    METHODS,
    OUTPUT_ERROR,
    RANKS,
    REPAIRS,
    SEEDINGS,
    SURGEON,
    UNBUDGETED,
    Allocation,
    Component,
    Distance,
    Engine,
    ExcitationKind,
    Level,
    MergeRule,
    Method,
    Repair,
    Seeding,
)
from analysis.plan.options import Option
from analysis.plan.validation import Checked

UNITS: tuple[Component, ...] = ("ffn", "heads")
"""The units that the papers remove."""

WITH_RANKS: tuple[Component, ...] = (*UNITS, RANKS)
"""And those inside heads, which only what was heard tells apart."""


class Recipe(Checked):
    """How a model is compressed, whatever the model; the defaults are the papers'.

    What each field means is said by its `Option`, and by each choice's sentence in
    `analysis.plan.choices`. `complete` fills in what is measured to be best.

    Raises
    ------
    UserError
        For a value that cannot be, or values that do not go together.

    Examples
    --------
    >>> Recipe(method="magnitude", sparsity=0.3).listens
    False
    """

    sparsity: Annotated[
        float,
        Field(ge=0, lt=1),
        Option("Sparsity", "Nominal fraction of the units that is removed from every group."),
    ] = 0.1
    method: Annotated[Method, Option("Method", "What becomes of the units.", METHODS)] = "cluster"
    allocation: Annotated[
        Allocation,
        Option(
            "Allocation",
            "Where the K of each group comes from.",
            {**ALLOCATIONS, MANUAL: "Set by hand, group by group."},
            by_default="end-to-end with the distance influence, output-error with contribution, "
            "else uniform",
            elsewhere={UNBUDGETED: "--budget literal", MANUAL: "a plan"},
        ),
    ] = "uniform"
    distance: Annotated[
        Distance,
        Option(
            "Distance",
            "By what two units are alike.",
            DISTANCES,
            by_default="influence; for magnitude and random weights, as in the papers",
        ),
    ] = "weights"
    merge: Annotated[
        MergeRule,
        Option(
            "Merge rule",
            "How the units of a cluster become one.",
            MERGE_RULES,
            by_default="weighted with a distance that listens, else mean",
        ),
    ] = "mean"
    repair: Annotated[
        Repair,
        Option(
            "Repair",
            "What is done about the outputs of changed layers.",
            REPAIRS,
            by_default="refit with a distance that listens, else none",
        ),
    ] = "none"
    sequential: Annotated[
        bool,
        Option(
            "Layer after layer",
            "Each layer is repaired on what the compressed layers below give it, not on what the"
            " original's give.",
        ),
    ] = False
    excitation: Annotated[
        ExcitationKind,
        Level,
        Option(
            "Listens to",
            "What contributions and repairs hear.",
            EXCITATIONS,
            by_default="speech, if it is installed",
            needs_data=(CALIBRATED,),
            elsewhere={CALIBRATED: "--calibrate DIR"},
        ),
    ] = "speech"
    level: Annotated[
        Level,
        Option("Listens for", "How much of the shipped speech is heard: more is better.", LEVELS),
    ] = "standard"
    swaps: Annotated[
        bool,
        Option(
            "Trade units",
            "Where the words of a model with a decoder would move clearly, groups trade units as"
            " long as the compressed model's words come nearer to the original's; a minute more, or"
            " several. With CTC they do not.",
            by_default="on with the allocation end-to-end",
        ),
    ] = False
    components: Annotated[
        tuple[Component, ...],
        Field(strict=False),  # lists of JSON, too
        Option(
            "Units to remove",
            "Which kinds of unit may be removed.",
            COMPONENTS,
            by_default="ffn and heads; ranks, too, with the surgeon and end-to-end",
        ),
    ] = UNITS
    align_heads: Annotated[
        bool,
        Option(
            "Align heads before averaging",
            "Heads are rotated inside Q/K and V/O onto each other before they are averaged; no"
            " head's function changes.",
        ),
    ] = True
    engine: Annotated[Engine, Option("Clustering engine", "What finds the clusters.", ENGINES)] = (
        "ward"
    )
    refine: Annotated[
        bool,
        Option(
            "Refine the clusters",
            "Single units move after the Ward cut (Hartigan); the error never rises.",
        ),
    ] = False
    seeding: Annotated[
        Seeding, Option("k-means seeding", "How the k-means engine starts.", SEEDINGS)
    ] = "k-means++"
    n_init: Annotated[
        int,
        Field(ge=1, le=1_000),
        Option("k-means restarts", "How often the k-means engine starts anew."),
    ] = 1
    seed: Annotated[
        int,
        Field(ge=0, le=2**32 - 1),  # of NumPy's generators, which k-means uses
        Option("Seed", "Of k-means and of the random baseline: same seed, same bits."),
    ] = 0

    @model_validator(mode="after")
    def _go_together(self) -> "Recipe":
        if not self.components or len(set(self.components)) < len(self.components):
            raise UserError(
                "components names no kind of unit, or one twice.",
                f"Choose among {', '.join(COMPONENTS)}.",
            )
        if self.method == SURGEON and self.distance not in LISTENING:
            raise UserError(
                "The surgeon weighs what units do.",
                "Choose the distance “influence” or “contribution” with it.",
            )
        if self.allocation == END_TO_END and self.distance != INFLUENCE:
            raise UserError(
                "The end-to-end allocation counts what the model's words change.",
                "Choose the distance “influence” with it.",
            )
        if self.swaps and self.sequential:
            raise UserError(
                "Groups that trade units are repaired each by itself, not layer after layer.",
                "Choose one of “swaps” and “sequential”.",
            )
        if self.sequential and self.repair == "none":
            raise UserError(
                "sequential is a way to repair, and repair is none.",
                "Choose the repair “mean” or “refit”.",
            )
        return self

    @property
    def listens(self) -> bool:
        """Whether an excitation has a part in it."""
        return self.distance in LISTENING or self.repair != "none"

    @property
    def data_free(self) -> bool:
        """Whether no data set had a part in it."""
        return not self.listens or self.excitation in DATA_FREE

    @property
    def draws(self) -> bool:
        """Whether another seed gives another model."""
        return (
            self.method == "random"
            or (self.method == "cluster" and self.engine == "kmeans")
            or (self.listens and self.excitation == "sounds")
        )


OPEN: tuple[
    Literal["method", "distance", "merge", "repair", "allocation", "swaps", "components"], ...
] = (
    "method",
    "distance",
    "merge",
    "repair",
    "allocation",
    "swaps",
    "components",
)
"""The options that `complete` chooses where nobody did."""


BASELINES = ("magnitude", "random")
"""The methods that every paper compares with; their name says all."""

DEFAULT_NAME, PAPERS_NAME = "Coalesce's default", "papers' clustering"
"""What people read for the recipe that is taken where nobody chose, and for the one of the papers,
which clusters by weights and repairs nothing: both merge, and they are far apart."""


def recipe_name(recipe: Recipe) -> str:
    """What people call a recipe, whatever it removes and however that is divided.

    Examples
    --------
    >>> recipe_name(complete(sparsity=0.3)), recipe_name(complete(distance="weights"))
    ("Coalesce's default", "papers' clustering")
    >>> recipe_name(complete(method="cluster")), recipe_name(complete(method="magnitude"))
    ('cluster, influence', 'magnitude')
    """
    core = (recipe.distance, recipe.merge, recipe.repair)
    if recipe.method == "cluster" and core == ("weights", "mean", "none"):
        return PAPERS_NAME
    if recipe.method == SURGEON and core == (INFLUENCE, "weighted", "refit"):
        return DEFAULT_NAME
    if recipe.method in BASELINES and recipe.repair == "none":
        return recipe.method
    usual = complete(method=recipe.method, distance=recipe.distance)
    parts: list[str] = [recipe.method, recipe.distance]
    if recipe.method == "cluster" and recipe.merge != usual.merge:
        parts.append(recipe.merge)
    if recipe.repair != usual.repair:
        parts.append(f"repair {recipe.repair}")
    return ", ".join(parts)


def complete(**given: Any) -> Recipe:
    """Fill in what was left open, as the measurements in docs/results.md have it.

    Where nothing is asked for, the surgeon removes channels, heads and ranks of heads by their
    influence on the model's words, the outputs are refitted, and K follows from what each layer was
    measured to be worth, with trades where the words would move clearly.
    Clustering goes by influence, too, with the weighted merge. The baselines and the weight
    distances are what the papers say: mean, no repair, uniform.

    Parameters
    ----------
    **given
        Fields of `Recipe`; None is as good as left out.

    Raises
    ------
    UserError
        See `Recipe`.

    Examples
    --------
    >>> complete(sparsity=0.2).repair
    'refit'
    >>> complete(method="magnitude").distance
    'weights'
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    weighs = chosen.get("distance", INFLUENCE) in LISTENING
    method = chosen.setdefault("method", SURGEON if weighs else "cluster")
    chosen.setdefault("distance", INFLUENCE if method in ("cluster", SURGEON) else "weights")
    listens = chosen["distance"] in LISTENING
    chosen.setdefault("merge", "weighted" if listens else "mean")
    chosen.setdefault("repair", "refit" if listens else "none")
    by_words = END_TO_END if chosen["distance"] == INFLUENCE else OUTPUT_ERROR
    chosen.setdefault("allocation", by_words if listens else "uniform")
    at_once = not chosen.get("sequential")
    by_end = chosen["allocation"] == END_TO_END
    chosen.setdefault("swaps", by_end and at_once)
    chosen.setdefault("components", WITH_RANKS if by_end and method == SURGEON else UNITS)
    return Recipe(**chosen)
