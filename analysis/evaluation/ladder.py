"""What a model writes while ever more of it is taken away, by merging and by pruning.

A slider shows these words at once because they were made beforehand: every rung is a compressed
model that heard the clip. The words are kept on disk by weights, plan and clip.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from analysis.cache import cache_folder, cached
from analysis.compression.compress import compress
from analysis.compression.planner import Planner
from analysis.models.footprint import Footprint, footprint, predict_footprint
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import MANUAL
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe, complete
from analysis.progress import UNWATCHED, Watch
from analysis.speech.audio import Audio
from analysis.speech.recognition import configuration
from analysis.speech.transcription import TranscriptionOptions, transcribe

Side = Literal["original", "merged", "pruned"]

SIDES: tuple[Side, ...] = get_args(Side)
"""The model itself, its units merged, and as many pruned by magnitude in every group."""

RECIPE = complete(method="cluster", distance="weights", allocation="distortion")
"""How units are merged: by weights alone, the cheapest merges first. It takes a second or two.

On the bundled clips it is the recipe whose words stay longest beside those of magnitude pruning.
"""

PERCENTS = tuple(range(0, 80, 10))
"""The rungs: nominal sparsities in per cent."""

_AS_IT_COMES = TranscriptionOptions(warm_up=False)  # nothing is timed


@dataclass(frozen=True, slots=True)
class Heard:
    """What one model made of a clip, and how large that model is.

    Parameters
    ----------
    text : str
    parameters : int
        Unique parameters of the model.
    macs : float
        Multiply-accumulates per second of audio.
    """

    text: str
    parameters: int
    macs: float


class Ladder:
    """The rungs of one model; compressed models are kept as long as the ladder is.

    Parameters
    ----------
    model : SpeechModel
        The original.
    recipe : Recipe
        Of the merged side; its sparsity is that of the rung.
    """

    def __init__(self, model: SpeechModel, recipe: Recipe = RECIPE) -> None:
        self._model = model
        self._recipe = recipe
        self._planner = Planner(model)
        self._models: dict[str, SpeechModel] = {}
        self._base: Footprint | None = None

    def hear(self, audio: Audio, percent: int, side: Side, *, watch: Watch = UNWATCHED) -> Heard:
        """The words of one rung: from disk where they were kept, else made and kept.

        Parameters
        ----------
        audio : Audio
        percent : int
            Nominal sparsity in per cent; without a meaning for the original.
        side : {"original", "merged", "pruned"}
            Pruned models keep as many units in every group as the merged one.
        watch : Watch
            Of the merge trees and of long audio.

        Returns
        -------
        Heard

        Raises
        ------
        UserError
            Where the recipe does not fit the model, or the model cannot hear.
        Cancelled
        """
        plan = self._plan(percent, side, watch)

        def make() -> Mapping[str, np.ndarray]:
            written = transcribe(self._built(plan), audio, _AS_IT_COMES, watch=watch)
            return {"text": np.frombuffer(written.text.encode(), np.uint8)}

        kept = cached(self._path(audio, plan), {"text": (None,)}, make, watch)
        size = self._size(plan)
        return Heard(kept["text"].tobytes().decode(), size.parameters, size.macs)

    def _plan(self, percent: int, side: Side, watch: Watch) -> CompressionPlan | None:
        """The plan of a rung; pruning takes over the K that was chosen for merging."""
        if side == "original":
            return None
        recipe = self._recipe.changed(sparsity=percent / 100)
        plan = self._planner.prepare(recipe, watch=watch).plan
        if side == "merged":
            return plan
        pruning = complete(method="magnitude", allocation=MANUAL, sparsity=recipe.sparsity)
        return plan.changed(recipe=pruning, excitation_hash=None)

    def _built(self, plan: CompressionPlan | None) -> SpeechModel:
        if plan is None:
            return self._model
        if plan.identity not in self._models:
            self._models[plan.identity] = compress(self._model, plan).model
        return self._models[plan.identity]

    def _size(self, plan: CompressionPlan | None) -> Footprint:
        self._base = self._base or footprint(self._model)
        if plan is None:
            return self._base
        return predict_footprint(self._model, self._base, plan.n_clusters)

    def _path(self, audio: Audio, plan: CompressionPlan | None) -> Path:
        """By all that changes the words: weights, their dtype, device, settings, plan, samples."""
        model = self._model
        digest = hashlib.sha256(plan.identity.encode() if plan else b"original")
        digest.update(configuration(model).encode())
        digest.update(audio.samples.tobytes())
        lies = f"{model.device.type}-{model.dtype}".replace("torch.", "")
        folder = cache_folder("transcripts") / model.cache_name / lies
        return folder / f"{digest.hexdigest()}.npz"
