"""A space in which units are compared: by which distance, aligned or not, on which sound."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from analysis.cache import Shape, cache_folder, cached
from analysis.clustering.contributions import (
    GroupMoments,
    contribution_distances,
    contribution_gram,
    contribution_vectors,
    group_moments,
)
from analysis.clustering.distances import SquaredDistances, squared_distances, unit_vectors
from analysis.clustering.influence import influence_root
from analysis.clustering.listening import heard_identity
from analysis.clustering.merge_tree import MergeTree, Removal, nested_tree, ward_tree
from analysis.clustering.ranks import RankBasis, rank_basis, ranked_units
from analysis.clustering.removal import removal_order
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.models.unit_weights import UnitWeights, read_units
from analysis.plan.choices import INFLUENCE, LISTENING
from analysis.plan.recipe import Recipe
from analysis.progress import UNWATCHED, Watch
from analysis.speech.excitation import Excitation, make_excitation
from analysis.speech.languages import language_codes

_ORDER_SUFFIX = ".surgeon.npz"


@dataclass(frozen=True, slots=True, eq=False)
class UnitSpace:
    """What decides how far two units of a group are apart.

    Parameters
    ----------
    distance : str
        See `analysis.plan.choices.DISTANCES`.
    align_heads : bool
        For heads, whether distances are those after Procrustes alignment; contributions do not
        depend on it.
    excitation : Excitation or None
        For the distances that listen; None stands for the shipped speech.
    """

    distance: str = "weights"
    align_heads: bool = True
    excitation: Excitation | None = None

    @classmethod
    def of(cls, recipe: Recipe, excitation: Excitation | None = None) -> "UnitSpace":
        """The space of a recipe; `excitation` is the sound behind the recipe's kind of it."""
        heard = excitation if recipe.distance in LISTENING else None
        return cls(recipe.distance, recipe.align_heads, heard)

    @property
    def listens(self) -> bool:
        """Whether units are compared by what they do on an excitation."""
        return self.distance in LISTENING

    @property
    def identity(self) -> tuple[str, bool, str]:
        """Spaces of one identity have the same distances."""
        heard = self.excitation.identity if self.excitation else ""
        return (self.distance, self.align_heads, heard)

    def distances(self, model: SpeechModel, group: UnitGroup) -> SquaredDistances:
        """Pairwise squared distances of a group's units."""
        if self.listens:
            return contribution_distances(self.gram(model, group))
        return squared_distances(model.model, group, self.distance, align_heads=self.align_heads)

    def vectors(self, model: SpeechModel, group: UnitGroup) -> np.ndarray:
        """Vectors whose distances these are, heads not aligned: float32, (n, ·)."""
        if self.listens:
            return contribution_vectors(self.gram(model, group))
        return unit_vectors(model.model, group, self.distance)

    def gram(self, model: SpeechModel, group: UnitGroup) -> np.ndarray:
        """Gram matrix of what a group's units add to the residual stream: float64, (n, n).

        Under the distance "influence" what they add is weighed by what the model's words make of
        it. See `analysis.clustering.contributions.contribution_gram`.
        """
        excitation = self.heard(model)
        output = self._output(model, group, excitation, UNWATCHED)
        return contribution_gram(group_moments(model, excitation, group), output)

    def tree(
        self,
        model: SpeechModel,
        group: UnitGroup,
        *,
        removal: bool = False,
        watch: Watch = UNWATCHED,
    ) -> MergeTree:
        """The Ward tree of one group, from disk where it was built before.

        Parameters
        ----------
        model : SpeechModel
        group : UnitGroup
        removal : bool
            Whether the surgeon's order is wanted, too; for the distances that listen.
        watch : Watch
            Of the run over the excitation, where it was not made before.

        Returns
        -------
        MergeTree

        Raises
        ------
        UserError
            When the group's weights are not finite.
        Cancelled
        """
        if group.inside:
            return self._rank_tree(model, group, watch)
        if self.listens:
            return self._contribution_tree(model, group, removal, watch)
        aligned = self.align_heads and group.component == "heads"
        variant = f"{self.distance}-aligned" if aligned else self.distance
        path = _folder(model) / variant / f"{group.id}.npz"

        def make() -> Mapping[str, np.ndarray]:
            tree = ward_tree(self.distances(model, group))
            return {"linkage": tree.linkage, "norms": tree.norms}

        arrays = cached(path, _tree_shapes(group), make, watch)
        return MergeTree(arrays["linkage"], arrays["norms"])

    def units(self, model: SpeechModel, group: UnitGroup) -> UnitWeights:
        """The units that go or stay: the model's own, and ranks in the basis of this space."""
        if group.inside:
            return ranked_units(model, group, self._basis(model, group, UNWATCHED))
        return read_units(model.model, group)

    def heard(self, model: SpeechModel) -> Excitation:
        """What a model is played where the space listens: the excitation, or the shipped speech."""
        return self.excitation or make_excitation("speech", languages=language_codes(model))

    def order_path(self, model: SpeechModel, group: UnitGroup) -> Path:
        """Where the surgeon's order of a group is kept, in a space that listens."""
        return self._path(model, group, self.heard(model)).with_suffix(_ORDER_SUFFIX)

    def _path(self, model: SpeechModel, group: UnitGroup, excitation: Excitation) -> Path:
        """Where a group's tree is kept, in a space that listens."""
        heard = heard_identity(model, excitation)
        return _folder(model) / f"{self.distance}-3" / heard / f"{group.id}.npz"

    def _output(
        self, model: SpeechModel, group: UnitGroup, excitation: Excitation, watch: Watch
    ) -> torch.Tensor:
        """The output columns, as rows, in the space where outputs are compared: (n, rows, ·)."""
        output = read_units(model.model, group).output
        if self.distance != INFLUENCE:
            return output
        root = influence_root(model, excitation, group, watch=watch)
        return output.to(root) @ root

    def _basis(self, model: SpeechModel, ranks: UnitGroup, watch: Watch) -> RankBasis:
        """The basis of an attention block's ranks, by the sound or by the weights alone."""
        heard = self.heard(model) if self.listens else None
        return rank_basis(model, heads_of(model, ranks), heard, watch=watch)

    def _rank_tree(self, model: SpeechModel, ranks: UnitGroup, watch: Watch) -> MergeTree:
        """The nested tree of an attention block's ranks.

        A rank costs its share of the scores' variance, times what its head adds: to first order,
        that is how far the output moves when scores do.
        """
        heads = heads_of(model, ranks)
        basis = self._basis(model, ranks, watch)
        shares = basis.values.square().cpu().numpy() / heads.rows
        if not self.listens:
            return nested_tree(shares.sum(axis=0))
        tree = self.tree(model, heads, watch=watch)
        return nested_tree(tree.norms @ shares, tree.residual_variance)

    def _contribution_tree(
        self, model: SpeechModel, group: UnitGroup, removal: bool, watch: Watch
    ) -> MergeTree:
        """Ward tree of the contributions, and on request the surgeon's order beside it."""
        excitation = self.heard(model)
        path = self._path(model, group, excitation)

        def measured() -> tuple[GroupMoments, torch.Tensor]:
            output = self._output(model, group, excitation, watch)  # it may measure both
            return group_moments(model, excitation, group, watch=watch), output

        def make_tree() -> Mapping[str, np.ndarray]:
            moments, output = measured()
            tree = ward_tree(contribution_distances(contribution_gram(moments, output)))
            # nats are comparable as they are
            scale = 1.0 if self.distance == INFLUENCE else moments.residual_variance
            return {"linkage": tree.linkage, "norms": tree.norms, "residual": np.array(scale)}

        def make_order() -> Mapping[str, np.ndarray]:
            moments, output = measured()
            found = removal_order(moments.moments.covariance, output)
            return {"order": found.order, "costs": found.costs}

        arrays = cached(path, {**_tree_shapes(group), "residual": ()}, make_tree, watch)
        tree = MergeTree(
            arrays["linkage"], arrays["norms"], residual_variance=float(arrays["residual"])
        )
        if not removal:
            return tree
        n_steps = group.n_units - 1
        order_path = path.with_suffix(_ORDER_SUFFIX)
        steps = cached(order_path, {"order": (n_steps,), "costs": (n_steps,)}, make_order, watch)
        return replace(tree, removal=Removal(steps["order"], steps["costs"]))


def heads_of(model: SpeechModel, ranks: UnitGroup) -> UnitGroup:
    """The group of heads that a group of ranks lies inside."""
    return next(group for group in model.groups if group.id == ranks.inside)


def _folder(model: SpeechModel) -> Path:
    """Where the trees of a model are kept."""
    return cache_folder("trees") / model.cache_name / str(model.dtype).removeprefix("torch.")


def _tree_shapes(group: UnitGroup) -> Mapping[str, Shape]:
    """Of the arrays that every kept tree of a group has."""
    return {"linkage": (group.n_units - 1, 4), "norms": (group.n_units,)}
