"""A folder of disturbed training clips for the demo models, in the layout of `datasets`.

``python -m demo.training_clips FOLDER --count 3000`` writes what HuBERT's training hears, but once:
sentences by training voices, in rooms and noise, up to three in a clip. With ``--digits`` some are
human. For fine-tuning a compressed demo model; needs espeak-ng and flite.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
from pathlib import Path

import soundfile as sf

from demo.examples import TRAIN_SPEAKERS, ExampleSource, read_digits
from demo.plan import PLANS
from demo.synthesis import SAMPLING_RATE, read_corpus, write_corpus

PHASE = PLANS["hubert"].phases[-1]  # clips as the end of training had them
SEED = 7  # no example of the models' own training


def write_clips(
    folder: Path, source: ExampleSource, count: int, *, first: int = 0, progress: bool = False
) -> float:
    """Write ``count`` clips as FLAC with a ``metadata.csv``; returns their length in seconds.

    Parameters
    ----------
    folder
        Made here.
    source
        Of the examples.
    first
        Index of the first example; examples in which nothing is said are passed over.
    progress
        Whether to print how many there are.
    """
    folder.mkdir(parents=True)
    rows = [("file_name", "transcription")]
    seconds, index = 0.0, first
    while len(rows) <= count:
        example = source.free_window(index, PHASE)
        index += 1
        if not example.segments:
            continue
        name = f"{len(rows) - 1:05d}.flac"
        sf.write(folder / name, example.waveform, SAMPLING_RATE)
        seconds += len(example.waveform) / SAMPLING_RATE
        rows.append((name, example.text))
        if progress and len(rows) % 500 == 1:
            print(f"{len(rows) - 1} clips, {seconds / 3600:.2f} h", flush=True)
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return seconds


def main() -> None:
    """Write the folder that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m demo.training_clips", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0, help="first example, for another set")
    parser.add_argument("--corpus", type=Path, help="of `demo.build synthesise`; else made anew")
    parser.add_argument("--digits", type=Path, help="the Free Spoken Digit Dataset")
    options = parser.parse_args()
    digits = read_digits(options.digits, TRAIN_SPEAKERS) if options.digits else None
    with tempfile.TemporaryDirectory() as scratch:
        corpus = options.corpus or Path(scratch)
        if options.corpus is None:
            write_corpus(corpus, options.count, seed=SEED, held_out=False)
        source = ExampleSource(read_corpus(corpus), digits, SEED)
        half = options.folder.with_name(f".{options.folder.name}.{os.getpid()}")
        write_clips(half, source, options.count, first=options.first, progress=True)
        half.rename(options.folder)


if __name__ == "__main__":
    main()
