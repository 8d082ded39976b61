"""Files and folders: what lies below one, and writing that is whole or not at all."""

import errno
import os
import platform
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from safetensors import SafetensorError

from analysis.errors import UserError

PROJECT = Path(__file__).resolve().parent.parent
"""Where the parts of Coalesce lie side by side: `analysis`, `pages`, `demo` and `app.py`."""

_MOST_SETTINGS_BYTES = 16_000_000  # plans and descriptions of sweeps take some kilobytes


def files_below(root: Path, unlisted: Callable[[OSError], None] | None = None) -> list[Path]:
    """All files below a folder, sorted; every folder once, whatever links lead to it.

    Parameters
    ----------
    root : Path
    unlisted : callable, optional
        Told of each folder that cannot be listed; without it they are passed over.
    """
    found: list[Path] = []
    inside = Path(os.path.realpath(root))
    visited = {inside}
    for folder, subfolders, names in os.walk(root, onerror=unlisted, followlinks=True):
        found += [Path(folder, name) for name in names]
        wanted = []
        for name in sorted(subfolders):
            path = Path(folder, name)
            real = Path(os.path.realpath(path))
            # a link back into the root would name its files a second time
            if real in visited or (path.is_symlink() and real.is_relative_to(inside)):
                continue
            visited.add(real)
            wanted.append(name)
        subfolders[:] = wanted
    return sorted(found)


def absolute(path: str | Path) -> Path:
    """What lies behind a path and its links, whether it exists or not.

    Raises
    ------
    UserError
        Where links lead in a circle, or to the home of a user who is not here.
    """
    try:
        found = Path(path).expanduser().resolve()
        str(found).encode()
    except UnicodeEncodeError as error:  # its bytes are no UTF-8, which safetensors asks for
        shown = os.fsencode(path).decode(errors="replace")
        raise UserError(
            f"The path {shown} is not written in UTF-8.", "Choose a folder of another name."
        ) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"{path} leads nowhere: {str(error).rstrip('.')}.",
            "Check the path and the links in it.",
        ) from error
    return found


def read_bytes(path: Path) -> bytes:
    """Bytes of a regular file; a pipe or a device may never end.

    Raises
    ------
    OSError
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return path.read_bytes()


def read_settings(path: Path) -> str:
    """Text of a plan or the like, which may come through a pipe.

    Raises
    ------
    OSError
        Where it cannot be read, or goes on for longer than any of its kind.
    UnicodeDecodeError
    """
    with path.open("rb") as file:
        content = file.read(_MOST_SETTINGS_BYTES + 1)
    if len(content) > _MOST_SETTINGS_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {_MOST_SETTINGS_BYTES:,} bytes", str(path))
    return content.decode()


def replace_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all; see `replace_bytes`."""
    replace_bytes(path, text.encode())


def replace_bytes(path: Path, content: bytes) -> None:
    """Write a file through a temporary sibling, so that it is never there in half.

    Raises
    ------
    OSError
        Where it cannot be written, or something is there that is no file, such as a device.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "It is there, and it is no file", str(path))
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        error.filename, error.filename2 = str(path), None  # nobody knows the temporary one
        raise


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A temporary sibling to write into, which becomes `folder` when all went well.

    Parameters
    ----------
    folder : Path
        Absolute.

    Raises
    ------
    UserError
        When it cannot be written, or the disk is full.
    """
    temporary: Path | None = None
    try:
        temporary = _sibling(folder, "new")
        yield temporary
        temporary.chmod(0o755)  # mkdtemp makes private folders
        _put_in_place(temporary, folder)
    except (OSError, SafetensorError) as error:
        # safetensors has its own exception, which holds the number of the fault in its text only
        full = f"os error {errno.ENOSPC}" in str(error) or (
            isinstance(error, OSError) and error.errno == errno.ENOSPC
        )
        raise UserError(
            f"The disk is full; {folder.name} was not saved."
            if full
            else f"{folder} cannot be written.",
            "Free some space and save again." if full else "Choose another folder.",
            str(error),
        ) from error
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)


def _sibling(folder: Path, purpose: str) -> Path:
    """A new folder beside `folder`, named after the process that writes it."""
    owner = f"{platform.node()}-{os.getpid()}"
    return Path(tempfile.mkdtemp(prefix=f".{folder.name}.{purpose}-{owner}-", dir=folder.parent))


def _put_in_place(temporary: Path, folder: Path) -> None:
    """Rename; what was there before is set aside first and put back if that fails."""
    if not folder.exists():
        temporary.replace(folder)
        return
    aside = _sibling(folder, "old")
    try:
        folder.replace(aside / folder.name)
        temporary.replace(folder)
    except OSError:
        if not folder.exists():
            (aside / folder.name).replace(folder)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def clear_leftovers(folder: Path) -> None:
    """Undo what killed saves of this machine left in a folder, whatever they were to write.

    Parameters
    ----------
    folder : Path
        In which models are saved; what a process that is alive may own stays.
    """
    pattern = re.compile(rf"\.(.+)\.(new|old)-{re.escape(platform.node())}-(\d+)-\w+")
    for path in folder.iterdir():
        found = pattern.fullmatch(path.name)
        if found is None or _is_owned(path, int(found[3])):
            continue
        target = folder / found[1]
        before = path / target.name
        if found[2] == "old" and before.exists() and not target.exists():
            before.replace(target)  # killed between the two renames
        shutil.rmtree(path, ignore_errors=True)


def _is_owned(path: Path, pid: int) -> bool:
    """Whether the process that made a temporary folder may still be writing into it."""
    try:
        # a number that was given anew belongs to a process that is younger than the folder
        return psutil.Process(pid).create_time() <= path.stat().st_mtime + 1
    except psutil.NoSuchProcess:
        return False
    except (psutil.Error, OSError):
        return True
