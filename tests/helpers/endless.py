"""Work that goes on until somebody cancels it."""

import threading
import time
from collections.abc import Callable

from analysis.progress import Watch


def endless(started: threading.Event, ended: threading.Event) -> Callable[[Watch], None]:
    """Work for a job, which says when it has begun and when it was ended."""

    def work(watch: Watch) -> None:
        started.set()
        try:
            while True:
                watch.check()
                time.sleep(0.005)
        finally:
            ended.set()

    return work
