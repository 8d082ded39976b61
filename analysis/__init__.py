"""Coalesce's computing core: loads, inspects, compresses, transcribes; knows no interface."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("coalesce")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"
