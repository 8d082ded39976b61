"""The direction of imports: a package imports from those before it, never from those after it.

The order is that of the picture in CONTRIBUTING.md. Packages that share a floor are siblings:
neither imports the other. Imports inside functions and under TYPE_CHECKING count, too.
"""

from pathlib import Path

from tests.helpers.imports import (
    MAKERS,
    PRODUCT,
    ROOT,
    files,
    imports,
    module_name,
    refuse,
    relative,
)

PAGE = "a page"
"""The room of the scripts that lie in pages/ itself: one per page of the app."""

FLOORS: tuple[tuple[str, ...], ...] = (
    ("analysis",),  # the name and the version only
    ("analysis.errors",),
    ("analysis.wording",),
    ("analysis.progress",),
    ("analysis.turns",),
    ("analysis.eviction",),
    ("analysis.files",),
    ("analysis.shipped",),
    ("analysis.cache",),
    ("analysis.tables",),
    ("analysis.memory",),
    ("analysis.plan",),
    ("analysis.serving",),
    ("analysis.models",),
    ("analysis.speech",),
    ("analysis.clustering",),
    ("analysis.compression",),
    ("analysis.delivery", "analysis.evaluation", "analysis.inspection"),
    ("analysis.training",),
    ("analysis.figures",),
    ("analysis.cli",),
    ("coalesce",),
    ("pages",),
    ("pages.widgets",),
    ("pages.session",),
    ("pages.listening",),
    ("pages.planning",),
    ("pages.exploring",),
    ("pages.variants",),
    ("pages.runs",),
    ("pages.frame",),
    (PAGE,),
    ("app",),
)
"""From the ground up."""

_FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: str) -> str:
    """The package that a module of the product belongs to.

    >>> room_of("analysis.models.architectures.whisper"), room_of("pages.compress")
    ('analysis.models', 'a page')
    """
    parts = module.split(".")
    if parts[0] in ("app", "coalesce"):
        return parts[0]
    if parts[0] == "pages" and len(parts) == 2 and (ROOT / "pages" / f"{parts[1]}.py").is_file():
        return PAGE
    return ".".join(parts[:2])


def test_every_package_has_its_place() -> None:
    refuse(
        [
            f"{relative(path)} lies in {room_of(module_name(path))}, which has no floor: add it to"
            " FLOORS in tests/rules/test_package_order.py and to the picture in CONTRIBUTING.md."
            for path in files(*PRODUCT)
            if room_of(module_name(path)) not in _FLOOR
        ]
    )


def test_every_place_has_its_package() -> None:
    there = {room_of(module_name(path)) for path in files(*PRODUCT)} | {"coalesce"}
    refuse(
        [
            f"tests/rules/test_package_order.py gives {room} a floor, and there is no such package:"
            " remove it from FLOORS and from the picture in CONTRIBUTING.md."
            for room in _FLOOR
            if room not in there
        ]
    )


def _offences(path: Path) -> list[str]:
    own = room_of(module_name(path))
    found = []
    for target in imports(path):
        other = room_of(target.module)
        if target.top not in ("analysis", "coalesce", "pages", "app") or other == own != PAGE:
            continue
        says = f"{target.place} imports {target.module}, "
        if own == other == PAGE:
            says += "and no page imports another page: move what both need into a package of pages/"
        elif _FLOOR.get(other, -1) > _FLOOR[own]:
            says += f"and {own} comes before {other}: move what is needed into {own} or a package"
            says += " before it, or let the caller hand it in"
        elif _FLOOR.get(other, -1) == _FLOOR[own]:
            says += f"and {own} and {other} are siblings: move what both need into a package before"
            says += " them"
        else:
            continue
        found.append(f"{says}.")
    return found


def test_imports_go_one_way() -> None:
    placed = [path for path in files(*PRODUCT) if room_of(module_name(path)) in _FLOOR]
    refuse([sentence for path in placed for sentence in _offences(path)])


def test_the_pages_do_not_use_the_shell() -> None:
    refuse(
        [
            f"{found.place} imports {found.module}, and pages know nothing of the shell: move what"
            " both need into a package of analysis/ before analysis/cli."
            for path in files("pages", "app.py")
            for found in imports(path)
            if room_of(found.module) == "analysis.cli"
        ]
    )


def test_the_product_does_not_use_its_makers() -> None:
    refuse(
        [
            f"{found.place} imports {found.module}, and {found.top}/ is not part of what a visitor"
            " runs: move what is needed into analysis/."
            for path in files(*PRODUCT)
            for found in imports(path)
            if found.top in (*MAKERS, "tests")
        ]
    )


def test_the_makers_do_not_use_the_pages() -> None:
    refuse(
        [
            f"{found.place} imports {found.module}, and {relative(path).partition('/')[0]}/ works"
            " without a screen: call analysis/ instead."
            for path in files(*MAKERS)
            for found in imports(path)
            if found.top in ("pages", "app", "tests")
        ]
    )
