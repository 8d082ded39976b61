"""A plan: how a model is compressed, for which weights, and how many units each group keeps."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, PlainSerializer

from analysis.errors import UserError
from analysis.plan.recipe import Recipe
from analysis.plan.validation import Checked, TwiceError, read_once, shown, shown_text

FORMAT = 2
"""Of the JSON that is written; format 1, which had all fields side by side, is read as well."""

REFIT_REVISION = 2
"""Of how columns are refitted: with CTC those of 2 keep the output's variance, 1 did not."""

LISTENING_REVISION = 2
"""Of how a recipe that listens is done: the ridge of 2 knows each unit's scale, 1 did not."""

_FLAT = (
    *("model", "weight_hash", "n_clusters", "revision", "method", "engine", "seeding", "n_init"),
    *("refine", "distance", "merge", "align_heads", "components", "allocation", "sparsity"),
    *("seed", "excitation", "excitation_hash", "repair", "sequential"),
)
"""The fields of format 1, in its order."""


class Origin(Checked, title="origin of the plan"):
    """Which weights a plan is for.

    Parameters
    ----------
    model : str
        Name, folder or hub id of the original.
    weight_hash : str
        SHA-256 over the original's stored tensors; a plan fits no other weights.
    revision : str or None
        Hub revision of the original.
    """

    model: str
    weight_hash: str
    revision: str | None = None


class CompressionPlan(Checked, title="plan"):
    """Everything that decides a compressed model; same plan, same weights, same bits.

    Parameters
    ----------
    origin : Origin
        For which weights.
    recipe : Recipe
        How.
    n_clusters : mapping of str to int
        How many units of each group stay: K by group id; 1 <= K <= n.
    excitation_hash : str or None
        SHA-256 over the samples of the excitation that was heard; None where nothing was.

    Raises
    ------
    UserError
        Naming the field that cannot be, and what would have worked.
    """

    origin: Origin
    recipe: Recipe
    n_clusters: Annotated[
        Mapping[str, int],
        AfterValidator(lambda k: MappingProxyType(dict(k))),
        PlainSerializer(dict),
    ]
    excitation_hash: str | None = None

    def validate_for(self, n_units: Mapping[str, int], weight_hash: str | None = None) -> None:
        """Check that the plan fits a model.

        Parameters
        ----------
        n_units : mapping of str to int
            Units of every group of the model, by group id.
        weight_hash : str, optional
            Of the model's tensors.

        Raises
        ------
        UserError
            Naming the group whose K does not fit, or the other model that the plan is for.
        """
        if weight_hash is not None and weight_hash != self.origin.weight_hash:
            raise UserError(
                f"This plan was made for other weights ({self.origin.model}).",
                "Load that model, or make a new plan for this one.",
                f"plan: {self.origin.weight_hash}, model: {weight_hash}",
            )
        for name in self.n_clusters:
            if name not in n_units:
                raise UserError(
                    f"The plan names {shown_text(name)}, which this model does not have.",
                    "Load the model that the plan was made for.",
                )
        for name, n in n_units.items():
            k = self.n_clusters.get(name)
            if k is None:
                raise UserError(f"The plan gives no K for {name}.", f"Add one, 1 to {n}.")
            if not 1 <= k <= n:
                raise UserError(
                    f"K = {shown(k)} is out of range for {name}.", f"Choose K from 1 to {n}."
                )

    def with_clusters(self, n_clusters: Mapping[str, int]) -> "CompressionPlan":
        """The same plan with other K."""
        return self.changed(n_clusters=n_clusters)

    def to_dict(self) -> dict[str, Any]:
        """The plan for JSON, stable in order."""
        return {"format": FORMAT, **self.model_dump(mode="json")}

    def to_json(self) -> str:
        """The plan as JSON text, stable in order and layout."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @property
    def identity(self) -> str:
        """The text that stands for this plan in what is kept on disk.

        It is the plan's JSON in format 1, so that results which were stored before format 2 are
        found by it, too; options that are newer follow where they are not as they are by default.
        """
        values = self.model_dump(mode="json")
        flat = values["origin"] | values["recipe"] | values
        known = {"format": 1} | {name: flat[name] for name in _FLAT}
        first = Recipe().model_dump(mode="json")
        newer = {
            name: value
            for name, value in values["recipe"].items()
            if name not in _FLAT and value != first[name]
        }
        if self.recipe.listens and self.recipe.excitation != "speech":  # whose hash is new, too
            newer["listening"] = LISTENING_REVISION
        if self.recipe.repair == "refit":
            newer["refit"] = REFIT_REVISION
        return json.dumps(known | newer, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "CompressionPlan":
        """Read a plan.

        Parameters
        ----------
        text : str
            What `to_json` wrote, in this format or in format 1; or a checkpoint's `coalesce.json`,
            whose plan is taken.

        Returns
        -------
        CompressionPlan

        Raises
        ------
        UserError
            When the text is no plan, a field is unknown, missing or of the wrong type.
        """
        try:
            values = read_once(text)
        except TwiceError as error:
            raise UserError(
                f"This plan says {error} twice.", "Take one of the two out of the file."
            ) from error
        except (ValueError, RecursionError) as error:
            raise UserError(
                "This file is not a plan: it is not JSON.",
                "Choose a file written by Coalesce.",
                str(error),
            ) from error
        if isinstance(values, dict) and isinstance(values.get("plan"), dict):
            values = values["plan"]  # of a checkpoint's coalesce.json, or `compress --json`
        if not isinstance(values, dict) or "n_clusters" not in values:
            raise UserError("This file is not a plan.", "Choose a file written by Coalesce.")
        version = values.pop("format", None)
        if type(version) is not int or version not in (1, FORMAT):
            raise UserError(
                f"This plan has format {shown(version)}.",
                f"This version of Coalesce reads 1 to {FORMAT}.",
            )
        return cls.read(_nested(values) if version == 1 else values)


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of format 1 where format 2 has them; unknown ones stay to be refused."""
    values: dict[str, Any] = {"origin": {}, "recipe": {}}
    for name, value in flat.items():
        if name in Origin.model_fields:
            values["origin"][name] = value
        elif name in Recipe.model_fields:
            values["recipe"][name] = value
        elif name in ("n_clusters", "excitation_hash"):
            values[name] = value
        else:
            raise UserError(f"The plan has no field {shown(name)}.", "Remove it.")
    return values
