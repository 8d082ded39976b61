"""What happens to speech on its way to a model: rooms, noise, gain, telephones, tempo, silence.

All functions take and return mono waveforms of float32, (n,), at `SAMPLING_RATE`, and draw what is
random from the generator that they are given.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.errors import UserError
from analysis.speech.audio import SAMPLING_RATE, Samples

TELEPHONE_BAND = (300.0, 3400.0)
"""Hz, of narrow-band telephony (ITU-T G.712)."""

TAIL = 0.7
"""Of the reverberation time that a room's tail lasts: until it has fallen by 42 dB."""

Frequencies = npt.NDArray[np.floating]

_DIRECT_TO_REVERBERANT = 6.0
"""dB by which the direct sound is stronger than the tail of a room."""


def change_speed(waveform: Samples, factor: float) -> Samples:
    """Play ``factor`` times faster: tempo, pitch and formants move together."""
    n_samples = max(1, int(len(waveform) / factor))
    positions = np.arange(n_samples) * factor
    return np.interp(positions, np.arange(len(waveform)), waveform).astype(np.float32)


def weakening_above(frequencies: Frequencies, cutoff: float) -> Frequencies:
    """By how much a steep filter weakens each frequency: hardly at all below ``cutoff`` (Hz)."""
    weaker: Frequencies = 1.0 + (frequencies / cutoff) ** 40
    return weaker


def coloured_noise(rng: np.random.Generator, n_samples: int, exponent: float) -> Samples:
    """Noise whose power falls as 1/f^exponent, unit variance; 0 is white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    frequencies = np.fft.rfftfreq(n_samples, 1 / SAMPLING_RATE)
    spectrum *= np.maximum(frequencies, 40.0) ** (-exponent / 2)
    noise = np.fft.irfft(spectrum, n_samples)
    return (noise / noise.std()).astype(np.float32)


def room(
    noise: npt.NDArray[np.float64],
    reverberation_time: float,
    delay: float,
    direct_to_reverberant: float,
) -> Samples:
    """Impulse response of a room: direct sound, then noise that decays exponentially.

    Parameters
    ----------
    noise : ndarray of float64, (n,)
        White, unit variance; as long as the tail is to be.
    reverberation_time : float
        Seconds until the tail has fallen by 60 dB.
    delay : float
        Seconds before the tail begins.
    direct_to_reverberant : float
        Ratio of amplitudes.
    """
    seconds = np.arange(len(noise)) / SAMPLING_RATE
    tail = noise * 10 ** (-3.0 * seconds / reverberation_time)
    tail[: int(delay * SAMPLING_RATE)] = 0.0
    tail /= np.sqrt((tail**2).sum()) * direct_to_reverberant + 1e-9
    tail[0] = 1.0
    return tail.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One way to disturb a clip.

    Parameters
    ----------
    help : str
        One sentence for shell and page.
    apply : callable
        From a waveform, an amount and a generator to a waveform.
    usual, low, high : float
        The amount where none is named, and its limits.
    unit : str
        Of the amount; "" where there is none to choose.
    """

    help: str
    apply: Callable[[Samples, float, np.random.Generator], Samples]
    usual: float
    low: float
    high: float
    unit: str


def _noise(waveform: Samples, snr: float, rng: np.random.Generator) -> Samples:
    level = np.sqrt((waveform**2).mean()) * 10 ** (-snr / 20)
    return waveform + np.float32(level) * coloured_noise(rng, len(waveform), 1.0)


def _reverb(waveform: Samples, seconds: float, rng: np.random.Generator) -> Samples:
    noise = rng.standard_normal(int(seconds * TAIL * SAMPLING_RATE))
    response = room(noise, seconds, 0.005, 10 ** (_DIRECT_TO_REVERBERANT / 20))
    n_fft = 1 << (len(waveform) + len(response) - 1).bit_length()
    spectrum = np.fft.rfft(waveform, n_fft) * np.fft.rfft(response, n_fft)
    return np.fft.irfft(spectrum, n_fft)[: len(waveform)].astype(np.float32)


def _gain(waveform: Samples, decibels: float, rng: np.random.Generator) -> Samples:
    return (waveform * np.float32(10 ** (decibels / 20))).clip(-1, 1)


def _telephone(waveform: Samples, amount: float, rng: np.random.Generator) -> Samples:
    low, high = TELEPHONE_BAND
    frequencies = np.fft.rfftfreq(len(waveform), 1 / SAMPLING_RATE)
    gains = (1 - 1 / weakening_above(frequencies, low)) / weakening_above(frequencies, high)
    return np.fft.irfft(np.fft.rfft(waveform) * gains, len(waveform)).astype(np.float32)


def _speed(waveform: Samples, factor: float, rng: np.random.Generator) -> Samples:
    return change_speed(waveform, factor)


