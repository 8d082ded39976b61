"""What lies below a changed layer says what it said before: it is recorded once, not computed anew.

Two models that differ in some layers give the same states below the lowest of them. Where that is
a layer of a decoder, its keys and values of the encoder's states stay the same, too.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from analysis.clustering.listening import PreparedClip
from analysis.compression.divergence import divergence
from analysis.models.modules import share_modules
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import ranks_of, with_ranks

_FRONT_END = "feature_extractor"  # the convolutions of a CTC model, below all its layers


class _Played(nn.Module):
    """Stands for a module, and says what that said on the clip that is played."""

    said: Any = None

    def forward(self, *arguments: object, **options: object) -> Any:
        return self.said


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """What the modules of a model said on some clips.

    Parameters
    ----------
    model : SpeechModel
    clips : sequence of PreparedClip
    stacks : mapping of str to tuple of str
        The paths of each stack's layers, from the input to the output; before the layers of a CTC
        encoder that of its convolutional front end, before a decoder's that of the whole encoder.
    memory : mapping of str to tuple of str
        By the id of each group of cross-attention heads, the paths of its keys and values.
    said : mapping of str to list
        What the module at each of these paths said, clip by clip.
    """

    model: SpeechModel
    clips: Sequence[PreparedClip]
    stacks: Mapping[str, tuple[str, ...]]
    memory: Mapping[str, tuple[str, ...]]
    said: Mapping[str, list[Any]]

    def divergence(
        self, module: PreTrainedModel, changed: Collection[str], original: Sequence[torch.Tensor]
    ) -> float:
        """As `analysis.compression.divergence.divergence`, of modules like those recorded.

        Parameters
        ----------
        module : PreTrainedModel
            It differs from the modules recorded in some groups only; it is taken apart.
        changed : collection of str
            Ids of these groups.
        original : sequence of Tensor
            What `log_probabilities` gave for the original on the clips.
        """
        played = {path: _Played() for path in self._unmoved(changed)}
        for path, stand_in in played.items():
            module.set_submodule(path, stand_in)
        total, count = 0.0, 0
        for number, (clip, logs) in enumerate(zip(self.clips, original, strict=True)):
            for path, stand_in in played.items():
                stand_in.said = self.said[path][number]
            total += divergence(self.model, module, [clip], [logs]) * len(logs)
            count += len(logs)
        return total / max(1, count)

    def _unmoved(self, changed: Collection[str]) -> Iterator[str]:
        """The paths whose modules say what they said, whatever became of these groups."""
        groups = with_ranks(self.model.groups)
        lowest = next((group for group in groups if group.id in changed), None)
        if lowest is None:
            return
        paths = self.stacks[lowest.stack]
        below = paths[: paths.index(lowest.layer_path)]
        yield from below
        if lowest.stack != "decoder":
            return
        for group in groups:
            same = group.id not in changed and ranks_of(group).id not in changed
            if group.id in self.memory and group.layer_path not in below and same:
                yield from self.memory[group.id]


def record(model: SpeechModel, module: PreTrainedModel, clips: Sequence[PreparedClip]) -> Recording:
    """Play clips to a model's modules, or to changed ones, and keep what their layers say.

    Parameters
    ----------
    model : SpeechModel
        Its lock is taken for each clip.
    module : PreTrainedModel
        The model's own modules, or a changed copy of them.
    clips : sequence of PreparedClip
    """
    stacks, memory = _stacks(model), _memory(model)
    paths = chain.from_iterable((*stacks.values(), *memory.values()))
    said: dict[str, list[Any]] = {path: [] for path in paths}
    module = share_modules(module)
    with _kept(module, said):
        for clip in clips:
            with model.lock, torch.inference_mode():
                clip.logits(module)
    return Recording(model, clips, stacks, memory, said)


def _stacks(model: SpeechModel) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for group in model.groups:
        found.setdefault(group.stack, {})[group.layer_path] = None
    stacks = {stack: tuple(paths) for stack, paths in found.items()}
    if model.architecture.decoding == "seq2seq":
        encoder = stacks["encoder"][0].rsplit(".", 2)[0]  # the module that holds the layers
        return {**stacks, "decoder": (encoder, *stacks["decoder"])}
    [front] = [path for path, _ in model.model.named_modules() if path.split(".")[-1] == _FRONT_END]
    return {stack: (front, *paths) for stack, paths in stacks.items()}


def _memory(model: SpeechModel) -> Mapping[str, tuple[str, ...]]:
    return {
        group.id: (group.input_paths["key"], group.input_paths["value"])
        for group in model.groups
        if group.block == "cross_attention"
    }


@contextmanager
def _kept(module: PreTrainedModel, said: Mapping[str, list[Any]]) -> Iterator[None]:
    """Keep what the modules at some paths say."""

    def hook_for(path: str) -> Any:
        def hook(part: nn.Module, arguments: object, output: Any) -> None:
            said[path].append(output)

        return hook

    hooks = [module.get_submodule(path).register_forward_hook(hook_for(path)) for path in said]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
