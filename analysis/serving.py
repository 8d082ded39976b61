"""What a server allows its visitors: the one place that says so, for pages, jobs and the shell.

`coalesce app` writes the settings into the environment of the process that serves. A server that
only its own computer reaches, which is the default, allows everything.
"""

import json
import os
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import Field

from analysis.errors import UserError
from analysis.plan.options import Option
from analysis.plan.validation import Checked

VARIABLE = "COALESCE_SERVING"
"""Environment variable with the settings of the server, as JSON."""

OWN_MODEL = "COALESCE_MODEL"
"""Environment variable with the model that the server was started with."""

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much visitors may ask for.

    Parameters
    ----------
    upload_mb : int
        Of one file.
    clip_seconds : float
        Of one clip.
    jobs : int
        That one visitor may have running and waiting.
    jobs_in_all : int
        Of all visitors.
    """

    upload_mb: int
    clip_seconds: float
    jobs: int
    jobs_in_all: int


# The longest clip that is transcribed is an hour: as 16-bit stereo at 44.1 kHz about 640 MB.
_PRIVATE = Limits(upload_mb=1000, clip_seconds=3600.0, jobs=1000, jobs_in_all=1000)
_OPEN = Limits(upload_mb=100, clip_seconds=600.0, jobs=12, jobs_in_all=96)
_DEMO = Limits(upload_mb=20, clip_seconds=60.0, jobs=8, jobs_in_all=96)


class Serving(Checked, title="setting of the server"):
    """How a server was started.

    Raises
    ------
    UserError
        For a value that makes no sense.
    """

    host: Annotated[
        str,
        Field(min_length=1),
        Option(
            "Host",
            "Address to listen on; 0.0.0.0 lets other computers in, and the limits below hold.",
        ),
    ] = LOOPBACK
    demo: Annotated[
        bool,
        Option("Demo", "For the public: bundled models, short clips, nothing is kept or written."),
    ] = False
    allow_downloads: Annotated[
        bool,
        Option(
            "Downloads",
            "Visitors of an open server may fetch models and data from the hub, and push.",
        ),
    ] = False
    max_upload: Annotated[
        int | None,
        Field(ge=1, le=100_000),
        Option("Upload", "MB of one file.", by_default="1000; open 100; demo 20"),
    ] = None
    max_clip: Annotated[
        float | None,
        Field(gt=0, le=_PRIVATE.clip_seconds),
        Option("Clip", "Seconds of one clip.", by_default="3600; open 600; demo 60"),
    ] = None
    max_jobs: Annotated[
        int | None,
        Field(ge=1),
        Option("Jobs", "Running and waiting, of one visitor.", by_default="no limit; open 12"),
    ] = None
    max_jobs_in_all: Annotated[
        int | None,
        Field(ge=1),
        Option("Jobs in all", "Of all visitors together.", by_default="no limit; open 96"),
    ] = None
    roots: Annotated[tuple[str, ...], Field(strict=False)] = ()  # JSON gives a list

    @property
    def is_open(self) -> bool:
        """Whether others than the person at this computer may be the visitors."""
        return self.demo or not _is_loopback(self.host)

    @property
    def limits(self) -> Limits:
        """What was asked for, else what suits the kind of server."""
        usual = _DEMO if self.demo else _OPEN if self.is_open else _PRIVATE
        return Limits(
            self.max_upload or usual.upload_mb,
            self.max_clip or usual.clip_seconds,
            self.max_jobs or usual.jobs,
            self.max_jobs_in_all or usual.jobs_in_all,
        )

    @property
    def downloads(self) -> bool:
        """Whether models and data may be fetched from the hub, and models pushed to it."""
        return not self.demo and (self.allow_downloads or not self.is_open)

    @property
    def writes(self) -> bool:
        """Whether anything that a visitor made is written to the server's disk."""
        return not self.demo

    @property
    def is_confined(self) -> bool:
        """Whether folders outside `roots` are out of reach."""
        return self.is_open or bool(self.roots)

    @property
    def folders(self) -> bool:
        """Whether visitors may name folders of the server at all."""
        return not self.demo and (bool(self.roots) or not self.is_open)

    def allows_folder(self, folder: str | Path, *, within: str | Path | None = None) -> bool:
        """Whether a visitor may name a folder or file: links are followed, and it need not exist.

        Parameters
        ----------
        folder : str or Path
        within : str or Path, optional
            A folder that the visitor may read besides, such as that of their upload.
        """
        if not self.is_confined:
            return True
        allowed = [*(self.roots if self.folders else ()), *([within] if within else ())]
        try:
            path = Path(folder).expanduser().resolve()
            return any(path.is_relative_to(Path(root).expanduser().resolve()) for root in allowed)
        except (OSError, RuntimeError, ValueError):  # no such home, too long, a loop of links
            return False

    def allows_contents(self, folder: str | Path) -> bool:
        """Whether a visitor may name a folder, and none of its files is a link that leads out."""
        if not self.allows_folder(folder):
            return False
        return all(map(self.allows_folder, Path(folder).expanduser().glob("*")))

    def require_folder(self, folder: str | Path, *, contents: bool = False) -> None:
        """Refuse a folder that is out of reach, in words that do not tell whether it exists.

        Parameters
        ----------
        folder : str or Path
        contents : bool
            Whether its files are going to be read as well.

        Raises
        ------
        UserError
        """
        if not (self.allows_contents(folder) if contents else self.allows_folder(folder)):
            where = f" Folders below {' and '.join(self.roots)} are." if self.folders else ""
            raise UserError(
                f"This folder or file is not open to visitors of this server.{where}",
                "Ask who runs the server (coalesce app --root).",
            )

    def require_downloads(self) -> None:
        """Refuse to fetch from the hub, or push to it, where visitors may not.

        Raises
        ------
        UserError
        """
        if not self.downloads:
            raise UserError(
                "Visitors of this server may not fetch from the hub, nor push to it.",
                "Choose what is bundled, or ask who runs it (coalesce app --allow-downloads).",
            )

    def require_writing(self) -> None:
        """Refuse what would be written for a visitor, on a server that writes nothing.

        Raises
        ------
        UserError
        """
        if not self.writes:
            raise UserError(
                "This is a demonstration, which writes nothing to its server.",
                "Install Coalesce on a computer of your own for that.",
            )


def serving() -> Serving:
    """The settings of this process, as `coalesce app` wrote them into its environment."""
    return _read(os.environ.get(VARIABLE, ""))


@lru_cache
def _read(text: str) -> Serving:
    return Serving.read(json.loads(text)) if text else Serving()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
