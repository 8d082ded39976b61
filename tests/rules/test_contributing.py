"""CONTRIBUTING.md stays true: its paths are there, its picture is whole, its commands exist."""

import re

from tests.helpers.imports import PRODUCT, ROOT, files, refuse

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`([\w./-]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))
PICTURE = re.search(r"```\n(analysis/ .*?)```", TEXT, re.DOTALL)


def test_the_paths_are_there() -> None:
    refuse(
        [
            f"CONTRIBUTING.md names `{name}`, which is not there: name what took its place."
            for name in NAMED
            if ("/" in name or name.endswith(".py"))
            and not name.startswith(("build/", ".venv/"))
            and name != "__init__.py"
            and not (ROOT / name).exists()
        ]
    )


def test_the_picture_shows_every_package() -> None:
    assert PICTURE is not None, "CONTRIBUTING.md has no picture that begins with analysis/."
    shown = set(re.findall(r"\w+", PICTURE.group(1)))
    parts = {path.relative_to(ROOT).parts[:2] for path in files(*PRODUCT)}
    names = {re.sub(r"\.py$", "", part[-1]) for part in parts} - {"__init__", "__main__"}
    refuse(
        [
            f"The picture in CONTRIBUTING.md does not show {name}: add it on its floor, with one"
            " line on what lives there."
            for name in sorted(names)
            if name not in shown and not (ROOT / "coalesce" / f"{name}.py").is_file()
        ]
    )


def test_the_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    used = re.findall(r"(?:^|`)make ([a-z]+)", TEXT, re.MULTILINE)
    refuse(
        [
            f"CONTRIBUTING.md says `make {name}`, and the Makefile has no such target: add it, or"
            f" name one of {', '.join(sorted(targets))}."
            for name in used
            if name not in targets
        ]
    )
    undescribed = [
        name for name in targets if not re.search(rf"^{name}:.*## \w", makefile, re.MULTILINE)
    ]
    refuse(
        [
            f"The Makefile's target {name} has no description: write one behind `##`, which"
            " `make help` shows."
            for name in sorted(undescribed)
        ]
    )
