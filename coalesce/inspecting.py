"""The functions of `coalesce` that look at units: what they hear, where heads look."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import UserError
from analysis.inspection.activity import group_activity, merged_strength, over_time
from analysis.inspection.attention import MEASURES, Patterns, distance_unit
from analysis.inspection.attention import attention as find_attention
from analysis.inspection.attention import head_measures as measure_heads
from analysis.inspection.moments import Hears
from analysis.inspection.moments import moments as find_moments
from analysis.inspection.recordings import Origin, cut_recordings
from analysis.inspection.soundtrack import SECONDS, Soundtrack, find_soundtrack
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.plan.choices import LEVELS, Level
from analysis.speech.audio import Audio, read_audio
from analysis.speech.excitation import calibrate_on, make_excitation, read_recordings
from analysis.speech.languages import language_codes

__all__ = [
    "activity",
    "attention",
    "head_cka",
    "head_measures",
    "moments",
]


def moments(
    model: SpeechModel,
    group: str,
    unit: int | np.integer[Any] | Sequence[int],
    *,
    clips: str | Path | None = None,
    level: Level = "quick",
) -> Hears:
    """What a unit hears: the moments at which it works hardest, and what it answers to.

    Parameters
    ----------
    model : SpeechModel
        The original, or a compressed one.
    group : str
        Id of a unit group, as `groups` gives it.
    unit : int, or sequence of int
        One unit, or the members of a cluster, whose outputs are added up.
    clips : str or Path, optional
        A folder with clips of your own, of which the first five minutes are heard; by default the
        speech that ships with Coalesce.
    level : {"quick", "standard", "thorough"}
        How much of that speech; five minutes at most.

    Returns
    -------
    Hears
        Its `moments` hold the sound; `rows()` is a table.

    Raises
    ------
    UserError
        Where there is no such group or unit.

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-hubert")
    >>> heard = coalesce.moments(model, "encoder.0.ffn", 3)
    >>> len(heard.moments), heard.moments[0].samples.size
    (10, 16000)
    """
    found = _group(model, group)
    units = _units(found, unit)
    soundtrack, origins = _soundtrack(model, clips, level)
    return replace(find_moments(model, soundtrack, found, units), origins=origins)


def activity(
    model: SpeechModel,
    group: str,
    unit: int | np.integer[Any] | Sequence[int],
    clip: str | Path | Audio,
) -> pd.DataFrame:
    """Units side by side on one time axis: how hard each works on a clip, and their mean would.

    Parameters
    ----------
    model : SpeechModel
        The original, or a compressed one.
    group : str
        Id of a unit group, as `groups` gives it.
    unit : int, or sequence of int
        One unit, or the members of a cluster.
    clip : str, Path or Audio
        The model's first window of it is heard.

    Returns
    -------
    DataFrame
        A row per frame or token: "seconds", a column per unit, "together" (the norm of the sum of
        what they write), and of several "merged" (what the unit writes that they become by the
        merge rule "mean", before any refit).

    Raises
    ------
    UserError
        Where there is no such group or unit, or no usable sound.

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-hubert")
    >>> table = coalesce.activity(model, "encoder.0.ffn", [3, 5], coalesce.CLIPS / "set.flac")
    >>> table.columns.tolist()
    ['seconds', 'unit 3', 'unit 5', 'together', 'merged']
    """
    found = _group(model, group)
    units = _units(found, unit)
    soundtrack = _one_clip(model, clip)
    recorded = group_activity(model, soundtrack, found)
    merged = None
    if len(units) > 1:
        [track] = soundtrack.tracks
        merged = merged_strength(model, track, found, units, rule="mean", align_heads=True)
    return over_time(
        recorded.seconds,
        recorded.strengths(units),
        units,
        together=recorded.together(units),
        merged=merged,
    )


def head_cka(
    model: SpeechModel, group: str, *, clips: str | Path | None = None, level: Level = "quick"
) -> pd.DataFrame:
    """How alike the heads of one layer write, each with each.

    Parameters
    ----------
    model : SpeechModel
        The original, or a compressed one.
    group : str
        Id of a group of heads, as `groups` gives it.
    clips : str or Path, optional
        A folder with clips of your own, of which the first five minutes are heard; by default the
        speech that ships with Coalesce.
    level : {"quick", "standard", "thorough"}
        How much of that speech; five minutes at most.

    Returns
    -------
    DataFrame
        Debiased linear CKA; a row and a column per head.

    Raises
    ------
    UserError
        Where there is no such group of heads, or no usable sound.

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-hubert")
    >>> coalesce.head_cka(model, "encoder.0.self_attention").shape
    (6, 6)
    """
    found = _heads(model, group)
    soundtrack, _ = _soundtrack(model, clips, level)
    recorded = group_activity(model, soundtrack, found)
    return pd.DataFrame(recorded.similarities(range(found.n_units)))


def head_measures(model: SpeechModel, *, clips: str | Path | None = None) -> pd.DataFrame:
    """How every head of a model looks: entropy, mean distance, and how near its own place.

    Parameters
    ----------
    model : SpeechModel
    clips : str or Path, optional
        A folder with clips of your own; by default the speech that ships with Coalesce. The first
        minute is heard.

    Returns
    -------
    DataFrame
        A row per head: "group", "head", the columns of `analysis.inspection.attention.MEASURES`,
        which says what they mean, and "distance_in": seconds, or tokens of a decoder's own words.

    Raises
    ------
    UserError
        Where there is no usable sound.

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-hubert")
    >>> coalesce.head_measures(model).columns.tolist()
    ['group', 'head', 'entropy', 'distance', 'diagonality', 'distance_in']
    """
    soundtrack, _ = _soundtrack(model, clips, "quick")
    measured = measure_heads(model, soundtrack)
    return pd.DataFrame(
        [
            {"group": group.id, "head": head}
            | dict(zip(MEASURES, row.tolist(), strict=True))
            | {"distance_in": distance_unit(group)}
            for group in model.groups
            for head, row in enumerate(measured.get(group.id, ()))
        ]
    )


def _soundtrack(
    model: SpeechModel, clips: str | Path | None, level: Level
) -> tuple[Soundtrack, tuple[Origin, ...]]:
    """What is heard: a person's own clips, with their names, or the speech that ships."""
    if level not in LEVELS:
        raise UserError(f"There is no level {level!r}.", f"Choose one of {', '.join(LEVELS)}.")
    if clips is not None:
        own, origins = cut_recordings(read_recordings(clips, SECONDS))
        return find_soundtrack(model, own), origins
    shipped = make_excitation("speech", level=level, languages=language_codes(model))
    return find_soundtrack(model, shipped), ()


