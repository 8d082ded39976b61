"""The documentation as its readers get it: pages, their links, headings and fenced examples."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.places import ROOT

DOCUMENTS = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "demo/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
)

_FENCE = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"(?P<picture>!?)\[(?:[^\]\[]|\[[^\]]*\])*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Example:
    """A fenced block.

    Parameters
    ----------
    path : Path
        The page that holds it.
    line : int
        The first line of its text, from 1.
    language : str
        As the fence names it, for instance ``"python"``.
    note : str
        The comment on the line above the fence: ``run``, ``not run: why``, or another one.
    text : str
    """

    path: Path
    line: int
    language: str
    note: str
    text: str

    def __str__(self) -> str:
        return f"{name_of(self.path)}:{self.line}"


def name_of(path: Path) -> str:
    """A page's path from the root of the repository."""
    return path.relative_to(ROOT).as_posix()


def examples(path: Path, language: str) -> list[Example]:
    """The fenced blocks of one language on a page, in their order."""
    text = path.read_text(encoding="utf-8")
    return [
        Example(
            path,
            text.count("\n", 0, found.start("text")) + 1,
            language,
            found["note"] or "",
            found["text"],
        )
        for found in _FENCE.finditer(text)
        if found["language"] == language
    ]


def links(path: Path) -> list[tuple[str, bool]]:
    """Targets of a page's links, and whether each is a picture; those in examples are none."""
    text = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", path.read_text(encoding="utf-8")))
    return [(found["target"], bool(found["picture"])) for found in _LINK.finditer(text)]


def anchors(path: Path) -> set[str]:
    """What a link to a heading of a page may name, as forges and the site derive it."""
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(text))
    return {heading.strip().replace(" ", "-") for heading in plain}


def commands(example: Example) -> list[str]:
    """The command lines of a shell example, continued lines joined."""
    joined = example.text.replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip()]
