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
            "Install Coalesce from a clone of its repository with pip install -e .",
        )
    environment = os.environ | ({"COALESCE_MODEL": options.model} if options.model else {})
    command = [sys.executable, "-m", "streamlit", "run", str(_APP)]
    command += ["--server.port", str(options.port)]
    command += ["--server.headless", str(options.headless).lower()]
    # the theme and the upload limit lie beside the app, where Streamlit looks from
    code = subprocess.call(command, cwd=_APP.parent, env=environment)
    if code:
        raise UserError(f"The dashboard stopped with code {code}.", "See the lines above.")
