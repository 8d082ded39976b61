"""Who speaks the excitation: seven families of voices, split into those of "fit" and of "check".

No voice of the "check" part speaks in the "fit" part, and no voice that the demo models' held-out
tests use (:data:`demo.synthesis.HELD_OUT_VARIANTS` and the like) speaks in either.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from demo.neural_voices import KOKORO_SPEAKERS, kokoro_name, speak_neural
from demo.random_voices import RANDOM_VARIANTS
from demo.synthesis import (
    FLITE_PITCH,
    TRAIN_ACCENTS,
    TRAIN_FLITE,
    TRAIN_VARIANTS,
    Voice,
    read_spoken,
    synthesise,
)

FAMILIES = ("shipped", "random", "flite", "festival", "hibari", "kokoro")
CHECK_FAMILIES = ("shipped", "random", "kokoro", "festival")  # the others have one speaker each

CHECK_VARIANTS = ("m4", "f4", "klatt3", "Annie", "Jacky", "adam", "linda", "norbert", "travis")
FIT_VARIANTS = tuple(name for name in TRAIN_VARIANTS if name not in CHECK_VARIANTS)
FIT_RANDOM, CHECK_RANDOM = RANDOM_VARIANTS[:160], RANDOM_VARIANTS[160:]
FIT_FESTIVAL = ("kal_diphone", "cmu_us_slt_arctic_hts")
CHECK_FESTIVAL = ("ked_diphone",)
FIT_KOKORO = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jm_kumo")
CHECK_KOKORO = tuple(name for name in KOKORO_SPEAKERS if name not in FIT_KOKORO)

ESPEAK_LANGUAGES = {
    "de": "de", "fr": "fr-fr", "es": "es", "it": "it", "pt": "pt-br", "nl": "nl", "pl": "pl",
    "ru": "ru", "sv": "sv", "tr": "tr", "hi": "hi", "zh": "cmn", "ja": "ja",
}  # fmt: skip
KOKORO_LANGUAGES = {"fr": "fr-fr", "es": "es", "it": "it", "pt": "pt-br", "hi": "hi"}
"""Languages that Kokoro learned on espeak-ng's phonemes, by their names in espeak-ng."""


def draw_english(rng: np.random.Generator, family: str, *, check: bool) -> Voice:
    """Draw a voice of one of :data:`FAMILIES`, from the side of the split that ``check`` names."""
    if family == "flite":
        name = str(rng.choice(TRAIN_FLITE))
        pitch = FLITE_PITCH[name] * float(rng.uniform(0.75, 1.35))
        return Voice("flite", name, round(float(rng.uniform(0.8, 1.35)), 2), round(pitch, 1))
    if family == "festival":
        name = str(rng.choice(CHECK_FESTIVAL if check else FIT_FESTIVAL))
        stretch, pitch = float(rng.uniform(0.85, 1.35)), float(rng.uniform(80, 170))
        return Voice("festival", name, round(stretch, 2), round(pitch, 1))
    if family == "hibari":
        return Voice("hibari", "heart", round(float(rng.uniform(0.8, 1.25)), 2), 0.0)
    if family == "kokoro":
        return _draw_kokoro(rng, str(rng.choice(["us", "gb"])), check=check)
    if family == "shipped":
        variants: tuple[str, ...] = CHECK_VARIANTS if check else FIT_VARIANTS
    else:
        variants = CHECK_RANDOM if check else FIT_RANDOM
    name = f"{rng.choice(TRAIN_ACCENTS)}+{rng.choice(variants)}"
    return Voice("espeak-ng", name, float(rng.integers(115, 216)), float(rng.integers(20, 81)))


def draw_foreign(
    rng: np.random.Generator, language: str, *, check: bool, neural: bool = False
) -> Voice:
    """Draw a voice for another language; ``neural`` asks for Kokoro where it knows the language."""
    if neural and language in KOKORO_LANGUAGES:
        return _draw_kokoro(rng, KOKORO_LANGUAGES[language], check=check)
    variant = rng.choice(CHECK_VARIANTS if check else FIT_VARIANTS)
    name = f"{ESPEAK_LANGUAGES[language]}+{variant}"
    return Voice("espeak-ng", name, float(rng.integers(120, 191)), float(rng.integers(20, 81)))


def _draw_kokoro(rng: np.random.Generator, accent: str, *, check: bool) -> Voice:
    """Draw a speaker of Kokoro, or in three of four cases a mixture of two."""
    speakers = CHECK_KOKORO if check else FIT_KOKORO
    rate = round(float(rng.uniform(0.8, 1.25)), 2)
    if len(speakers) == 1 or rng.random() < 0.25:
        return Voice("kokoro", kokoro_name(accent, str(rng.choice(speakers)), "", 0.0), rate, 0.0)
    first, second = (str(name) for name in rng.choice(speakers, 2, replace=False))
    return Voice("kokoro", kokoro_name(accent, first, second, rng.uniform(0.1, 0.5)), rate, 0.0)


def speak(voice: Voice, text: str, cache: Path | None = None) -> npt.NDArray[np.float32]:
    """Speak ``text``: 16 kHz mono, silence trimmed, shape (n_samples,).

    ``cache`` is a folder that keeps what was spoken; Kokoro takes as long as the speech lasts.
    """
    key = hashlib.sha256(repr((voice, text)).encode()).hexdigest()[:24]
    kept = None if cache is None else cache / f"{key}.npy"
    if kept is not None and kept.exists():
        waveform: npt.NDArray[np.float32] = np.load(kept)
        return waveform
    waveform = _speak(voice, text)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, waveform)
    return waveform


def _speak(voice: Voice, text: str) -> npt.NDArray[np.float32]:
    if voice.engine in ("hibari", "kokoro"):
        return speak_neural(voice, text)
    language = voice.name.split("+")[0]
    if voice.engine == "festival":
        return _run_engine(_festival_command(voice), text)
    if voice.engine == "espeak-ng" and language in ESPEAK_LANGUAGES.values():
        options = ["-v", voice.name, "-s", f"{voice.rate:.0f}", "-p", f"{voice.pitch:.0f}"]
        return _run_engine(["espeak-ng", *options, "--stdin", "-w"], text)
    return synthesise(voice, text)


def _festival_command(voice: Voice) -> list[str]:
    deviation = voice.pitch * 0.13
    intonation = (
        f"(set! int_lr_params '((target_f0_mean {voice.pitch}) (target_f0_std {deviation:.1f}) "
        "(model_f0_mean 170) (model_f0_std 34)))"
    )
    settings = (f"(voice_{voice.name})", f"(Parameter.set 'Duration_Stretch {voice.rate})")
    options = [word for setting in (*settings, intonation) for word in ("-eval", setting)]
    return ["text2wave", *options, "-o"]


def _run_engine(command: list[str], text: str) -> npt.NDArray[np.float32]:
    """Run a synthesiser that reads text and writes into the file that ends its command line."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as target:
        try:
            command = [*command, target.name]
            subprocess.run(command, input=text.encode(), check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise RuntimeError(
                f"{command[0]} could not speak {text!r}: apt-get install espeak-ng flite festival "
                "festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts"
            ) from error
        return read_spoken(target.name)
