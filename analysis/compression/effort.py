"""How long a recipe listens to a model before anything can be compressed, told beforehand.

The work of each stage is counted in multiply-accumulates: those of the model per second of audio
times the seconds of sound, and powers of the widths of the groups. How many of them this machine
does in a second is timed once, on a product of matrices. How many times longer each kind of work
takes was fitted: see `SLOWER`.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from analysis.cache import is_kept
from analysis.clustering import influence
from analysis.clustering.listening import MOST_BATCH, SHARED_FROM, statistics_folder
from analysis.clustering.unit_space import UnitSpace
from analysis.compression import sensitivity
from analysis.compression.divergence import CHECK_SECONDS
from analysis.compression.swaps import STEPS, may_trade
from analysis.models.footprint import TOKENS_PER_SECOND, Footprint
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.plan.choices import END_TO_END, INFLUENCE, LISTENING, RANKS, SURGEON
from analysis.plan.recipe import Recipe
from analysis.speech.excitation import Excitation, shipped_seconds
from analysis.speech.languages import language_codes

SLOWER: dict[str, float] = {
    "encoder": 0.6,
    "decoder": 2.6,
    "writing": 15.0,
    "squares": 0.9,
    "cubes": 22.0,
}
"""Kinds of work → how many times longer a multiply-accumulate takes than in a product of matrices.

Passes through an encoder, and through a decoder that is given its words; writing words one by one;
statistics of pairs of units; what is cubic in the units. Fitted, with `BLOCK_SECONDS`, by
``python -m benchmarks.effort``, which says how: to the two demo models and Whisper tiny.en at the
level "quick", on one core of a CPU. The sum of a model's stages was then within 35 % of what was
measured. No GPU had a part in it: there, expect no more than the order of magnitude.
"""

BLOCK_SECONDS = 7e-4
"""That each pass through a block takes besides, however small it is."""

WORTH_SAYING = 5.0
"""Seconds: below, nobody needs to be told."""

# How many times longer a pass takes for a model that learns. Six runs of the two demo models on two
# cores took half to twice as long as is foreseen with it.
_LEARNING = 2.4

_CLIP_SECONDS = 4.0  # of a clip that ships with Coalesce, in the mean
_FRAMES_PER_SECOND = 50


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the work.

    Parameters
    ----------
    name : str
    work : mapping of str to float
        Multiply-accumulates by their kind, a key of `SLOWER`.
    blocks : float
        Passes through a block.
    kept : bool
        Whether its result lies on disk, so that it takes no time.
    """

    name: str
    work: Mapping[str, float]
    blocks: float
    kept: bool

    def seconds(self, rate: float) -> float:
        """How long it takes where `rate` multiply-accumulates are done in a second."""
        computed = sum(SLOWER[kind] * amount for kind, amount in self.work.items()) / rate
        return computed + BLOCK_SECONDS * self.blocks


def listening_seconds(
    model: SpeechModel, cost: Footprint, recipe: Recipe, heard: Excitation | None = None
) -> float:
    """Foreseen seconds until the recipe's trees are there, and with them every sparsity.

    Parameters
    ----------
    model : SpeechModel
    cost : Footprint
        Of the model.
    recipe : Recipe
        One that does not listen is not foreseen: 0.
    heard : Excitation, optional
        The sound behind the recipe's excitation: what was measured on it before is free. Without
        it, the speech of the recipe's level, and nothing was measured before.

    Returns
    -------
    float
    """
    rate = machine_rate(model.device)
    return sum(s.seconds(rate) for s in stages(model, cost, recipe, heard) if not s.kept)


def trading_seconds(model: SpeechModel, cost: Footprint, recipe: Recipe) -> float:
    """Foreseen seconds of the trades that a recipe may make; 0 for one that makes none.

    They are twice as long as what is foreseen, or half, as trades stand or not; where little would
    be gained by them (`analysis.compression.swaps.WORTH_TRADING`), they take no time.

    Parameters
    ----------
    model : SpeechModel
    cost : Footprint
        Of the model.
    recipe : Recipe
    """
    if not (recipe.swaps and may_trade(model)):
        return 0.0
    groups = model.groups_for(recipe.components)
    work, blocks = _taken_away(model, cost, CHECK_SECONDS, groups)
    rounds = Stage("trades", work, blocks, kept=False)
    return len(STEPS) * rounds.seconds(machine_rate(model.device))


