"""The shell's command that starts the dashboard."""

import argparse
import os
import subprocess
import sys

from analysis.errors import UserError
from analysis.files import PROJECT

_APP = PROJECT / "app.py"


def app(options: argparse.Namespace) -> None:
    """Serve the dashboard until interrupted."""
    if not _APP.is_file():
        raise UserError(
            "The dashboard's files are not installed.",
            "Install Coalesce again: it lies in one folder with its pages and models.",
        )
    environment = os.environ | ({"COALESCE_MODEL": options.model} if options.model else {})
    # -P: a file in the working folder that is called like a library must not stand in for it
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(_APP)]
    command += ["--server.port", str(options.port)]
    command += ["--server.headless", str(options.headless).lower()]
    # Streamlit looks for the theme and the upload limit beside the app. The working folder stays
    # the person's own, so that a relative path on a page means what it means in their shell.
    code = subprocess.call(command, env=environment)
    if code:
        raise UserError(f"The dashboard stopped with code {code}.", "See the lines above.")
