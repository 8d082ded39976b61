"""Best-of-n wall-clock time, the measure that other work on the machine disturbs least."""

import time
from collections.abc import Callable


def best_seconds(action: Callable[[], object], repeats: int) -> float:
    """Shortest wall-clock time of `repeats` runs, in seconds."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return min(times)


def report(what: str, ours: float, peer: str, theirs: float, bar: str) -> None:
    """Print one line: our time, the peer's, their ratio, and the bar to reach."""
    print(
        f"{what}: {ours:.4g} s; {peer}: {theirs:.4g} s; ratio {theirs / ours:.2f}x (bar: {bar})",
        flush=True,
    )


def megabytes(n_bytes: float) -> str:
    """For people."""
    return f"{n_bytes / 1e6:.0f} MB"
