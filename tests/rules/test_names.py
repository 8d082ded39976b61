"""Names that say nothing are refused, and test modules borrow from tests/helpers only."""

from tests.helpers.imports import MAKERS, PRODUCT, ROOT, files, imports, refuse, relative

EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}


def test_no_room_for_odds_and_ends() -> None:
    refuse(
        [
            f"{relative(path)} lies in or is called “{name}”, which does not say what is there:"
            " name it after the one thing that it does."
            for path in files(*PRODUCT, *MAKERS, "tests")
            for name in (*path.relative_to(ROOT).parts[:-1], path.stem)
            if name in EMPTY_NAMES and not relative(path).startswith("tests/helpers/")
        ]
    )


def test_tests_borrow_from_the_helpers_only() -> None:
    refuse(
        [
            f"{found.place} imports {found.module}, and a test module is nobody's library: move"
            " what both need into a module of tests/helpers/."
            for path in files("tests")
            for found in imports(path)
            if found.top in ("tests", "conftest")
            and found.module != "tests.helpers"
            and not found.module.startswith("tests.helpers.")
        ]
    )
