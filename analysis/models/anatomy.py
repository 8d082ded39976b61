"""What a model's parameters are made of: what can be merged and what is never touched."""

from collections import Counter
from dataclasses import dataclass

from torch import nn

from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import BLOCK_TITLES, UnitGroup

_SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Part:
    """A node of the tree of parameters; a leaf has `n_parameters` of its own.

    Parameters
    ----------
    id, parent : str
        `parent` is "" for the root.
    title : str
    n_parameters : int
        Unique parameters in the node and below it.
    group : UnitGroup or None
        For a leaf that can be merged.
    """

    id: str
    parent: str
    title: str
    n_parameters: int
    group: UnitGroup | None = None


def parameter_parts(model: SpeechModel) -> tuple[Part, ...]:
    """Split a model's unique parameters over stacks, kinds and layers; tied ones count once.

    Parameters
    ----------
    model : SpeechModel

    Returns
    -------
    tuple of Part
        Root first, a parent before its children; children of a node add up to the node.
    """
    groups = model.groups
    owners = _owners(groups)
    stacks = model.architecture.stacks(model.config)
    prefixes = {stack.layers.rpartition(".")[0] + ".": stack.name for stack in stacks}
    fixed: Counter[tuple[str, str]] = Counter()
    for name, parameter in model.model.named_parameters():
        if name not in owners:
            stack = next((s for p, s in prefixes.items() if name.startswith(p)), _SHARED)
            fixed[stack, _kind(model.model, name)] += parameter.numel()

    nodes: list[Part] = []
    for name in (*(stack.name for stack in stacks), _SHARED):
        below: list[Part] = []
        for block in dict.fromkeys(group.block for group in groups if group.stack == name):
            members = [group for group in groups if (group.stack, group.block) == (name, block)]
            kind_id = f"{name}.{block}"
            title = BLOCK_TITLES[block][0].upper() + BLOCK_TITLES[block][1:]
            below.append(Part(kind_id, name, title, sum(g.n_parameters for g in members)))
            below += [Part(g.id, kind_id, f"Layer {g.layer}", g.n_parameters, g) for g in members]
        for (stack, kind), n_parameters in fixed.most_common():
            if stack == name:
                below.append(Part(f"{stack}.{kind}", stack, kind, n_parameters))
        if below:
            total = sum(part.n_parameters for part in below if part.parent == name)
            title = "Outside the stacks" if name == _SHARED else name.capitalize()
            nodes += [Part(name, "model", title, total), *below]
    total = sum(part.n_parameters for part in nodes if part.parent == "model")
    return (Part("model", "", model.name, total), *nodes)


def _owners(groups: tuple[UnitGroup, ...]) -> frozenset[str]:
    """Names of the parameters that belong to units; the output bias belongs to none."""
    names: set[str] = set()
    for group in groups:
        for path in group.input_paths.values():
            names |= {f"{path}.weight", f"{path}.bias"}
        names.add(f"{group.output_path}.weight")
    return frozenset(names)


def _kind(model: nn.Module, name: str) -> str:
    """What a parameter that cannot be merged is, for people."""
    path = name.split(".parametrizations.")[0]
    if path == name:
        path = name.rpartition(".")[0]
    module = model.get_submodule(path)
    if isinstance(module, nn.Embedding):
        return "Positions" if "position" in path else "Token embedding"
    if isinstance(module, nn.Conv1d):
        return "Convolutions"
    if isinstance(module, nn.LayerNorm | nn.GroupNorm):
        return "Layer norms"
    if name.endswith(".bias") and ".layers." in name:
        return "Output biases"
    return "Recognition head" if path == "lm_head" else "Other projections"
