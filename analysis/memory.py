"""Hands freed memory back to the system, which GNU's C library keeps in pieces otherwise."""

import ctypes
import sys
from contextlib import suppress


def trim() -> None:
    """Give back what was freed; nothing happens where the system has no such call.

    Compressing and recognising allocate and free tensors of many sizes, and among those that stay
    the library finds ever new gaps: on the bundled HuBERT 2 MB more a model that came and went,
    without an object that was still there.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)
