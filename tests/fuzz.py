"""Damages files of every kind by the thousand, and looks at what comes of them.

    python -m tests.fuzz [--minutes 5] [--only "whisper: config.json"] [--seed 0] [--gigabytes 3]

Every case is a subject and a seed (`tests.helpers.fuzzing`); what should not have come out is
printed once for each kind of it, with the command that shows it again.
"""

import argparse
import faulthandler
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from types import FrameType

from tests.helpers.fuzzing import Subject, room_for_cases, subjects

SECONDS_A_CASE = 20
"""Of a processor, after which a case counts as one that does not end."""


def main() -> None:
    """Run cases until the time is over; fail where anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--only", default="", help="subjects whose name begins so")
    parser.add_argument("--seed", type=int, default=0, help="the first one; the others follow")
    parser.add_argument("--cases", type=int, default=10**9, help="for each subject, at most")
    parser.add_argument("--gigabytes", type=float, default=3.0, help="that a case may take")
    options = parser.parse_args()
    faulthandler.enable()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["COALESCE_CACHE"] = cache
        chosen = [each for name, each in subjects().items() if name.startswith(options.only)]
        _limit(options.gigabytes)
        found = _run(chosen, options.seed, options.cases, 60 * options.minutes)
    sys.exit(int(bool(found)))


def _run(chosen: list[Subject], seed: int, cases: int, seconds: float) -> Counter[str]:
    began, number = time.monotonic(), seed
    outcomes: Counter[str] = Counter()
    found: Counter[str] = Counter()
    while time.monotonic() - began < seconds and number < seed + cases:
        for subject in chosen:
            fault = _fault(subject, number, outcomes)
            found.update([fault] if fault else [])
            if time.monotonic() - began > seconds:
                break
        number += 1
    print(f"{sum(outcomes.values())} cases: {dict(outcomes)}")
    for fault, count in found.most_common():
        print(f"{count:5d} times: {fault}")
    return found


def _fault(subject: Subject, seed: int, outcomes: Counter[str]) -> str:
    """In one line where it came from; empty where all is well."""
    content = subject.case(seed)
    signal.setitimer(signal.ITIMER_PROF, SECONDS_A_CASE)
    try:
        outcomes[subject.outcome(content, room_for_cases())] += 1
        return ""
    except Exception as error:
        outcomes["found"] += 1
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "site-packages" not in frame.filename][-1]
        fault = f"{subject.name}: {type(error).__name__} at {own.filename}:{own.lineno}"
        print(f"{fault}: {str(error)[:300]!r}")
        print(
            f'    python -m tests.fuzz --only "{subject.name}" --seed {seed} --cases 1', flush=True
        )
        return fault
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _limit(gigabytes: float) -> None:
    """More memory than that ends in a `MemoryError`, and more time in a `TimeoutError`."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"more than {SECONDS_A_CASE} s")

    signal.signal(signal.SIGPROF, stop)
    if sys.platform == "linux":
        import resource

        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        limit = now + round(gigabytes * 1e9)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
