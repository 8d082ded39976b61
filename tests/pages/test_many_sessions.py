"""Eight visitors at the same time: every one sees their own variants, and their own words."""

import time
from dataclasses import dataclass

import pytest
from streamlit.testing.v1 import AppTest

from analysis.compression.compress import compress
from analysis.compression.planner import Planner
from analysis.models.loading import DEMO_MODELS, load
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe, complete
from analysis.speech.audio import read_audio
from analysis.speech.transcription import transcribe
from pages.listening.bundled import BUNDLED_FOLDER
from pages.planning.settings import in_widgets, widget_key
from tests.helpers.many_visitors import at_once
from tests.helpers.places import ROOT

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 250.0


@dataclass(frozen=True)
class Wish:
    """What one visitor comes for."""

    model: str
    recipe: Recipe
    clip: str


@dataclass(frozen=True)
class Seen:
    """What one visitor leaves with: plans of the variants, clips and texts, and what was drawn."""

    plans: list[CompressionPlan]
    heard: set[str]
    texts: list[str]
    drawn: str


CLIPS = ("set", "switch", "time", "digits", "number", "date", "shopping", "people")
WISHES = [
    Wish(
        ("demo-hubert", "demo-whisper")[number % 2],
        complete(
            method=("cluster", "magnitude")[number // 2 % 2],
            distance="weights",
            sparsity=0.03 + 0.03 * number,
        ),
        f"{clip}.flac",
    )
    for number, clip in enumerate(CLIPS)
]


@pytest.fixture(autouse=True)
def bundled() -> None:
    for name, folder in DEMO_MODELS.items():
        if not (folder / "model.safetensors").is_file():
            pytest.skip(f"the bundled model {name} has not been built")


def test_eight_sessions_do_not_see_each_other() -> None:
    models = {name: load(name) for name in DEMO_MODELS}

    def visit(wish: Wish) -> Seen:
        app = AppTest.from_file(ROOT / "app.py", default_timeout=PATIENCE_SECONDS)
        app.query_params["model"] = wish.model
        for name, value in in_widgets(wish.recipe).items():
            app.session_state[widget_key(models[wish.model], name)] = value
        _wait(app.switch_page("pages/compress.py"))
        app.button(key="compress").click()
        _wait(app)
        app.switch_page("pages/transcribe.py")
        _wait(app)
        box = next(box for box in app.selectbox if (box.key or "").startswith("bundled:"))
        box.set_value(wish.clip)
        _wait(app)
        session = app.session_state["session"]
        assert session.model.name == wish.model
        return Seen(
            [variant.compression.plan for variant in session.variants],
            {clip.audio.name for clip in session.clips.values()},
            [transcript.text for transcript in session.transcripts.values()],
            "".join(element.proto.body for element in app.html),
        )

    for wish, seen in zip(WISHES, at_once(visit, WISHES), strict=True):
        model = models[wish.model]
        plan = Planner(model).prepare(wish.recipe).plan
        audio = read_audio(BUNDLED_FOLDER / wish.clip)
        alone = [transcribe(each, audio).text for each in (model, compress(model, plan).model)]
        assert seen.plans == [plan]
        assert len(seen.heard) == 1
        assert seen.texts == alone
        assert alone[0].split()[0] in seen.drawn


def _wait(app: AppTest) -> None:
    """Run until the session has no job any more; running on and on would take others' time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    app.run()
    jobs = app.session_state["session"].jobs
    while jobs.slots():
        assert time.monotonic() < deadline, "a background job did not finish"
        if any((job := jobs.running(slot)) and job.finished for slot in jobs.slots()):
            app.run()
        time.sleep(0.05)
    app.run()
    assert not app.exception, app.exception
    assert not jobs.problems
