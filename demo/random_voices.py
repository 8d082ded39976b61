"""Random espeak-ng voices: variants with formants, pitch and timbre of their own.

The sixty variants that espeak-ng brings are few enough for a model to learn them by heart. Two
hundred random ones make it learn the words instead.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np

N_RANDOM_VARIANTS = 200  # espeak-ng knows at most 349 voices and variants at a time
VARIANTS_SEED = 3
RANDOM_VARIANTS = tuple(f"random{i}" for i in range(N_RANDOM_VARIANTS))

_FORMANTS = 9


def variant_file(rng: np.random.Generator, name: str) -> str:
    """Draw the text of one espeak-ng variant file.

    The formants are all moved by one factor (the length of the vocal tract) and each a little by
    itself; strengths and widths vary freely. A quarter of the voices use a Klatt synthesiser.
    """
    tract = rng.uniform(0.76, 1.32)
    pitch = rng.uniform(65, 230) * tract**0.7
    lines = [
        "language variant",
        f"name {name}",
        f"pitch {pitch:.0f} {pitch * rng.uniform(1.2, 1.7):.0f}",
    ]
    for formant in range(_FORMANTS):
        frequency = 100 * tract * np.exp(rng.normal(0.0, 0.07))
        strength = 100 * np.exp(rng.normal(-0.1 if formant < 4 else -0.35, 0.35))
        width = 100 * np.exp(rng.normal(0.0, 0.25))
        lines.append(f"formant {formant} {frequency:.0f} {strength:.0f} {width:.0f}")
    if rng.random() < 0.25:
        lines.append(f"klatt {rng.integers(1, 6)}")
    if rng.random() < 0.5:
        slope = rng.uniform(-1.0, 1.0)
        tone = [(f, 160 + 90 * slope * side) for f, side in ((300, 1), (1200, 0), (2600, -1))]
        lines.append("tone " + " ".join(f"{f} {amplitude:.0f}" for f, amplitude in tone))
    if rng.random() < 0.3:
        lines.append("breath " + " ".join(str(rng.integers(0, 6)) for _ in range(8)))
    if rng.random() < 0.2:
        lines.append(f"echo {rng.integers(20, 160)} {rng.integers(5, 30)}")
    lines += [
        f"voicing {rng.uniform(70, 220):.0f}",
        f"consonants {rng.uniform(55, 130):.0f} {rng.uniform(55, 130):.0f}",
        f"flutter {rng.integers(0, 6)}",
        f"roughness {rng.integers(0, 5)}",
        f"intonation {rng.integers(1, 5)}",
    ]
    if rng.random() < 0.3:
        lines.append("stressAmp " + " ".join(str(rng.integers(14, 25)) for _ in range(8)))
    return "\n".join(lines) + "\n"


@functools.cache
def _data_folder() -> tempfile.TemporaryDirectory[str]:
    """Make a copy, of links, of espeak-ng's data with the random variants added."""
    version = subprocess.run(["espeak-ng", "--version"], check=True, capture_output=True, text=True)
    found = re.search(r"Data at: (.+)", version.stdout)
    if found is None:
        raise RuntimeError("espeak-ng does not say where its data lies; version 1.50 or newer does")
    installed = Path(found.group(1).strip())
    folder = tempfile.TemporaryDirectory(prefix="espeak-voices-")
    copy = Path(folder.name, "espeak-ng-data")
    variants = copy / "voices/!v"
    variants.mkdir(parents=True)
    for entry in installed.iterdir():
        if entry.name not in ("voices", "lang"):
            (copy / entry.name).symlink_to(entry)
    for entry in (installed / "voices/!v").iterdir():
        (variants / entry.name).symlink_to(entry)
    (copy / "lang").mkdir()
    (copy / "lang/gmw").symlink_to(installed / "lang/gmw")  # West Germanic, with English
    for index, name in enumerate(RANDOM_VARIANTS):
        rng = np.random.default_rng([VARIANTS_SEED, index])
        (variants / name).write_text(variant_file(rng, name))
    return folder


def espeak_environment() -> dict[str, str]:
    """Environment in which espeak-ng knows :data:`RANDOM_VARIANTS` besides its own variants."""
    return {**os.environ, "ESPEAK_DATA_PATH": _data_folder().name}
