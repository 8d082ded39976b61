"""Makes sure that no page is ever drawn without the app around it.

Streamlit finds `pages/` beside `app.py` and, until `st.navigation` was called once, takes the app
for one of its old kind: whoever opens a page's address first gets that file alone, without
navigation, sidebar or model. Each page therefore ends in `run_page`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_inside: ContextVar[bool] = ContextVar("inside", default=False)


@contextmanager
def frame() -> Iterator[None]:
    """Entered by `app.py` around the page that it runs."""
    token = _inside.set(True)
    try:
        yield
    finally:
        _inside.reset(token)


def run_page(draw: Callable[[], None]) -> None:
    """Draw a page inside the app; start the app, which comes back here, where it is not around."""
    if _inside.get():
        draw()
        return
    import app

    app.main()
