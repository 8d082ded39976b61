"""Runs the shell's commands: ``coalesce``, or ``python -m coalesce`` for launchers of processes."""

import sys

import coalesce  # noqa: F401  (it makes `analysis` importable)
from analysis.cli.parser import main

if __name__ == "__main__":
    sys.exit(main())
