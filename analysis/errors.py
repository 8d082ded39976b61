"""The one exception that is written for the person at the page or the shell."""

import traceback


class UserError(ValueError):
    """Something the person gave cannot be used; says what happened and what to do.

    Parameters
    ----------
    message : str
        One sentence: what happened, naming the file, group or option.
    remedy : str
        One sentence: what to do about it.
    detail : str
        Technical detail, shown folded away (page) or with ``--verbose`` (shell).
    """

    def __init__(self, message: str, remedy: str = "", detail: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy
        self.detail = detail


UNKNOWN = "failed for a reason that Coalesce does not know"
"""In every message of `unexpected`."""

_LONGEST = 160  # characters of a foreign message


def unexpected(what: str, error: BaseException) -> UserError:
    """A fault that nobody foresaw, as a person at the page or the shell can report it.

    Parameters
    ----------
    what : str
        What failed, as the subject of a sentence.
    error : BaseException

    Returns
    -------
    UserError
        Its detail holds the traceback.

    Examples
    --------
    >>> unexpected("Saving", KeyError("x")).message
    "Saving failed for a reason that Coalesce does not know (KeyError: 'x')."
    """
    words = " ".join(f"{type(error).__name__}: {error}".split())
    return UserError(
        f"{what} {UNKNOWN} ({words[:_LONGEST]}{'…' if len(words) > _LONGEST else ''}).",
        "Please report it with the technical detail.",
        "".join(traceback.format_exception(error)),
    )


class Cancelled(Exception):
    """The person cancelled a running job; what it had not finished is thrown away."""
