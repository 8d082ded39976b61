"""A person's own recordings to look at units on, and the way back to their names and times."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.errors import UserError
from analysis.inspection.soundtrack import SECONDS
from analysis.speech.audio import MIN_SECONDS, SAMPLING_RATE, Audio, Samples
from analysis.speech.excitation import MOST_CLIP_SECONDS, Excitation
from analysis.speech.windows import quiet_windows


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a clip was cut from.

    Parameters
    ----------
    name : str
        Of the recording.
    seconds : float
        Where the clip begins in it.
    """

    name: str
    seconds: float


def cut_recordings(audios: Sequence[Audio]) -> tuple[Excitation, tuple[Origin, ...]]:
    """Recordings as clips that fit a model's window; of all, the first five minutes.

    Parameters
    ----------
    audios : sequence of Audio
        Those that are shorter than a tenth of a second are left out.

    Returns
    -------
    excitation : Excitation
        Of the kind "calibrated".
    origins : tuple of Origin
        Of each clip.

    Raises
    ------
    UserError
        Where nothing is left.
    """
    clips: list[Samples] = []
    origins: list[Origin] = []
    room, shortest = round(SECONDS * SAMPLING_RATE), round(MIN_SECONDS * SAMPLING_RATE)
    for audio in audios:
        samples = audio.samples[:room]
        if len(samples) < shortest:
            continue
        room -= len(samples)
        for cut in quiet_windows(samples, round(MOST_CLIP_SECONDS * SAMPLING_RATE)):
            clips.append(samples[cut.start : cut.stop])
            origins.append(Origin(audio.name, cut.start / SAMPLING_RATE))
    if not clips:
        raise UserError("There is no clip to listen to.", "Give one clip of speech or more.")
    return Excitation("calibrated", tuple(clips)), tuple(origins)
