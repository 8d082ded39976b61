"""A transcript with its differences marked: by shape, by letter, and only then by colour.

All text in it is foreign (references are typed in, transcripts are a model's, both may hold
markup), so every word is escaped before it becomes part of the HTML, and the HTML goes through
`st.html`, which sanitises it once more and runs no script.
"""

import html
import re
from collections.abc import Iterable, Sequence

from analysis.evaluation.scoring import AlignedSpan
from analysis.evaluation.significance import errors_by_slot
from analysis.figures.palette import DIFFERENCES, NEUTRAL

_ENDLESS, _FOLDED_HEIGHT = 700, 16.0  # characters, of about a minute of speech; in rem
_MARKUP = re.compile("<[^>]*>")
_STYLE = "font-size:1.1rem;line-height:1.75;margin:0;overflow-wrap:anywhere"
_LETTERS = {"substitute": "S", "delete": "D", "insert": "I"}
_TAGS = {"substitute": "u", "delete": "del", "insert": "ins"}
_SHAPES = {
    "substitute": "text-decoration:underline 2.5px {color};text-underline-offset:3px",
    "delete": "text-decoration:line-through 2.5px {color}",
    "insert": "text-decoration:none;border:2px solid {color};border-radius:3px;padding:0 3px",
}


def marked_transcript(
    alignment: Iterable[AlignedSpan], original: Sequence[AlignedSpan] | None = None
) -> str:
    """HTML of a hypothesis against its reference.

    Parameters
    ----------
    alignment : iterable of AlignedSpan
        From `analysis.evaluation.scoring.score`.
    original : sequence of AlignedSpan, optional
        What another model made of the same reference: errors in places where it errs, too, are
        marked in grey.

    Returns
    -------
    str
        Safe for `st.html` whatever the words are.
    """
    theirs = errors_by_slot(original) if original is not None else []
    words: list[str] = []
    slot = 0  # of the gap before the next word of the reference
    for span in alignment:
        if span.kind == "insert":
            shared = bool(theirs) and theirs[slot] > 0
            words += [
                _mark("insert", word, "not in the reference", shared=shared)
                for word in span.hypothesis
            ]
            continue
        for place, said in enumerate(span.reference):
            shared = bool(theirs) and theirs[slot + 1] > 0
            slot += 2
            if span.kind == "equal":
                words.append(html.escape(span.hypothesis[place]))
            elif span.kind == "substitute":
                written = span.hypothesis[place]
                words.append(_mark("substitute", written, f"instead of {said}", shared=shared))
            else:
                words.append(_mark("delete", said, "missing here", shared=shared))
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


def folded(content: str, name: str) -> str:
    """The same of text that is as high as its lines, unless it goes in circles.

    Parameters
    ----------
    content, name
        See `scrolling`.
    """
    if len(_MARKUP.sub("", content)) <= _ENDLESS:
        return content
    return scrolling(content, _FOLDED_HEIGHT, name)


def legend(*, shared: bool = False) -> str:
    """HTML that shows each mark on its own name; if asked, that of errors the other shares."""
    marks = (("substitute", "substituted"), ("insert", "inserted"), ("delete", "deleted"))
    shown = [_mark(kind, word, "") for kind, word in marks]
    if shared:
        shown.append(_mark("substitute", "grey: the other model errs there, too", "", shared=True))
    return f"<div style='font-size:0.875rem'>{' &nbsp; '.join(shown)}</div>"


def _mark(kind: str, word: str, note: str, *, shared: bool = False) -> str:
    color = NEUTRAL if shared else DIFFERENCES[kind]
    tag, shape = _TAGS[kind], _SHAPES[kind].format(color=color)
    if shared and note:
        note = f"{note}; the other model errs here, too"
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
