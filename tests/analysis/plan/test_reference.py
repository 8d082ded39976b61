"""The reference of the options says what is declared; the file in docs is the one it gives."""

from analysis.plan.choices import METHODS
from analysis.plan.reference import reference
from tests.helpers.places import ROOT


def test_the_file_in_docs_is_what_the_declarations_give() -> None:
    written = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
    assert written == reference(), "docs/recipe.md is older than the options: run `make docs`."


def test_every_choice_is_there_with_its_sentence() -> None:
    text = reference()
    for name, sentence in METHODS.items():
        assert f"- `{name}`: {sentence}" in text
    assert "- `calibrated` (in the shell by `--calibrate DIR`, not data-free):" in text
    assert "### Rate of the thresholds: `learning_rate`, `--threshold-rate`" in text
