"""The functions of `coalesce` that look into a model: what units hear, where heads look, drift."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import UserError
from analysis.evaluation.drift import Drift, measure_drift
from analysis.inspection.attention import MEASURES, Patterns
from analysis.inspection.attention import attention as find_attention
from analysis.inspection.attention import head_measures as measure_heads
from analysis.inspection.moments import Hears
from analysis.inspection.moments import moments as find_moments
from analysis.inspection.soundtrack import Soundtrack, find_soundtrack
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.plan.choices import LEVELS, Level
from analysis.speech.audio import Audio, read_audio
from analysis.speech.excitation import calibrate_on, make_excitation, read_calibration
from analysis.speech.languages import language_codes

__all__ = ["attention", "cka", "drift", "head_measures", "moments"]


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
        A folder with clips of your own; by default the speech that ships with Coalesce.
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
    units = [int(unit)] if isinstance(unit, int | np.integer) else list(unit)
    if level not in LEVELS:
        raise UserError(f"There is no level {level!r}.", f"Choose one of {', '.join(LEVELS)}.")
    if not units:
        raise UserError("No unit was given.", "Give the number of one, or several.")
    if not all(0 <= one < found.n_units for one in units):
        raise UserError(f"{group} has no such unit.", f"Its units are 0 to {found.n_units - 1}.")
    return find_moments(model, _soundtrack(model, clips, level), found, units)


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
        A row per head: "group", "head", and the columns of
        `analysis.inspection.attention.MEASURES`, which says what they mean.

    Raises
    ------
    UserError
        Where there is no usable sound.

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-hubert")
    >>> coalesce.head_measures(model).columns.tolist()
    ['group', 'head', 'entropy', 'distance', 'diagonality']
    """
    measured = measure_heads(model, _soundtrack(model, clips, "quick"))
    return pd.DataFrame(
        [
            {"group": group, "head": head} | dict(zip(MEASURES, row.tolist(), strict=True))
            for group, rows in measured.items()
            for head, row in enumerate(rows)
        ]
    )


def _soundtrack(model: SpeechModel, clips: str | Path | None, level: Level) -> Soundtrack:
    """What is heard: a person's own clips, or the speech that ships."""
    heard = (
        read_calibration(clips)
        if clips is not None
        else make_excitation("speech", level=level, languages=language_codes(model))
    )
    return find_soundtrack(model, heard)


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
    group = _group(model, layer)
    if group.component != "heads":
        raise UserError(f"{layer} has no heads.", "Name a group whose units are heads.")
    sound = clip if isinstance(clip, Audio) else read_audio(clip)
    return find_attention(model, find_soundtrack(model, calibrate_on([sound])).tracks[0], group)


def cka(
    first: SpeechModel, second: SpeechModel, clip: str | Path | Audio
) -> dict[str, tuple[tuple[float, ...], ...]]:
    """How alike the layers of two models lie on a clip, each with each.

    Parameters
    ----------
    first, second : SpeechModel
        Two that read the same tokens, for instance an original and a variant of it; both decoders
        are given the first one's words.
    clip : str, Path or Audio

    Returns
    -------
    dict of str to tuple of tuple of float
        Debiased linear CKA by stack; a row per layer of the first model.

    Raises
    ------
    UserError
        Where there is no usable sound, or the models' layers have no states of one shape.

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-hubert")
    >>> rows = coalesce.cka(model, model, coalesce.CLIPS / "set.flac")["encoder"]
    >>> round(rows[0][0], 3), rows[0][1] < 1
    (1.0, True)
    """
    return dict(drift(first, second, clip).similarities)


def drift(original: SpeechModel, variant: SpeechModel, clip: str | Path | Audio) -> Drift:
    """How far each layer's hidden states move from one model to another on a clip.

    Parameters
    ----------
    original, variant : SpeechModel
        Two that read the same tokens and have layers of one shape; both decoders are given the
        first one's words.
    clip : str, Path or Audio

    Returns
    -------
    Drift
        Its `layers` hold relative error and CKA; `gains()` says which layers amplify a disturbance
        and which absorb it.

    Raises
    ------
    UserError
        Where there is no usable sound, or the models' layers have no states of one shape.

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-hubert")
    >>> found = coalesce.drift(model, model, coalesce.CLIPS / "set.flac")
    >>> max(layer.relative_error for layer in found.layers)
    0.0
    """
    sound = clip if isinstance(clip, Audio) else read_audio(clip)
    [found] = measure_drift(original, [variant], sound)
    return found


def _group(model: SpeechModel, name: str) -> UnitGroup:
    found = next((group for group in model.groups if group.id == name), None)
    if found is None:
        names = ", ".join(group.id for group in model.groups)
        raise UserError(f"{model.name} has no group {name}.", f"Its groups are {names}.")
    return found
