"""Numbers and foreign text as people read them: 37.8 M, 4.1 ms, 12.3 %."""

import math
import re
from collections.abc import Sequence

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|$:~&@])")


def count(value: float) -> str:
    """A number of things, with SI prefix.

    Examples
    --------
    >>> count(37_760_640), count(1536), count(7)
    ('37.8 M', '1,536', '7')
    """
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor * (10 if prefix == "k" else 1):
            return f"{_three_digits(value / factor)} {prefix}"
    return f"{value:,.0f}"


def listed(names: Sequence[str]) -> str:
    """Names in a row, as a sentence has them.

    Examples
    --------
    >>> listed(["heads", "ranks", "channels"]), listed(["heads"]), listed([])
    ('heads, ranks and channels', 'heads', '')
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def size(n_bytes: float) -> str:
    """Bytes, in decimal units as file managers show them.

    Examples
    --------
    >>> size(151_000_000), size(512)
    ('151 MB', '512 B')
    """
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n_bytes >= factor:
            return f"{_three_digits(n_bytes / factor)} {unit}"
    return f"{n_bytes:.0f} B"


def percent(fraction: float, digits: int = 1) -> str:
    """A fraction in percent; a dash where there is none.

    Examples
    --------
    >>> percent(0.1234), percent(float("nan")), percent(-0.0001)
    ('12.3 %', '–', '0.0 %')
    """
    if not math.isfinite(fraction):
        return "–"
    text = f"{100 * fraction:.{digits}f}"
    return f"{text.lstrip('-') if float(text) == 0 else text} %"


def error_percent(fraction: float) -> str:
    """An error in percent, finer where it is small.

    Examples
    --------
    >>> error_percent(0.1234), error_percent(0.00042), error_percent(0.0)
    ('12.3 %', '0.04 %', '0.0 %')
    """
    return percent(fraction, 2 if 0 < fraction < 0.01 else 1)


def seconds(value: float) -> str:
    """A duration.

    Examples
    --------
    >>> seconds(0.0041), seconds(3.24), seconds(75), seconds(3725)
    ('4.1 ms', '3.2 s', '1 min 15 s', '1 h 2 min')
    """
    if value < 1:
        return f"{value * 1e3:.2g} ms" if value < 0.01 else f"{value * 1e3:.0f} ms"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def escape_markdown(text: str) -> str:
    """Foreign text for a widget that reads Markdown: shown as written, never interpreted.

    Examples
    --------
    >>> escape_markdown("*a* <b>")
    '\\\\*a\\\\* \\\\<b\\\\>'
    """
    return _MARKDOWN.sub(r"\\\1", text.replace("\n", " "))


def elide(text: str, longest: int) -> str:
    """A name with its middle left out where it is too long: both ends tell files apart.

    Examples
    --------
    >>> elide("1089-134686-0000.flac", 12), elide("short.wav", 12)
    ('1089-1…0.flac', 'short.wav')
    """
    if len(text) <= longest:
        return text
    return f"{text[: (longest + 1) // 2]}…{text[len(text) - longest // 2 :]}"


def file_slug(name: str) -> str:
    """A file name that every system takes.

    Examples
    --------
    >>> file_slug("cluster 10 % (2)")
    'cluster-10-2'
    >>> file_slug("Coalesce's default 10 %")
    'Coalesces-default-10'
    """
    return re.sub(r"[^A-Za-z0-9.]+", "-", name.replace("'", "")).strip("-.") or "variant"


def _three_digits(value: float) -> str:
    magnitude = abs(value)
    return f"{value:.{0 if magnitude >= 99.95 else 1 if magnitude >= 9.995 else 2}f}"
