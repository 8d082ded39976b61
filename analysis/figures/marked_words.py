"""A transcript with its differences marked: by shape, by letter, and only then by colour.

All text in it is foreign (references are typed in, transcripts are a model's, both may hold
markup), so every word is escaped before it becomes part of the HTML, and the HTML goes through
`st.html`, which sanitises it once more and runs no script.
"""

import html
from collections.abc import Iterable

from analysis.evaluation.scoring import AlignedSpan
from analysis.figures.palette import DIFFERENCES

_STYLE = "font-size:1.1rem;line-height:1.75;margin:0;overflow-wrap:anywhere"
_LETTERS = {"substitute": "S", "delete": "D", "insert": "I"}
_TAGS = {"substitute": "u", "delete": "del", "insert": "ins"}
_SHAPES = {
    "substitute": "text-decoration:underline 2.5px {color};text-underline-offset:3px",
    "delete": "text-decoration:line-through 2.5px {color}",
    "insert": "text-decoration:none;border:2px solid {color};border-radius:3px;padding:0 3px",
}


def marked_transcript(alignment: Iterable[AlignedSpan]) -> str:
    """HTML of a hypothesis against its reference.

    Parameters
    ----------
    alignment : iterable of AlignedSpan
        From `analysis.evaluation.scoring.score`.

    Returns
    -------
    str
        Safe for `st.html` whatever the words are.
    """
    words: list[str] = []
    for span in alignment:
        if span.kind == "equal":
            words += [html.escape(word) for word in span.hypothesis]
        elif span.kind == "substitute":
            pairs = zip(span.reference, span.hypothesis, strict=True)
            words += [_mark("substitute", new, f"instead of {old}") for old, new in pairs]
        elif span.kind == "delete":
            words += [_mark("delete", word, "missing here") for word in span.reference]
        else:
            words += [_mark("insert", word, "not in the reference") for word in span.hypothesis]
    return _paragraph(" ".join(words))


def plain_transcript(text: str) -> str:
    """HTML of a text as it was written, safe for `st.html`."""
    return _paragraph(html.escape(text))


def reference_text(text: str) -> str:
    """HTML of what is said, to be read above the transcripts; safe for `st.html`."""
    return f"<div dir='auto' style='{_STYLE}'>{html.escape(text)}</div>"


def scrolling(content: str, height: float, name: str) -> str:
    """HTML in a box of fixed height that the keyboard reaches, and scrolls where it is too long.

    Parameters
    ----------
    content : str
        HTML of this module.
    height : float
        In units of the page's type (rem).
    name : str
        What a screen reader calls the box.
    """
    return (
        f"<div tabindex='0' role='region' aria-label='{html.escape(name, quote=True)}'"
        f" style='height:{height:g}rem;overflow:auto'>{content}</div>"
    )


def legend() -> str:
    """HTML that shows each mark on its own name."""
    marks = (("substitute", "substituted"), ("insert", "inserted"), ("delete", "deleted"))
    return (
        "<div style='font-size:0.875rem'>"
        + " &nbsp; ".join(_mark(kind, word, "") for kind, word in marks)
        + "</div>"
    )


def _mark(kind: str, word: str, note: str) -> str:
    tag, shape = _TAGS[kind], _SHAPES[kind].format(color=DIFFERENCES[kind])
    title = f" title='{html.escape(note)}'" if note else ""
    return (
        f"<span{title}>"
        f"<{tag} style='{shape}'>{html.escape(word)}</{tag}>"
        f"<sup style='font-size:0.65em;font-weight:700;margin-left:2px'>"
        f"{_LETTERS[kind]}</sup></span>"
    )


def _paragraph(content: str) -> str:
    inner = content or "<i>nothing was recognised</i>"
    return f"<p dir='auto' style='{_STYLE}'>{inner}</p>"
