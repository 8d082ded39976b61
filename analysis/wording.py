"""Words around numbers, for people."""


def number_of(n: int, noun: str) -> str:
    """So many things, of a noun that takes an s.

    Examples
    --------
    >>> number_of(1, "word"), number_of(1200, "word")
    ('1 word', '1,200 words')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