def transcription_seconds(model: SpeechModel, cost: Footprint, sound: float) -> float:
    """Foreseen seconds until a model has written down some seconds of sound, clip by clip.

    Parameters
    ----------
    model : SpeechModel
    cost : Footprint
        Of the model.
    sound : float
        Seconds.
    """
    written, blocks = _written(model, cost, sound)
    if not written:  # a CTC model writes in the pass in which it hears
        written, blocks = _played(model, cost, sound)
    return Stage("words", written, blocks, kept=False).seconds(machine_rate(model.device))


def training_seconds(
    model: SpeechModel, cost: Footprint, n_clips: float, sound: float, *, taught: bool
) -> float:
    """Foreseen seconds of training on some clips once; going back takes twice as long as forth.

    Parameters
    ----------
    model : SpeechModel
    cost : Footprint
        Of the model.
    n_clips : float
        Each is a window of its own.
    sound : float
        Seconds of all clips together.
    taught : bool
        Whether a teacher of the same size hears them, too.
    """
    heard = n_clips * _pass_seconds(model) if model.architecture.decoding == "seq2seq" else sound
    work = {"encoder": cost.encoder_macs * heard, "decoder": cost.decoder_macs * sound}
    runs = 4 if taught else 3
    once = Stage("training", work, 0, kept=False)  # a block takes a whole batch at once
    return _LEARNING * runs * once.seconds(machine_rate(model.device))


def stages(
    model: SpeechModel, cost: Footprint, recipe: Recipe, heard: Excitation | None = None
) -> list[Stage]:
    """The parts of the work, in their order; see `listening_seconds`."""
    if not recipe.listens:
        return []
    sound = heard.seconds if heard else shipped_seconds(recipe.level, language_codes(model))
    groups = model.groups
    cubes = sum(float(_width(group)) ** 3 for group in groups)
    squares = sum(_width(group) ** 2 * _positions_per_second(group) for group in groups)
    folder = statistics_folder(model, heard) if heard else None
    found = [Stage("words", *_written(model, cost, sound), _lies(folder, "tokens.npz"))]
    played, blocks = _played(model, cost, sound)
    if recipe.distance == INFLUENCE:  # the run that goes back serves the units, too
        back, back_blocks = _played(model, cost, min(sound, influence.SECONDS))
        played = {kind: amount + 2 * back[kind] for kind, amount in played.items()}
        blocks += 2 * back_blocks
    kept = all(_lies(folder, f"{group.id}.npz") for group in groups)
    if recipe.distance == INFLUENCE:
        kept = kept and _lies(folder, "influence.npz")
    work = played | {"squares": squares * sound, "cubes": cubes}
    found.append(Stage("units", work, blocks, kept))
    ordered = recipe.method == SURGEON or recipe.allocation == END_TO_END
    if recipe.distance in LISTENING and ordered:
        space = UnitSpace.of(recipe, heard)
        there = heard is not None and all(is_kept(space.order_path(model, g)) for g in groups)
        found.append(Stage("orders", {"cubes": cubes}, 0, there))
    if recipe.allocation == END_TO_END:
        there = _lies(folder, "sensitivity.npz")
        sound = CHECK_SECONDS
        found.append(Stage("words", *_written(model, cost, sound), there))
        found.append(Stage("worth", *_taken_away(model, cost, sound, model.groups), there))
        if RANKS in recipe.components:
            there = _lies(folder, "sensitivity-ranks.npz")
            ranks = [group for group in model.groups_for(recipe.components) if group.inside]
            found.append(Stage("worth of ranks", *_taken_away(model, cost, sound, ranks), there))
    return found


