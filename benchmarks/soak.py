"""Memory of a program that compresses, transcribes and deletes, over and over: is it flat?

    python -m benchmarks.soak [--model demo-hubert] [--cycles 300] [--warm-up 40] [--trace]
        [--method surgeon] [--no-swaps]

Each cycle takes another sparsity and another bundled clip, through the façade, in one process with
an empty cache. What is held is read when freed memory was given back to the system, of which the
allocator keeps 100 to 200 MB otherwise, now more and now less; what the process takes in between is
printed beside it. The command fails where what is held grows by more than 5 % after the warm-up.
"""

import argparse
import gc
import os
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Sequence

import psutil

from analysis.memory import trim
from analysis.models.speech_model import SpeechModel
from benchmarks.timing import megabytes

MOST_GROWTH = 0.05
"""Of the resident memory after the warm-up."""

_EVERY = 10  # cycles between two lines


def cycle(model: SpeechModel, number: int, method: str | None, swaps: bool | None) -> None:
    """Compress, transcribe, delete; no two of ninety cycles compress alike."""
    import coalesce

    clips = sorted(coalesce.CLIPS.glob("*.flac"))
    sparsity = 0.05 + (37 * number % 90) / 100
    plan = coalesce.plan(model, sparsity=sparsity, method=method, swaps=swaps)
    smaller = coalesce.compress(model, plan)
    coalesce.transcribe(smaller, clips[number % len(clips)])


def main() -> None:
    """Run the cycles, print the memory, and fail where it grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="demo-hubert")
    parser.add_argument("--cycles", type=int, default=300)
    parser.add_argument("--warm-up", type=int, default=40, help="cycles that are not judged")
    parser.add_argument("--trace", action="store_true", help="say which lines hold what grew")
    parser.add_argument("--method", help="by default that of the default recipe")
    parser.add_argument(
        "--swaps",
        action=argparse.BooleanOptionalAction,
        help="trade units; by default where the recipe does, which takes most of a cycle",
    )
    options = parser.parse_args()
    if not 0 < options.warm_up < options.cycles:
        parser.error("the warm-up is shorter than all cycles, and has one at least")
    with tempfile.TemporaryDirectory() as cache:
        os.environ["COALESCE_CACHE"] = cache
        sizes = _run(options)
    sys.exit(int(tell_growth(sizes) > MOST_GROWTH))


def tell_growth(sizes: Sequence[int]) -> float:
    """Print what became of the memory since the warm-up.

    Parameters
    ----------
    sizes : sequence of int
        Bytes, after the warm-up and after each later cycle.

    Returns
    -------
    float
        How much larger the median of the last quarter is than that of the first, as a share of
        this. Single cycles vary by what one of them needs for itself.
    """
    quarter = max(1, len(sizes) // 4)
    first, last = statistics.median(sizes[:quarter]), statistics.median(sizes[-quarter:])
    growth = last / first - 1
    print(
        f"after the warm-up: first quarter {megabytes(first)}, last quarter {megabytes(last)}"
        f" (medians): {growth:+.1%}; least {megabytes(min(sizes))}, most {megabytes(max(sizes))}"
    )
    return growth


def _run(options: argparse.Namespace) -> list[int]:
    """Resident memory after every cycle that is judged, in bytes."""
    import coalesce

    model = coalesce.load(options.model)
    process, sizes, before = psutil.Process(), [], None
    taken = []  # as the system sees it between two cycles
    began = time.monotonic()
    for number in range(options.cycles):
        cycle(model, number, options.method, options.swaps)
        taken.append(process.memory_info().rss)
        gc.collect()
        trim()
        sizes.append(process.memory_info().rss)
        if options.trace and number + 1 == options.warm_up:
            tracemalloc.start(8)
            gc.collect()
            before = tracemalloc.take_snapshot()
        if (number + 1) % _EVERY == 0 or number == 0:
            seconds = time.monotonic() - began
            held, most = megabytes(sizes[-1]), megabytes(max(taken[-_EVERY:]))
            print(f"{number + 1:4d} cycles, {seconds:5.0f} s: {held}, taken {most}", flush=True)
    if before is not None:
        gc.collect()
        for line in tracemalloc.take_snapshot().compare_to(before, "lineno")[:20]:
            print(line)
    return sizes[options.warm_up - 1 :]


if __name__ == "__main__":
    main()
