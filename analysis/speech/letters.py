"""Letters that look alike and are written in more than one way, brought into one."""

import unicodedata

_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u201b\u02bc\u02b9\u2032\uff07`´", "'"))


def one_apostrophe(text: str) -> str:
    """Write every apostrophe as the keyboard does, typographic ones and the wrong ones too.

    Examples
    --------
    >>> one_apostrophe("don’t, donʼt, don`t")
    "don't, don't, don't"
    """
    return text.translate(_APOSTROPHES)


def same_letters(text: str) -> str:
    """Compose letters and their marks (NFC): é is one letter, however it was typed.

    Examples
    --------
    >>> len("e\\u0301"), len(same_letters("e\\u0301"))
    (2, 1)
    """
    return unicodedata.normalize("NFC", text)
