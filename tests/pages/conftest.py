"""The app in a simulated browser, with the bundled model loaded."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from analysis.models.loading import DEMO_MODELS
from analysis.plan.recipe import complete
from pages.listening.rehearsal import Rehearsal
from pages.planning.mode import EXPERT, MODE_KEY
from pages.planning.settings import in_widgets, widget_key
from pages.session.shelves import model_shelf
from tests.helpers.places import ROOT
from tests.helpers.streamlit_app import Visit, settle


@pytest.fixture
def open_app(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Open the app as another visitor, who takes the papers' recipe on Compress; or a link.

    All controls are shown.
    """
    if not (DEMO_MODELS["demo-whisper"] / "model.safetensors").is_file():
        pytest.skip("the bundled model demo-whisper has not been built")
    monkeypatch.setenv("COALESCE_MODEL", "demo-whisper")

    def open_compress(**link: str) -> AppTest:
        app = AppTest.from_file(ROOT / "app.py", default_timeout=60)
        for name, text in link.items():
            app.query_params[name] = text
        settle(app.switch_page("pages/train.py") if link else app)  # it follows no link
        model = app.session_state["session"].model
        app.session_state[MODE_KEY] = EXPERT
        for name, value in in_widgets(complete(distance="weights")).items():
            app.session_state[widget_key(model, name)] = value
        # a link is followed by the first page that can, and that is for the test to open
        return app if link else settle(app.switch_page("pages/compress.py"))

    return open_compress


@pytest.fixture(autouse=True)
def rehearsal(monkeypatch: pytest.MonkeyPatch) -> Rehearsal:
    """Nothing is made beforehand for the first page, on which every visit begins."""
    nothing = Rehearsal(model_shelf(), (), ())
    monkeypatch.setattr("pages.listening.rehearsal.server_rehearsal", lambda: nothing)
    return nothing


@pytest.fixture
def app(open_app: Callable[[], AppTest]) -> AppTest:
    """The app on its Compress page, the bundled Whisper loaded."""
    return open_app()


@pytest.fixture
def visit(open_app: Callable[[], AppTest]) -> Visit:
    """Open the app and go to a page, by the name of its file."""
    return lambda page: settle(open_app().switch_page(f"pages/{page}.py"))
