"""No link of the documentation is dead, and every picture is there."""

from pathlib import Path

import pytest
from PIL import Image

from tests.helpers.documents import DOCUMENTS, anchors, links, name_of
from tests.helpers.places import ROOT

PICTURES = sorted((ROOT / "docs" / "pictures").glob("*"))
MOST_BYTES = 200_000


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_link_leads_somewhere(path: Path) -> None:
    dead = []
    for target, is_picture in links(path):
        if target.startswith(("https://", "http://")):
            assert not is_picture, f"{name_of(path)} shows {target}, which the network would bring"
            continue
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        known = not anchor or (place.suffix == ".md" and anchor in anchors(place))
        if not (place.exists() and place.is_relative_to(ROOT) and known):
            dead.append(target)
    assert dead == [], f"{name_of(path)} has links that lead nowhere"


def test_anchors_are_those_of_a_forge(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# The `plan`, K & co.\n```sh\n# none\n```\n## Two-part title\n", "utf-8")
    assert anchors(page) == {"the-plan-k--co", "two-part-title"}


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_pictures_are_small_and_shown(path: Path) -> None:
    assert path.stat().st_size <= MOST_BYTES
    with Image.open(path) as image:
        image.verify()
    shown = {
        (page.parent / target).resolve()
        for page in DOCUMENTS
        for target, is_picture in links(page)
        if is_picture
    }
    assert path in shown, "no page shows it"
