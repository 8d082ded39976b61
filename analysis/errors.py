"""The one exception that is written for the person at the page or the shell."""


class UserError(ValueError):
    """Something the person gave cannot be used; says what happened and what to do.

    Parameters
    ----------
    message : str
        One sentence: what happened, naming the file, group or option.
    remedy : str
        One sentence: what to do about it.
    detail : str
        Technical detail, shown folded away (page) or not at all (shell).
    """

    def __init__(self, message: str, remedy: str = "", detail: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy
        self.detail = detail


class Cancelled(Exception):
    """The person cancelled a running job; what it had not finished is thrown away."""
