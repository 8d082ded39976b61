"""The app in a simulated browser: a hand on its controls, an eye on what they changed."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Slider

from analysis.errors import UNKNOWN
from pages.planning.settings import widget_key
from pages.session.jobs import Job
from pages.session.session import Session

Settle = Callable[[AppTest], AppTest]
Visit = Callable[[str], AppTest]


def settle(app: AppTest, seconds: float = 120) -> AppTest:
    """Run the app until nothing is computed in the background any more."""
    deadline = time.monotonic() + seconds
    app.run()
    jobs = app.session_state["session"].jobs
    if jobs._running:
        while jobs._running:
            assert time.monotonic() < deadline, "a background job did not finish"
            _wait(list(jobs._running.values()))
            app.run()
        app.run()
    assert not app.exception, app.exception
    assert not [error for error in app.error if UNKNOWN in error.value], app.code
    return app


def _wait(jobs: Sequence[Job[Any]], seconds: float = 2) -> None:
    """Leave the processor to the jobs until one has finished; a page looks in now and then."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not any(job.finished for job in jobs):
        time.sleep(0.02)


def session_of(app: AppTest) -> Session:
    session: Session = app.session_state["session"]
    assert session.model is not None
    return session


def key(app: AppTest, name: str) -> str:
    model = session_of(app).model
    assert model is not None
    return widget_key(model, name)


def k_slider(app: AppTest, group: str) -> Slider[int]:
    prefix = key(app, f"k:{group}:")
    return next(slider for slider in app.slider if (slider.key or "").startswith(prefix))


def n_clusters(app: AppTest) -> dict[str, int]:
    session = session_of(app)
    assert session.model is not None
    return session.n_clusters[session.model.weight_hash]


def edit_table(app: AppTest, row: int, k: object) -> AppTest:
    table = app.data_editor[0]
    assert table.key is not None
    app.session_state[table.key] = {
        "edited_rows": {row: {"K": k}},
        "added_rows": [],
        "deleted_rows": [],
    }
    return settle(app)


def compress(app: AppTest) -> AppTest:
    app.button(key="compress").click()
    return settle(app)


def is_made(app: AppTest) -> bool:
    """Whether there is a variant of the plan on Compress: the way to its sound is then offered."""
    drawn = {button.key for button in app.button} & {"compress", "listen"}
    assert len(drawn) == 1
    return drawn == {"listen"}


def pick(app: AppTest, file_name: str) -> AppTest:
    box = next(box for box in app.selectbox if (box.key or "").startswith("bundled:"))
    box.set_value(file_name)
    return settle(app)


def click(app: AppTest, name: str) -> AppTest:
    app.button(key=name).click()
    return settle(app)


def address(app: AppTest) -> dict[str, str]:
    """Parameters of the view, which the library gives as texts or as lists of one text.

    The session's own, which no copied link carries, is left out.
    """
    texts = {name: "".join(text) for name, text in app.query_params.items()}
    return {name: text for name, text in texts.items() if name != "session"}
