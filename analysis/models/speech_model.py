"""A model that is loaded and read-only, with all that the parts of Coalesce ask of it."""

import hashlib
import json
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import PretrainedConfig, PreTrainedModel, ProcessorMixin

from analysis.models.architectures import Architecture
from analysis.models.unit_groups import UnitGroup, locate_groups, with_ranks
from analysis.plan.choices import RANKS
from analysis.plan.compression_plan import CompressionPlan, Origin
from analysis.plan.health import Health
from analysis.plan.training_record import TrainingRecord

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


_SAYS_NOTHING = frozenset(
    ("_name_or_path", "transformers_version", "architectures", "auto_map", "dtype", "torch_dtype")
)
"""Fields of a configuration that change nothing that a model says; the dtype is looked at apart."""


def dtype_name(dtype: torch.dtype) -> str:
    """What people call a dtype, e.g. "float16"."""
    return str(dtype).removeprefix("torch.")


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class SpeechModel:
    """A speech recogniser, shared by all who use it and never changed.

    Parameters
    ----------
    model : PreTrainedModel
        In evaluation mode, without gradients.
    processor : ProcessorMixin
        Its feature extractor and tokenizer.
    architecture : Architecture
        The family.
    name : str
        For people.
    source : str
        What `load` was given: a demo's name, an absolute folder, a hub id.
    revision : str or None
        Commit of the hub id.
    weight_hash : str
        SHA-256 over the tensors as they are stored, hexadecimal; of a model that was compressed
        here, as they would be stored.
    plan : CompressionPlan or None
        The recipe, if this is a compressed model.
    earlier_plans : tuple of CompressionPlan
        Where a compressed model was compressed again: the recipes before `plan`, first one first.
    training : tuple of TrainingRecord
        Training that it went through here, first run first.
    health : Health or None
        Of a compressed model that was checked: how far it is from its original.
    licence : str or None
        Of the weights, where their source states one, e.g. "apache-2.0".
    stored_dtype : torch.dtype or None
        In which most of the weights were stored; None where they are to be saved as they lie in
        memory.
    notes : tuple of str
        Sentences on what its checkpoint stores and Coalesce does not use.
    companions : tuple of Path
        Files and folders beside the weights that belong to the model and are saved with it.
    lock : threading.Lock
        Held while the model infers.
    """

    model: PreTrainedModel
    processor: ProcessorMixin
    architecture: Architecture
    name: str
    source: str
    revision: str | None
    weight_hash: str
    plan: CompressionPlan | None = None
    earlier_plans: tuple[CompressionPlan, ...] = ()
    training: tuple[TrainingRecord, ...] = ()
    health: Health | None = None
    licence: str | None = None
    stored_dtype: torch.dtype | None = None
    notes: tuple[str, ...] = ()
    companions: tuple[Path, ...] = ()
    lock: threading.Lock = field(default_factory=threading.Lock)
    _groups: list[tuple[UnitGroup, ...]] = field(default_factory=list, init=False, repr=False)
    _configuration: list[str] = field(default_factory=list, init=False, repr=False)

    @property
    def groups(self) -> tuple[UnitGroup, ...]:
        """All unit groups, in the order in which a signal passes them; located once.

        Raises
        ------
        UserError
            When a layer has no units left, or its shapes contradict each other.
        """
        if not self._groups:
            self._groups.append(locate_groups(self.model, self.architecture))
        return self._groups[0]

    def groups_for(self, components: Collection[str]) -> tuple[UnitGroup, ...]:
        """The groups that a plan names: all, and the ranks of heads where it removes some."""
        return with_ranks(self.groups) if RANKS in components else self.groups

    def check_plan(self, plan: CompressionPlan) -> None:
        """Refuse a plan that was made for another model.

        Raises
        ------
        UserError
        """
        groups = self.groups_for(plan.recipe.components)
        plan.validate_for({group.id: group.n_units for group in groups}, self.weight_hash)

    @property
    def origin(self) -> Origin:
        """Which weights these are, for plans."""
        return Origin(model=self.source, weight_hash=self.weight_hash, revision=self.revision)

    @property
    def configuration(self) -> str:
        """What the model does with its numbers, as JSON: its configuration, but for mere names.

        It is read once.
        """
        if not self._configuration:
            values = self.model.config.to_diff_dict()
            told = {name: value for name, value in values.items() if name not in _SAYS_NOTHING}
            self._configuration.append(json.dumps(told, sort_keys=True, default=str))
        return self._configuration[0]

    @property
    def cache_name(self) -> str:
        """What is measured of a model is kept under this name: weights and configuration decide."""
        digest = hashlib.sha256(self.configuration.encode()).hexdigest()
        return f"{self.weight_hash}-{digest[:12]}"

    @property
    def lineage(self) -> tuple[CompressionPlan, ...]:
        """All recipes that made this model, in the order in which they were applied."""
        return (*self.earlier_plans, self.plan) if self.plan is not None else ()

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return self.model.dtype

    @property
    def saved_dtype(self) -> torch.dtype:
        """Of the weights once they are saved, unless another is asked for."""
        return self.stored_dtype or self.dtype

    @property
    def config(self) -> PretrainedConfig:
        """The model's configuration."""
        return self.model.config


def available_devices() -> tuple[str, ...]:
    """Devices that this machine has: "cpu", and "cuda" and "mps" where present."""
    devices = ["cpu"]
    if torch.cuda.is_available():
        devices.append("cuda")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return tuple(devices)


def default_dtype(device: str) -> str:
    """float16 on CUDA, float32 elsewhere, where half precision is slow or incomplete."""
    return "float16" if device == "cuda" else "float32"
