"""What every file imports, read off its syntax tree: lazy and TYPE_CHECKING imports included."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("analysis", "coalesce", "pages", "app.py")
"""What a visitor runs; `coalesce` may be there or not."""
MAKERS = ("demo", "benchmarks")
"""What made the demo models and the figures in docs/."""


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module.

    Parameters
    ----------
    file : Path
        The file that imports.
    line : int
    module : str
        Dotted name; `from analysis import files` names `analysis.files`.
    """

    file: Path
    line: int
    module: str

    @property
    def place(self) -> str:
        """File and line, from the root of the repository."""
        return f"{relative(self.file)}:{self.line}"

    @property
    def top(self) -> str:
        """The first part of the module's name."""
        return self.module.partition(".")[0]


def relative(path: Path, root: Path = ROOT) -> str:
    """A path as a person in the root of the repository writes it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def files(*parts: str, root: Path = ROOT) -> list[Path]:
    """The Python files of the parts of the repository that are there, sorted."""
    found: set[Path] = set()
    for part in parts:
        path = root / part
        found |= set(path.rglob("*.py")) if path.is_dir() else {path} if path.is_file() else set()
    return sorted(path for path in found if "__pycache__" not in path.parts)


def module_name(path: Path, root: Path = ROOT) -> str:
    """Dotted name of a file: `pages/frame/__init__.py` is `pages.frame`."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str, root: Path = ROOT) -> bool:
    """Whether a dotted name is a module or package of this repository."""
    path = root.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path, root: Path = ROOT) -> Iterator[Import]:
    """Everything that a file imports, wherever in it."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, path, root)
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield Import(path, node.lineno, whole if is_module(whole, root) else base)


def _absolute(node: ast.ImportFrom, path: Path, root: Path) -> str:
    if not node.level:
        return node.module or ""
    package = path.relative_to(root).parent.parts
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *([node.module] if node.module else [])])


def refuse(offences: Sequence[str]) -> None:
    """Fail with one sentence per offence, and nothing else."""
    if offences:
        pytest.fail("\n".join(dict.fromkeys(offences)), pytrace=False)