def attention(model: SpeechModel, clip: str | Path | Audio, layer: str) -> Patterns:
    """Where the heads of a layer look on a clip.

    Parameters
    ----------
    model : SpeechModel
        The original, or a compressed one.
    clip : str, Path or Audio
        The model's first window of it is heard.
    layer : str
        Id of a group of heads, as `groups` gives it.

    Returns
    -------
    Patterns
        `weights` is (heads, queries, keys), `measures()` entropy, distance and diagonality.

    Raises
    ------
    UserError
        Where there is no such group of heads, or no usable sound.

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-hubert")
    >>> found = coalesce.attention(model, coalesce.CLIPS / "set.flac", "encoder.0.self_attention")
    >>> found.weights.shape[0], found.measures().shape
    (6, (6, 3))
    """
    group = _heads(model, layer)
    return find_attention(model, _one_clip(model, clip).tracks[0], group)


def _group(model: SpeechModel, name: str) -> UnitGroup:
    found = next((group for group in model.groups if group.id == name), None)
    if found is None:
        names = ", ".join(group.id for group in model.groups)
        raise UserError(f"{model.name} has no group {name}.", f"Its groups are {names}.")
    return found


def _heads(model: SpeechModel, name: str) -> UnitGroup:
    found = _group(model, name)
    if found.component != "heads":
        raise UserError(f"{name} has no heads.", "Name a group whose units are heads.")
    return found


def _units(group: UnitGroup, unit: int | np.integer[Any] | Sequence[int]) -> list[int]:
    units = [unit] if isinstance(unit, int | np.integer) else list(unit)
    if not units:
        raise UserError("No unit was given.", "Give the number of one, or several.")
    if not all(isinstance(one, int | np.integer) and not isinstance(one, bool) for one in units):
        raise UserError(f"{unit!r} names no units.", "Give whole numbers.")
    units = [int(one) for one in dict.fromkeys(units)]
    if not all(0 <= one < group.n_units for one in units):
        raise UserError(f"{group.id} has no such unit.", f"Its units are 0 to {group.n_units - 1}.")
    return units


def _one_clip(model: SpeechModel, clip: str | Path | Audio) -> Soundtrack:
    """What is heard: the model's first window of one clip."""
    sound = clip if isinstance(clip, Audio) else read_audio(clip)
    return find_soundtrack(model, calibrate_on([sound]))
