"""The shell's command that starts the dashboard."""

import argparse
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from analysis.cli.flags import read_flags
from analysis.errors import UserError
from analysis.files import PROJECT
from analysis.serving import OWN_MODEL, VARIABLE, Serving

_APP = PROJECT / "app.py"


def app(options: argparse.Namespace) -> None:
    """Serve the dashboard until interrupted, for this computer alone unless a host is given."""
    if not _APP.is_file():
        raise UserError(
            "The dashboard's files are not installed.",
            "Install Coalesce again: it lies in one folder with its pages and models.",
        )
    serving = Serving(**read_flags(options, Serving), roots=_roots(options.root or []))
    if serving.demo and (serving.roots or serving.allow_downloads):
        raise UserError(
            "--demo opens the bundled models alone.",
            "Leave out --root and --allow-downloads, or --demo.",
        )
    _require_address(serving.host, options.port)
    environment = os.environ | {VARIABLE: serving.model_dump_json()}
    environment |= {OWN_MODEL: options.model} if options.model else {}
    # -P: a file in the working folder that is called like a library must not stand in for it
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(_APP)]
    command += ["--server.address", serving.host]
    command += ["--server.port", str(options.port)]
    command += ["--server.headless", str(options.headless).lower()]
    command += ["--server.maxUploadSize", str(serving.limits.upload_mb)]
    if serving.is_open:
        print(_notice(serving), file=sys.stderr, flush=True)
    with ExitStack() as stack:
        if not serving.writes:
            # What is computed of the bundled models goes when the server does.
            folder = stack.enter_context(TemporaryDirectory(prefix="coalesce-demo-"))
            environment["COALESCE_CACHE"] = folder
        # Who stops this process, as a service manager does, stops the server with it.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        # Streamlit looks for the theme beside the app. The working folder stays the person's own,
        # so that a relative path on a page means what it means in their shell.
        code = subprocess.call(command, env=environment)
    if code:
        raise UserError(f"The dashboard stopped with code {code}.", "See the lines above.")


def _require_address(host: str, port: int) -> None:
    """Refuse what cannot be listened on, before Streamlit says so in a traceback."""
    try:
        if not 0 < port < 2**16:
            raise OverflowError("a port has 16 bits")
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except (OSError, OverflowError, UnicodeError) as error:  # UnicodeError: no name of a computer
        raise UserError(
            f"Nothing can listen at {host}, port {port}.",
            "Choose a port from 1024 to 65535 that is free (--port), and an address of this"
            " computer (--host).",
            str(error),
        ) from error


def _roots(named: list[str]) -> tuple[str, ...]:
    """The folders that visitors may use, as the person who starts the server means them."""
    roots = []
    for name in named:
        try:
            root = Path(name).expanduser().resolve()
        except RuntimeError:  # no such home
            root = Path(name)
        if not root.is_dir():
            raise UserError(f"--root {name} is no folder.", "Name one that exists.")
        roots.append(str(root))
    return tuple(roots)


def _notice(serving: Serving) -> str:
    """What whoever opens a server should know, in a few lines."""
    limits = serving.limits
    folders = "the bundled models alone"
    if serving.roots:
        folders = f"folders below {' and '.join(serving.roots)}"
    elif not serving.demo:
        folders = "no folder of this computer (--root DIR opens one)"
    hub = "fetch from the hub and push" if serving.downloads else "not fetch from the hub nor push"
    return (
        f"Whoever reaches {serving.host} can use this server; it asks nobody for a password, and"
        " does not encrypt: put a proxy with HTTPS before it, or use it where you trust all.\n"
        f"Visitors may use {folders}, and may {hub}. Limits: {limits.upload_mb} MB a file,"
        f" {limits.clip_seconds:g} s a clip, {limits.jobs} jobs a visitor,"
        f" {limits.jobs_in_all} in all."
    )
