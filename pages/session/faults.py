"""What nobody foresaw in a job: written to the server's log, and told to the visitor."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from analysis.errors import Cancelled, UserError, unexpected


@contextmanager
def logged(what: str) -> Iterator[None]:
    """Write what nobody foresaw to the server's log, as faults of pages are, and let it pass.

    Parameters
    ----------
    what : str
        What is done inside, as the subject of a sentence.
    """
    try:
        yield
    except (Cancelled, UserError, OSError):
        raise
    except Exception:
        logging.getLogger(__name__).exception("%s failed.", what)  # for whoever serves the app
        raise


def problem_of(what: str, error: Exception) -> UserError:
    """An error in which a job ended, for the person who asked for it.

    Parameters
    ----------
    what : str
        The job, as the subject of a sentence.
    error : Exception
    """
    if isinstance(error, UserError):
        return error
    if isinstance(error, OSError):
        return UserError(
            f"{what} stopped: {error.strerror or 'the system refused'}.",
            "Check that the disk has room and that the folder may be written to.",
            repr(error),
        )
    # Out of memory arrives as a RuntimeError of torch, on a GPU and on the CPU.
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return UserError(
            f"{what} failed: the memory is full.",
            "Try a shorter clip, a smaller model or another device.",
            repr(error),
        )
    return unexpected(what, error)
