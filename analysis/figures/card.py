"""A comparison as a picture to post: what is said, and what each model made of it."""

import io
from collections.abc import Iterator, Sequence, Set
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from analysis.errors import UserError
from analysis.figures.palette import BACKGROUNDS, DIFFERENCES, INKS, TEXTS
from analysis.figures.report import Compared, Theme

SIZE = (1200, 630)
"""Pixels, as social networks show pictures of links."""

_MARGIN, _GAP = 56, 10
_LETTERS = {"substitute": "S", "delete": "D", "insert": "I"}

_OWN = ""
"""Pillow's own font, which has the letters of ASCII."""

_FACES = (
    _OWN,
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf", "segoeui.ttf", "arial.ttf", "Arial Unicode.ttf"),
    *("NotoSansCJK-Regular.ttc", "msgothic.ttc", "msyh.ttc", "malgun.ttf", "Hiragino Sans GB.ttc"),
)
"""Files of fonts as systems have them; the first that has all letters of a card is taken. Scripts
whose letters join or change places are left to the report, where a browser sets them."""

Mark = tuple[str, str]
"""A word, and the kind of its span."""


def comparison_card(
    title: str, reference: str, models: Sequence[Compared], theme: Theme = "light"
) -> bytes:
    """The picture, as PNG.

    Parameters
    ----------
    title : str
        Of the clip.
    reference : str
        What is said; may be empty.
    models : sequence of Compared
        The original first; each gets an equal share of the height, and long texts end in "…".
    theme : {"light", "dark"}

    Returns
    -------
    bytes

    Raises
    ------
    UserError
        See `check_letters`.
    """
    face = check_letters(title, reference, models)
    picture = Image.new("RGB", SIZE, BACKGROUNDS[theme][0])
    draw = ImageDraw.Draw(picture)
    width = SIZE[0] - 2 * _MARGIN
    y = _MARGIN - 12
    draw.text((_MARGIN, y), _cut(title, face, 34, width), TEXTS[theme], _font(face, 34))
    y += 52
    if reference.strip():
        said = _cut(f"Said: {reference}", face, 22, width)
        draw.text((_MARGIN, y), said, INKS[theme], _font(face, 22))
    y += 44
    share = (SIZE[1] - y - _MARGIN) // max(1, len(models))
    for model in models:
        _row(draw, model, y, share, theme, face)
        y += share
    draw.text((_MARGIN, SIZE[1] - 44), "Coalesce", INKS[theme], _font(face, 18))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _row(
    draw: ImageDraw.ImageDraw, model: Compared, top: int, height: int, theme: Theme, face: str
) -> None:
    """One model: a square in its colour, name and error, and its words in the room below."""
    draw.rectangle((_MARGIN, top + 5, _MARGIN + 16, top + 21), model.color)
    name = _cut(model.name, face, 22, 520)
    draw.text((_MARGIN + 28, top), name, TEXTS[theme], _font(face, 22))
    rate = model.rate.split(" · ")[0]
    draw.text((SIZE[0] - _MARGIN, top), rate, TEXTS[theme], _font(face, 22), anchor="ra")
    font, line, x, y = _font(face, 26), 40, _MARGIN, top + 34
    for word, kind in _words(model):
        letter = _LETTERS.get(kind, "")
        long = font.getlength(word) + (14 if letter else 0)
        if x + long > SIZE[0] - _MARGIN and x > _MARGIN:
            x, y = _MARGIN, y + line
        last = y + 2 * line > top + height
        if last and x + long + 40 > SIZE[0] - _MARGIN:
            draw.text((x, y), "…", TEXTS[theme], font)
            return
        draw.text((x, y), word, TEXTS[theme], font)
        if letter:
            _mark(draw, kind, x, y, font.getlength(word))
            draw.text((x + font.getlength(word) + 2, y - 4), letter, TEXTS[theme], _font(face, 14))
        x += int(long) + _GAP


def _mark(draw: ImageDraw.ImageDraw, kind: str, x: float, y: float, long: float) -> None:
    """The shape of a difference: underlined, struck through, boxed."""
    color = DIFFERENCES[kind]
    if kind == "insert":
        draw.rounded_rectangle((x - 3, y - 1, x + long + 1, y + 33), 4, outline=color, width=2)
    else:
        level = y + (33 if kind == "substitute" else 18)
        draw.line((x, level, x + long, level), color, 3)


def _words(model: Compared) -> Iterator[Mark]:
    if model.score is None:
        yield from ((word, "equal") for word in model.text.split())
        return
    for span in model.score.alignment:
        for word in span.reference if span.kind == "delete" else span.hypothesis:
            yield word, span.kind


@cache
def _font(face: str, size: int) -> ImageFont.FreeTypeFont:
    """A font of one of `_FACES`.

    Raises
    ------
    OSError
        Where this system does not have it.
    """
    font = ImageFont.truetype(face, size) if face else ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow comes with FreeType"
    return font


def _cut(text: str, face: str, size: int, width: int) -> str:
    """As much of a text as fits, with "…" where it does not."""
    font, text = _font(face, size), " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


def check_letters(title: str, reference: str, models: Sequence[Compared]) -> str:
    """Find the font of a card, and refuse what would come out as empty boxes.

    Returns
    -------
    str
        The first of the known font files on this system that has all letters.

    Raises
    ------
    UserError
        Where none has them; names a letter that is in none.
    """
    texts = [title, reference, *(f"{model.name}{model.text}" for model in models)]
    wanted = {letter for letter in "".join(texts) if not letter.isspace()}
    lacking = wanted
    for face in _FACES:
        missing = _missing(face, wanted)
        if not missing:
            return face
        lacking = lacking & missing or lacking
    raise UserError(
        f"No font of the picture on this server has “{min(lacking)}”.",
        "Take the HTML report, which shows it.",
    )


def _missing(face: str, letters: Set[str]) -> Set[str]:
    """Of the letters, those for which a font has a box only; all where the system lacks it."""
    try:
        font = _font(face, 22)
    except OSError:
        return letters
    box = bytes(font.getmask("\U0010ffff"))
    return {letter for letter in letters if bytes(font.getmask(letter)) == box}
