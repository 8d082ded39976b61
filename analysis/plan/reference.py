"""The reference of all options as Markdown, written from their declarations.

``python -m analysis.plan.reference`` prints what `docs/recipe.md` holds.
"""

from collections.abc import Iterator

from pydantic import BaseModel

from analysis.plan.budget import Budget
from analysis.plan.options import Declared, declared
from analysis.plan.recipe import Recipe
from analysis.plan.training_settings import GateSettings, TrainingSettings

_PARTS: tuple[tuple[str, str, type[BaseModel]], ...] = (
    (
        "Recipe",
        "How a model is compressed: `coalesce compress`, **Compress**, methods of a sweep, plans.",
        Recipe,
    ),
    (
        "Budget",
        "What a compressed model may cost, instead of a sparsity: `coalesce compress`, **Fit a"
        " budget** on Compress.",
        Budget,
    ),
    ("Training", "How a model is trained on: `coalesce finetune` and `pinch`.", TrainingSettings),
    ("Gates", "How a model is pinched while it is trained: `coalesce pinch`.", GateSettings),
)


def reference() -> str:
    """All options with their flags, defaults, limits and choices, as Markdown."""
    lines = [
        "# Options",
        "",
        "Every option is declared once, in `analysis/plan/`. The shell's flags, the page's",
        "controls, plans in JSON and this page follow from the declaration (`make docs`).",
    ]
    for title, sentence, settings in _PARTS:
        lines += ["", f"## {title}", "", sentence]
        for option in declared(settings):
            lines += ["", *_described(option)]
    return "\n".join(lines) + "\n"


def _described(option: Declared) -> Iterator[str]:
    words = option.option
    yield f"### {words.label}: `{option.name}`, `--{option.flag}`"
    yield ""
    limits = f" {option.limits[0].upper()}{option.limits[1:]}." if option.limits else ""
    yield f"{words.help}{limits} Default: {option.default_in_words}."
    if words.choices:
        yield ""
    for name, sentence in words.choices.items():
        notes = [f"in the shell by `{words.elsewhere[name]}`"] if name in words.elsewhere else []
        notes += ["not data-free"] if name in words.needs_data else []
        note = f" ({', '.join(notes)})" if notes else ""
        yield f"- `{name}`{note}: {sentence}"


if __name__ == "__main__":
    print(reference(), end="")
