"""What lies below a folder, links followed."""

import os
from collections.abc import Callable
from pathlib import Path


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
