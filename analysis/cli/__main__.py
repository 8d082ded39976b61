"""Runs the shell's commands: ``python -m analysis.cli``."""

import sys

from analysis.cli.parser import main

if __name__ == "__main__":
    sys.exit(main())
