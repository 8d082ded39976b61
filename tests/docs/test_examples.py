"""Every example of the documentation does what a reader who copies it wants it to do.

Python runs, block after block of a page in one namespace, unless the line above the fence is
``<!-- not run: why -->``. Shell lines that call Coalesce are given to its parser; those under
``<!-- run -->`` run.
"""

import importlib.util
import re
import shlex
from glob import glob
from pathlib import Path

import pytest

from analysis.cli.parser import command_line, main
from tests.helpers.documents import DOCUMENTS, Example, commands, examples, name_of
from tests.helpers.places import DEMO

ELSEWHERE = "notebook example"
"""README's example, which the façade's own tests run and check."""

SHELL = [each for path in DOCUMENTS for each in examples(path, "sh")]
RUN = [each for each in SHELL if each.note == "run"]
PYTHON = {
    path: found
    for path in DOCUMENTS
    if (
        found := [
            each
            for each in examples(path, "python")
            if each.note != ELSEWHERE and not each.note.startswith("not run: ")
        ]
    )
}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the bundled recordings where they are in a clone."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").symlink_to(DEMO)
    return tmp_path


def arguments(line: str) -> list[str] | None:
    """What a command line gives to ``coalesce``; None where it calls another program."""
    words = shlex.split(line, comments=True)
    if words[:1] == ["coalesce"]:
        return words[1:]
    place = next(
        (i for i, word in enumerate(words) if words[i : i + 2] == ["-m", "coalesce"]), None
    )
    return None if place is None else words[place + 2 :]


def spread(words: list[str]) -> list[str]:
    """Words as a shell hands them on: a pattern becomes the files that it fits."""
    return [name for word in words for name in (sorted(glob(word)) if "*" in word else [word])]


@pytest.mark.parametrize("example", SHELL, ids=str)
def test_every_command_line_is_one_that_coalesce_takes(example: Example) -> None:
    for line in commands(example):
        given = arguments(line)
        if given is not None and "--help" not in given:
            try:
                command_line().parse_args(given)
            except SystemExit:
                pytest.fail(f"{example}: coalesce refuses “{line}”")
        for module in re.findall(r"-m ((?:benchmarks|analysis|demo)[.\w]*)", line):
            assert importlib.util.find_spec(module), f"{example}: there is no {module}"


@pytest.mark.slow
@pytest.mark.parametrize("example", RUN, ids=str)
def test_shell_examples_run(example: Example, desk: Path) -> None:
    for line in commands(example):
        given = arguments(line)
        if given is None:
            pytest.fail(f"{example}: “{line}” is no call of coalesce; leave it out of what is run")
        assert main(spread(given)) == 0, f"{example}: {line}"


@pytest.mark.slow
@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_python_examples_run(path: Path, desk: Path) -> None:
    namespace: dict[str, object] = {"__name__": "example"}
    for example in PYTHON[path]:
        exec(compile("\n" * (example.line - 1) + example.text, str(path), "exec"), namespace)