def _silence(waveform: Samples, seconds: float, rng: np.random.Generator) -> Samples:
    return np.pad(waveform, round(seconds * SAMPLING_RATE))


DISTURBANCES: Mapping[str, Disturbance] = {
    "noise": Disturbance("Pink noise, so far below the speech.", _noise, 10, -20, 60, "dB SNR"),
    "reverb": Disturbance("A room with that reverberation time.", _reverb, 0.8, 0.1, 5, "s"),
    "gain": Disturbance("Louder or softer, with clipping.", _gain, -30, -80, 60, "dB"),
    "telephone": Disturbance("Only 300 to 3400 Hz.", _telephone, 0, 0, 0, ""),
    "speed": Disturbance("Played that many times as fast.", _speed, 1.2, 0.5, 2, "x"),
    "silence": Disturbance("So much silence before and after.", _silence, 3, 0.1, 600, "s"),
}
"""By the name that shell and page use."""


def read_condition(text: str) -> str:
    """A condition as it is named everywhere: ``noise:10``, or several joined by ``+``.

    Parameters
    ----------
    text : str
        As a person writes it; an amount that is left out is the usual one.

    Returns
    -------
    str
        With every amount; the same condition is always the same text.

    Raises
    ------
    UserError
        For what is no disturbance, or an amount out of its limits.

    Examples
    --------
    >>> read_condition("telephone + noise:5.0")
    'telephone+noise:5'
    >>> read_condition("reverb")
    'reverb:0.8'
    """
    return "+".join(
        f"{name}:{amount:g}" if DISTURBANCES[name].unit else name for name, amount in _parts(text)
    )


def read_conditions(texts: Iterable[str]) -> tuple[str, ...]:
    """Conditions that people part by commas, each once; see `read_condition`.

    Examples
    --------
    >>> read_conditions(["noise:10, telephone", "noise"])
    ('noise:10', 'telephone')
    """
    named = (name for text in texts for name in text.split(",") if name.strip())
    return tuple(dict.fromkeys(map(read_condition, named)))


def describe_condition(condition: str) -> str:
    """A condition for people, with the unit of every amount.

    Parameters
    ----------
    condition : str
        See `read_condition`; empty for clean speech. What is not known stays as it is written.

    Examples
    --------
    >>> describe_condition("telephone+noise:5"), describe_condition("gain:-30")
    ('telephone + noise 5 dB SNR', 'gain −30 dB')
    """
    named = []
    for part in condition.split("+"):
        name, _, amount = part.partition(":")
        unit = DISTURBANCES[name].unit if name in DISTURBANCES else ""
        said = f"{name} {amount} {unit}".replace("-", "−") if amount and unit else part
        named.append(said)
    return " + ".join(named) or "clean"


def disturb(waveform: Samples, condition: str, seed: str) -> Samples:
    """A clip under a condition.

    Parameters
    ----------
    waveform : ndarray of float32, (n,)
    condition : str
        See `read_condition`; what is named first happens first.
    seed : str
        Of what is drawn, for example the digest of the clip: the same clip is disturbed alike.

    Returns
    -------
    ndarray of float32
    """
    key = hashlib.sha256(f"{seed} {condition}".encode()).digest()
    rng = np.random.default_rng(list(key))
    for name, amount in _parts(condition):
        waveform = DISTURBANCES[name].apply(waveform, amount, rng)
    return waveform


def seconds_under(duration: float, condition: str) -> float:
    """How long a clip of so many seconds is under a condition."""
    for name, amount in _parts(condition):
        duration = duration / amount if name == "speed" else duration
        duration = duration + 2 * amount if name == "silence" else duration
    return duration


def _parts(text: str) -> list[tuple[str, float]]:
    """Names and amounts of what a condition is made of."""
    found = []
    for part in text.split("+"):
        name, _, amount = (piece.strip() for piece in part.partition(":"))
        kind = DISTURBANCES.get(name)
        if not part.strip():
            raise UserError(
                f"A part of the condition {text!r} is empty.",
                "Join disturbances by one +, as in telephone+noise:10.",
            )
        if kind is None:
            raise UserError(
                f"There is no disturbance {name!r}.",
                f"Choose from {', '.join(DISTURBANCES)}, with an amount as in noise:10.",
            )
        try:
            value = float(amount) if amount else kind.usual
        except ValueError:
            value = math.nan
        if not kind.low <= value <= kind.high:
            raise UserError(
                f"{part.strip()!r} is out of reach.",
                f"{name} takes {kind.low:g} to {kind.high:g} {kind.unit}.".replace("  ", " ")
                if kind.unit
                else f"{name} takes no amount.",
            )
        found.append((name, value))
    return found
