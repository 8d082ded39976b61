"""The reference of the shell says what the parser takes; the file in docs is the one it gives."""

import re

import pytest

from analysis.cli.parser import main
from analysis.cli.reference import reference
from tests.helpers.places import ROOT

SECTIONS = re.findall(r"^##+ coalesce (.+)\n((?:(?!^##).*\n)*)", reference(), re.MULTILINE)


def test_the_file_in_docs_is_what_the_parser_gives() -> None:
    written = (ROOT / "docs" / "shell.md").read_text(encoding="utf-8")
    assert written == reference(), "docs/shell.md is older than the parser: run `make docs`."


@pytest.mark.parametrize(("command", "section"), SECTIONS, ids=[name for name, _ in SECTIONS])
def test_the_help_and_the_reference_name_the_same_options(
    command: str, section: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    helped = set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out.split("\n\n", 1)[1]))
    named = set(re.findall(r"--[a-z][a-z-]*", section))
    assert helped - {"--help", "--verbose"} == named


def test_values_and_what_is_required_are_told() -> None:
    text = reference()
    assert "- `--format {ctranslate2,onnx}` (required): One of these." in text
    assert "- `--data DIR` (required): LibriSpeech folder, " in text
    assert "- `--port PORT`: Default: 8501." in text
