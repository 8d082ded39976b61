"""What changed blocks do and what the original's blocks say, measured together."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from analysis.clustering.listening import Listener, PreparedClip, Stop
from analysis.clustering.moments import MomentAccumulator, Moments
from analysis.models.modules import linear_at, share_modules
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.models.unit_weights import UnitWeights, read_units, write_units
from analysis.progress import UNWATCHED, Watch


def moments_beside(
    model: SpeechModel,
    changes: Sequence[tuple[UnitGroup, UnitWeights]],
    clips: Sequence[PreparedClip],
    *,
    watch: Watch = UNWATCHED,
) -> dict[str, Moments]:
    """Joint moments of changed blocks' inner activations and of the original blocks' outputs.

    One run serves all groups: the new units stand beside the original's in the same projections,
    with output columns of zero, so that every layer hears what the original's hears.

    Parameters
    ----------
    model : SpeechModel
        The original; its lock is taken for each clip.
    changes : sequence of (UnitGroup, UnitWeights)
        Groups as they were, and the units that are to replace them.
    clips : sequence of PreparedClip
    watch : Watch
        Reports clips.

    Returns
    -------
    dict of str to Moments
        By group id: of [a, y], a the new units' inputs of the output projection, y its output in
        the original.

    Raises
    ------
    Cancelled
    """
    listener = Listener(model)
    joint: dict[str, MomentAccumulator] = {}

    def hook_for(group: UnitGroup) -> Any:
        width = group.n_units * group.rows

        def hook(linear: nn.Module, arguments: tuple[torch.Tensor], output: torch.Tensor) -> None:
            new = listener.clip.counted(arguments[0], group.stack)[:, width:]
            said = listener.clip.counted(output, group.stack)
            joint[group.id].update(torch.cat([new.float(), said.float()], dim=1))

        return hook

    for group, units in changes:
        write_units(listener.module, group, beside(read_units(model.model, group), units))
        linear = linear_at(listener.module, group.output_path)
        width = units.n_units * group.rows + linear.out_features
        joint[group.id] = MomentAccumulator(width, model.device)
        linear.register_forward_hook(hook_for(group))
    listener.play(clips, "Listening to what the new units do", watch)
    return {name: accumulator.moments() for name, accumulator in joint.items()}


def beside(units: UnitWeights, silent: UnitWeights) -> UnitWeights:
    """Units and, behind them, others whose output columns are zero."""

    def join(
        a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        return {role: torch.cat([a[role], b[role]]) for role in a}

    return UnitWeights(
        join(units.inputs, silent.inputs),
        join(units.biases, silent.biases),
        torch.cat([units.output, torch.zeros_like(silent.output)]),
    )


def paired_moments(
    model: SpeechModel, module: PreTrainedModel, group: UnitGroup, clips: Sequence[PreparedClip]
) -> Moments:
    """Joint moments of a changed block's inner activations and of the original block's output.

    Parameters
    ----------
    model : SpeechModel
        The original; its lock is taken for each clip.
    module : PreTrainedModel
        A changed copy of it. What lies below the group in it decides what the block hears there.
    group : UnitGroup
    clips : sequence of PreparedClip

    Returns
    -------
    Moments
        Of [a, y]: a is the input of the output projection of `module`, y its output in `model`.
    """
    reference, changed = share_modules(model.model), share_modules(module)
    taken: list[torch.Tensor] = []

    def take_output(linear: nn.Module, arguments: object, output: torch.Tensor) -> None:
        taken.append(output)
        raise Stop

    def take_input(linear: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        taken.append(arguments[0])
        raise Stop

    target = linear_at(reference, group.output_path)
    source = linear_at(changed, group.output_path)
    target.register_forward_hook(take_output)
    source.register_forward_pre_hook(take_input)
    joint = MomentAccumulator(source.in_features + target.out_features, model.device)
    for clip in clips:
        taken.clear()
        with model.lock:
            clip.run(reference)
            clip.run(changed)
        output, activations = (clip.counted(states, group.stack) for states in taken)
        joint.update(torch.cat([activations.float(), output.float()], dim=1))
    return joint.moments()
