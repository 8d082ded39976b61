"""The moments at which a unit or a cluster works hardest, and what it answers to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.cache import cached
from analysis.clustering.listening import statistics_folder
from analysis.inspection.activity import group_activity
from analysis.inspection.answers import Answer, Features, find_features
from analysis.inspection.recordings import Origin
from analysis.inspection.soundtrack import Soundtrack
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.progress import UNWATCHED, Watch
from analysis.speech.audio import SAMPLING_RATE, Samples
from analysis.speech.recognition import Word

MOST_MOMENTS = 10
"""That are kept of each unit."""

SNIPPET_SECONDS = 1.0
"""Of sound around a moment; two moments of a clip are at least as far apart."""

QUANTILES = (0.5, 0.9, 0.99, 1.0)
"""Of a unit's activity over all positions, that are kept."""

_CANDIDATES = 3 * MOST_MOMENTS  # a moment rules out two neighbouring seconds at most


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A moment at which units work hard.

    Parameters
    ----------
    clip : int
        Of the soundtrack: a window, which may hold several clips of the excitation.
    seconds : float
        Within the window.
    value : float
        The norm of what the units write there, in the unit of the residual stream.
    samples : ndarray of float32, (n,)
        About a second of sound around it.
    start : float
        Where the snippet begins within the window, in seconds.
    words : tuple of Word
        The model's own words that are said in the snippet.
    read, written : str
        Of a decoder: the word that it reads there ("" at the start), and the one that it writes
        next ("" at the end).
    source : int
        The clip of the excitation that sounds there.
    source_seconds : float
        The moment within that clip.
    """

    clip: int
    seconds: float
    value: float
    samples: Samples
    start: float
    words: tuple[Word, ...]
    read: str = ""
    written: str = ""
    source: int = 0
    source_seconds: float = 0.0

    def place(self, origins: Sequence[Origin]) -> tuple[str, float]:
        """The recording that sounds there, and the second in it.

        Parameters
        ----------
        origins : sequence of Origin
            Of the clips of the excitation.
        """
        origin = origins[self.source]
        return origin.name, origin.seconds + self.source_seconds


@dataclass(frozen=True, slots=True, eq=False)
class Hears:
    """What a unit or a cluster hears.

    Parameters
    ----------
    moments : tuple of Moment
        The hardest first; at most `MOST_MOMENTS`, none where it never works.
    answer : Answer or None
        What it answers to, where that is clear.
    quantiles : tuple of float
        Its activity at `QUANTILES`.
    n_positions : int
        Frames or tokens that were heard.
    origins : tuple of Origin
        Of the clips of the excitation, where those were cut from a person's recordings.
    """

    moments: tuple[Moment, ...]
    answer: Answer | None
    quantiles: tuple[float, ...]
    n_positions: int
    origins: tuple[Origin, ...] = ()

    def rows(self) -> list[dict[str, object]]:
        """A row per moment, for a table."""
        return [
            {
                "rank": rank,
                "clip": moment.clip,
                "seconds": round(moment.seconds, 3),
                **self._recorded(moment),
                "activity": moment.value,
                "words": " ".join(word.text for word in moment.words),
                "reads": moment.read,
                "writes": moment.written,
            }
            for rank, moment in enumerate(self.moments, start=1)
        ]

    def _recorded(self, moment: Moment) -> dict[str, object]:
        if not self.origins:
            return {}
        name, seconds = moment.place(self.origins)
        return {"recording": name, "recording_seconds": round(seconds, 3)}


def moments(
    model: SpeechModel,
    soundtrack: Soundtrack,
    group: UnitGroup,
    units: Sequence[int] | np.ndarray,
    *,
    watch: Watch = UNWATCHED,
) -> Hears:
    """What a unit hears, or several together, from disk where the group was looked at before.

    Parameters
    ----------
    model : SpeechModel
        Waited for while another thread uses it; stays as it is.
    soundtrack : Soundtrack
        Of this model.
    group : UnitGroup
        Of heads or channels.
    units : sequence of int
        One unit, or the members of a cluster, whose outputs are added up.
    watch : Watch
        Reports clips, where the group is heard for the first time.

    Returns
    -------
    Hears

    Raises
    ------
    Cancelled
    """
    features = find_features(soundtrack, group.stack)
    if len(units) == 1:
        index = _index(model, soundtrack, group, features, watch)
        own = {name: values[int(units[0])] for name, values in index.items()}
    else:
        activity = group_activity(model, soundtrack, group, watch=watch)
        together = activity.together(units)[:, None]
        own = {
            name: values[0]
            for name, values in _measure(together, soundtrack, group, features).items()
        }
    found = [
        _moment(soundtrack, group, int(place), float(value))
        for place, value in zip(own["places"], own["values"], strict=True)
        if place >= 0
    ]
    quantiles = tuple(float(value) for value in own["quantiles"])
    n_positions = len(soundtrack.seconds(group.stack))
    return Hears(tuple(found), features.answer(own["correlations"]), quantiles, n_positions)


def answers(
    model: SpeechModel,
    soundtrack: Soundtrack,
    group: UnitGroup,
    *,
    watch: Watch = UNWATCHED,
) -> tuple[Answer | None, ...]:
    """What each unit of a group answers to; None where it is not clear.

    Parameters
    ----------
    model, soundtrack, group, watch
        See `moments`.
    """
    features = find_features(soundtrack, group.stack)
    index = _index(model, soundtrack, group, features, watch)
    return tuple(features.answer(own) for own in index["correlations"])


def hardest(strengths: np.ndarray, clips: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """The positions at which each unit works hardest, distinct moments only.

    Parameters
    ----------
    strengths : ndarray, (positions, units)
        Not negative.
    clips : ndarray of int, (positions,)
        Ascending.
    seconds : ndarray, (positions,)
        Within the clip, ascending in each.

    Returns
    -------
    ndarray of int64, (units, `MOST_MOMENTS`)
        The hardest first; -1 where there are no more. Two of one clip are at least
        `SNIPPET_SECONDS` apart, and the unit works at each.
    """
    blocks = np.floor(seconds / SNIPPET_SECONDS)
    begins = np.flatnonzero(np.diff(clips, prepend=-1) | (np.diff(blocks, prepend=-1) != 0))
    ends = [*begins[1:], len(strengths)]
    peaks = np.stack(
        [
            start + strengths[start:end].argmax(axis=0)
            for start, end in zip(begins, ends, strict=True)
        ]
    )
    heights = np.take_along_axis(strengths, peaks, axis=0)
    order = np.argsort(-heights, axis=0, kind="stable")[:_CANDIDATES]
    peaks = np.take_along_axis(peaks, order, axis=0).T
    works = np.take_along_axis(heights, order, axis=0).T > 0
    kept = np.zeros_like(works)
    for place in range(peaks.shape[1]):
        own = peaks[:, place : place + 1]
        before = peaks[:, :place]
        near = np.abs(seconds[before] - seconds[own]) < SNIPPET_SECONDS
        taken = (near & (clips[before] == clips[own]) & kept[:, :place]).any(axis=1)
        kept[:, place] = works[:, place] & ~taken
    chosen = np.full((len(peaks), MOST_MOMENTS), -1, np.int64)
    turn = np.cumsum(kept, axis=1) - 1
    units, ranks = np.nonzero(kept & (turn < MOST_MOMENTS))
    chosen[units, turn[units, ranks]] = peaks[units, ranks]
    return chosen


def _index(
    model: SpeechModel,
    soundtrack: Soundtrack,
    group: UnitGroup,
    features: Features,
    watch: Watch,
) -> Mapping[str, np.ndarray]:
    """What is kept of every unit of a group: `places`, `values`, `quantiles`, `correlations`."""

    def make() -> Mapping[str, np.ndarray]:
        activity = group_activity(model, soundtrack, group, watch=watch)
        strengths = activity.strengths(range(group.n_units))
        return _measure(strengths, soundtrack, group, features)

    shapes = {
        "places": (group.n_units, MOST_MOMENTS),
        "values": (group.n_units, MOST_MOMENTS),
        "quantiles": (group.n_units, len(QUANTILES)),
        "correlations": (group.n_units, len(features.names)),
    }
    folder = statistics_folder(model, soundtrack.excitation)
    return cached(folder / f"moments.{group.id}.npz", shapes, make, watch)


def _measure(
    strengths: np.ndarray, soundtrack: Soundtrack, group: UnitGroup, features: Features
) -> dict[str, np.ndarray]:
    """As `_index`, of any activity: (positions, units)."""
    places = hardest(strengths, soundtrack.clips(group.stack), soundtrack.seconds(group.stack))
    values = np.take_along_axis(strengths.T, places.clip(min=0), axis=1)
    return {
        "places": places.astype(np.int32),
        "values": values,
        "quantiles": np.quantile(strengths, QUANTILES, axis=0).T.astype(np.float32),
        "correlations": features.correlations(strengths),
    }


def _moment(soundtrack: Soundtrack, group: UnitGroup, place: int, value: float) -> Moment:
    """Cut the sound around a position out of its clip."""
    clip = int(soundtrack.clips(group.stack)[place])
    track = soundtrack.tracks[clip]
    seconds = track.seconds(group.stack)
    own = place - int(np.searchsorted(soundtrack.clips(group.stack), clip))
    at, length = float(seconds[own]), len(track.clip.samples) / SAMPLING_RATE
    start = max(0.0, min(at - SNIPPET_SECONDS / 2, length - SNIPPET_SECONDS))
    stop = min(length, start + SNIPPET_SECONDS)
    samples = track.clip.samples[round(start * SAMPLING_RATE) : round(stop * SAMPLING_RATE)]
    says = group.stack == "decoder"
    return Moment(
        clip,
        at,
        value,
        samples,
        start,
        track.words_within(start, stop),
        track.read[own] if says else "",
        track.written[own] if says else "",
        *track.clip.origin(at),
    )
