"""Work in a process of its own that the system ends: by SIGKILL, or because no byte fits any more.

The process is forked, so that models and libraries are there at once; Windows has no such thing.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest


def die(*_: object, **__: object) -> None:
    """Take the place of the step at which the system strikes."""
    os.kill(os.getpid(), signal.SIGKILL)


def killed(work: Callable[[], object]) -> None:
    """Run work that is killed on its way.

    Parameters
    ----------
    work : callable
        Comes to `die`; that it changes what it imported harms nobody here.
    """
    status = _in_a_fork(work)
    assert os.WIFSIGNALED(status), "the work came to its end"
    assert os.WTERMSIG(status) == signal.SIGKILL


def done_without_room(work: Callable[[], object], n_bytes: int) -> None:
    """Run work for which no file may grow beyond so many bytes, as on a disk that is full.

    Parameters
    ----------
    work : callable
        Comes to its end, and asserts what it has to.
    n_bytes : int
    """

    def limited() -> None:
        with no_room(n_bytes):
            work()

    assert _in_a_fork(limited) == 0, "see what the process printed"


@contextmanager
def no_room(n_bytes: int) -> Iterator[None]:
    """Refuse every byte of a file beyond so many; for a process that ends soon."""
    resource = pytest.importorskip("resource")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write is refused, and nothing is killed
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))
    yield


def _in_a_fork(work: Callable[[], object]) -> int:
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork a process")
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]