def _played(model: SpeechModel, cost: Footprint, sound: float) -> tuple[dict[str, float], float]:
    """Multiply-accumulates and blocks of the model on some seconds of sound, once."""
    passes = _passes(model, sound)
    encoder = cost.encoder_macs * passes * _pass_seconds(model)
    return {"encoder": encoder, "decoder": cost.decoder_macs * sound}, passes * len(model.groups)


def _written(model: SpeechModel, cost: Footprint, sound: float) -> tuple[dict[str, float], float]:
    """The same until a decoder has written down what it hears."""
    if model.architecture.decoding != "seq2seq":
        return {}, 0.0
    played, _ = _played(model, cost, sound)
    steps = sound * TOKENS_PER_SECOND / MOST_BATCH
    blocks = steps * sum(group.stack == "decoder" for group in model.groups)
    return {"encoder": played["encoder"], "writing": played["decoder"]}, blocks


def _taken_away(
    model: SpeechModel, cost: Footprint, sound: float, groups: Sequence[UnitGroup]
) -> tuple[dict[str, float], float]:
    """The same for units of one group after the other; what lies below it is not computed anew.

    That is half of its stack in the mean, and for a group of a decoder all of the encoder.
    """
    played, blocks = _played(model, cost, sound)
    runs = {"encoder": 0, "decoder": 0}
    for group in groups:
        runs[group.stack] += len(sensitivity.measured_points(group.n_units))
    work = {
        "encoder": runs["encoder"] * played["encoder"] / 2,
        "decoder": (runs["encoder"] + runs["decoder"] / 2) * played["decoder"],
    }
    return work, blocks * sum(runs.values()) / 2


def _passes(model: SpeechModel, sound: float) -> float:
    """Runs of the model that some seconds of sound take."""
    length = _pass_seconds(model)
    return sound / (length if length >= SHARED_FROM else min(length, _CLIP_SECONDS))


def _pass_seconds(model: SpeechModel) -> float:
    """Seconds of sound that one run is charged for: a window, or a clip of a CTC model."""
    if model.architecture.decoding != "seq2seq":
        return _CLIP_SECONDS
    return float(model.processor.feature_extractor.chunk_length)


def _width(group: UnitGroup) -> int:
    """Inputs of the group's output projection."""
    return group.n_units * group.rows


def _positions_per_second(group: UnitGroup) -> float:
    return _FRAMES_PER_SECOND if group.stack == "encoder" else TOKENS_PER_SECOND


def _lies(folder: Path | None, name: str) -> bool:
    return folder is not None and is_kept(folder / name)


_best_rates: dict[torch.device, float] = {}


def machine_rate(device: torch.device) -> float:
    """Multiply-accumulates in float32 that a GPU, or one core of a CPU, does in a second.

    It is timed at every call, and the best so far counts: a product that had to share the machine
    with other work tells too little. Most of the work gains little from more cores, so they are not
    counted on.
    """
    a, b = torch.ones(512, 1024, device=device), torch.ones(1024, 1024, device=device)

    def once() -> float:
        began = time.perf_counter()
        float((a @ b)[0, 0])  # waits for the device
        return time.perf_counter() - began

    cores = torch.get_num_threads() if device.type == "cpu" else 1
    tries = 2 if device in _best_rates else 8
    rate = 512 * 1024 * 1024 / min(once() for _ in range(tries)) / cores
    _best_rates[device] = max(rate, _best_rates.get(device, 0.0))
    return _best_rates[device]


def about(seconds: float) -> str:
    """A foreseen duration, no finer than it is known.

    Examples
    --------
    >>> about(1.2), about(7), about(38), about(95), about(1300), about(9000)
    ('a few seconds', 'about 10 s', 'about 40 s', 'about 2 min', 'about 20 min', 'about 2 h')
    """
    if seconds < WORTH_SAYING:
        return "a few seconds"
    if seconds < 55:
        return f"about {10 * max(1, round(seconds / 10))} s"
    minutes = seconds / 60
    if minutes < 9.5:
        return f"about {max(1, round(minutes))} min"
    if minutes < 55:
        return f"about {10 * round(minutes / 10)} min"
    return f"about {max(1, round(minutes / 60))} h"
