"""No module imports itself through others: lazy and TYPE_CHECKING imports count, too."""

from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from tests.helpers.imports import MAKERS, PRODUCT, files, imports, module_name, refuse


def test_no_circle_of_modules() -> None:
    places: dict[tuple[str, str], str] = {}
    arrows: dict[str, set[str]] = {}
    for path in files(*PRODUCT, *MAKERS, "tests/helpers"):
        arrows[module_name(path)] = set()
        for found in imports(path):
            if found.module != module_name(path):
                arrows[module_name(path)].add(found.module)
                places.setdefault((module_name(path), found.module), found.place)
    circles = []
    while True:
        try:
            TopologicalSorter(arrows).prepare()
        except CycleError as error:
            # graphlib lists each module before the one that imports it
            circle = list(reversed(error.args[1]))
            steps = [f"{places[pair]} imports {pair[1]}" for pair in pairwise(circle)]
            circles.append(
                f"These imports go in a circle: {', '.join(steps)}; move what they share into a"
                " module that imports none of them."
            )
            arrows[circle[0]].discard(circle[1])
        else:
            break
    refuse(circles)
