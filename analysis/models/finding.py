"""Which models are at hand or easy to get: in folders, in the hub's cache, and well known ones."""

import json
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub.constants import HF_HUB_CACHE

from analysis.models.architectures import ARCHITECTURES
from analysis.serving import serving

ROOTS_VARIABLE = "COALESCE_FOLDERS"
"""Environment variable with the folders below which models may be looked for, as in PATH."""

_CONFIG = "config.json"
_MOST_BYTES = 1_000_000  # of a config.json that is read
_DEEPEST = 4  # levels below a folder that are searched for a model
_MOST_FOLDERS = 2000  # that are opened for one listing: a home may be large


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A checkpoint on the hub that is known to work.

    Parameters
    ----------
    id : str
        owner/name.
    parameters : float
    licence : str
        Empty where the model's card should be asked.
    """

    id: str
    parameters: float
    licence: str = ""


SUGGESTIONS: Sequence[Suggestion] = (
    Suggestion("openai/whisper-tiny.en", 37.8e6),
    Suggestion("openai/whisper-tiny", 37.8e6),
    Suggestion("openai/whisper-base", 72.6e6),
    Suggestion("openai/whisper-small", 242e6),
    Suggestion("openai/whisper-medium", 764e6),
    Suggestion("openai/whisper-large-v3", 1.54e9),
    Suggestion("openai/whisper-large-v3-turbo", 809e6, "MIT"),
    Suggestion("facebook/wav2vec2-base-960h", 94.4e6, "Apache-2.0"),
    Suggestion("facebook/hubert-large-ls960-ft", 315e6, "Apache-2.0"),
)
"""The smallest of each family first."""


@dataclass(frozen=True, slots=True)
class FoundFolder:
    """A folder that is a model, or has one below it.

    Parameters
    ----------
    path : Path
    is_model : bool
    """

    path: Path
    is_model: bool


def model_roots() -> list[Path]:
    """The folders below which models may be looked for: the one place that says so.

    Those that a server is confined to; else those of `ROOTS_VARIABLE`; without it, the home and the
    current folder.
    """
    if serving().is_confined:
        return [Path(root) for root in serving().roots]
    named = os.environ.get(ROOTS_VARIABLE, "").split(os.pathsep)
    chosen = [Path(name).expanduser() for name in named if name] or [Path.home(), Path.cwd()]
    return list(dict.fromkeys(path.resolve() for path in chosen if path.is_dir()))


def is_allowed(folder: Path, roots: Sequence[Path]) -> bool:
    """Whether a folder is one of the roots or lies below one, links followed."""
    return any(folder.resolve().is_relative_to(root) for root in roots)


def is_model(folder: Path) -> bool:
    """Whether a folder holds a config.json of a family that Coalesce knows."""
    path = folder / _CONFIG
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return False
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    kind = config.get("model_type") if isinstance(config, dict) else None
    return isinstance(kind, str) and kind in ARCHITECTURES


def list_folders(folder: Path, roots: Sequence[Path]) -> list[FoundFolder]:
    """The folders in a folder that are models or lead to one, by name; hidden ones are left out.

    The search is four levels deep. Where so many folders are opened that it has to be given up,
    what was not searched is listed, too.

    Parameters
    ----------
    folder : Path
    roots : sequence of Path
        Nothing outside of them is looked at, whatever a link says.

    Returns
    -------
    list of FoundFolder
        Models first.
    """
    if not is_allowed(folder, roots):
        return []
    left = _MOST_FOLDERS
    found = []
    for inner in _inside(folder, roots):
        own = is_model(inner)
        opened, leads = (0, True) if own else _search(inner, roots, left)
        left -= opened
        if leads:
            found.append(FoundFolder(inner, own))
    return sorted(found, key=lambda one: (not one.is_model, one.path.name.lower()))


def _search(folder: Path, roots: Sequence[Path], most: int) -> tuple[int, bool]:
    """How many folders were opened, and whether a model is below one, nearest levels first."""
    waiting, opened = deque([(folder, 1)]), 0
    while waiting:
        if opened >= most:
            return opened, True
        here, depth = waiting.popleft()
        opened += 1
        for inner in _inside(here, roots):
            if is_model(inner):
                return opened, True
            if depth < _DEEPEST:
                waiting.append((inner, depth + 1))
    return opened, False


def _inside(folder: Path, roots: Sequence[Path]) -> Iterator[Path]:
    """Folders in a folder; none where it may not be read."""
    try:
        with os.scandir(folder) as entries:
            names = [entry for entry in entries if not entry.name.startswith(".")]
            inner = [Path(entry.path) for entry in names if entry.is_dir()]
    except OSError:
        return
    yield from (path for path in inner if is_allowed(path, roots))


def cached_models() -> list[str]:
    """Hub ids of the models in the hub's cache that Coalesce knows, by name."""
    found = set()
    try:
        kept = sorted(Path(HF_HUB_CACHE).glob("models--*--*"))
    except OSError:
        return []
    for folder in kept:
        owner, _, name = folder.name.removeprefix("models--").partition("--")
        snapshots = folder / "snapshots"
        if any(
            is_model(snapshot) and any(snapshot.glob("*.safetensors"))
            for snapshot in snapshots.glob("*")
        ):
            found.add(f"{owner}/{name}")
    return sorted(found, key=str.lower)
