"""Listen: three models' words for one clip, a slider, a switch, and three doors."""

import time

import pytest
from streamlit.testing.v1 import AppTest

from analysis.compression.compress import compress
from analysis.compression.planner import Planner
from analysis.evaluation.ladder import RECIPE, SIDES
from analysis.models.loading import DEMO_MODELS, load
from analysis.speech.audio import read_audio
from analysis.speech.transcription import transcribe
from pages.listening.bundled import FIRST_CLIP, bundled_clips
from pages.listening.opening import CLIP_KEY, PERCENT_KEY
from pages.listening.rehearsal import SLOT, Rehearsal
from pages.session.shelves import model_shelf
from tests.helpers.places import ROOT
from tests.helpers.streamlit_app import session_of, settle

SHORT = ("digits.flac", FIRST_CLIP)
PERCENTS = (0, 50, 70)


@pytest.fixture(scope="module")
def made() -> Rehearsal:
    """Of two short clips, at three sparsities; made while the first test waits."""
    if not all((folder / "model.safetensors").is_file() for folder in DEMO_MODELS.values()):
        pytest.skip("the bundled models have not been built")
    clips = [clip for clip in bundled_clips() if clip.path.name in SHORT]
    return Rehearsal(model_shelf(), tuple(DEMO_MODELS), clips, PERCENTS)


@pytest.fixture(autouse=True)
def rehearsal(made: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> Rehearsal:
    monkeypatch.setattr("pages.listening.rehearsal.server_rehearsal", lambda: made)
    return made


def open_listen(rehearsal: Rehearsal, **link: str) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60)
    for name, text in link.items():
        app.query_params[name] = text
    return wait(settle(app), rehearsal)


def wait(app: AppTest, rehearsal: Rehearsal) -> AppTest:
    deadline = time.monotonic() + 120
    while rehearsal.jobs.running(SLOT) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
        app.run()
    return settle(app)


def words(app: AppTest) -> list[str]:
    """The words of the three models, without the boxes that they scroll in."""
    shown = [element.proto.body for element in app.html if "<p dir" in element.proto.body]
    return [body[body.index("<p dir") :] for body in shown]


def rates(app: AppTest) -> list[str]:
    return [metric.value for metric in app.metric]


def test_the_app_opens_with_words_that_compressed_models_wrote(rehearsal: Rehearsal) -> None:
    app = open_listen(rehearsal)
    assert app.title[0].value == "Listen"
    names = [text.value.split("**")[1] for text in app.markdown if ":color[■]" in text.value]
    assert [name for name in names if name != "demo\\-whisper"] == ["Original", "Merged", "Pruned"]
    assert len(rates(app)) == 3
    model = load("demo-whisper")
    clip = next(clip for clip in bundled_clips() if clip.path.name == FIRST_CLIP)
    plan = Planner(model).prepare(RECIPE.changed(sparsity=0.5)).plan
    written = transcribe(compress(model, plan).model, read_audio(clip.path)).text
    shown = words(app)
    assert len(shown) == len(SIDES)
    assert f">{clip.reference}<" in shown[0]
    assert written == clip.reference, "choose another opening: merging breaks the first clip"
    assert f">{written}<" in shown[1]
    assert "<del" in shown[2] or "<u" in shown[2]
    assert rates(app)[:2] == ["0 % WER"] * 2
    assert rates(app)[2] != "0 % WER"
    assert any("merged model makes **0 errors** in 7 words" in text.value for text in app.markdown)


def test_the_slider_changes_the_words_and_computes_nothing(rehearsal: Rehearsal) -> None:
    app = open_listen(rehearsal)
    before = words(app)
    app.slider(key="listen:percent").set_value(70).run()
    assert rehearsal.jobs.running(SLOT) is None
    assert words(app)[0] == before[0]
    assert words(app)[1] != before[1]
    assert app.query_params["sparsity"] == "70"
    assert any("errors** in 7 words, the pruned one **" in text.value for text in app.markdown)
    app.slider(key="listen:percent").set_value(0).run()
    assert len(set(words(app))) == 1
    assert any("all three are the same model" in text.value for text in app.markdown)


def test_the_switch_loads_the_other_model(rehearsal: Rehearsal) -> None:
    app = open_listen(rehearsal)
    before = words(app)
    app.segmented_control(key="listen:model:demo-whisper").set_value("demo-hubert")
    wait(settle(app), rehearsal)
    assert session_of(app).key.source == "demo-hubert"
    assert words(app)[2] != before[2]
    assert app.query_params["model"] == "demo-hubert"


def test_a_model_of_ones_own_stays_loaded(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = str(DEMO_MODELS["demo-whisper"])
    monkeypatch.setenv("COALESCE_MODEL", own)
    app = open_listen(rehearsal)
    assert any("still of the small bundled models" in text.value for text in app.markdown)
    before = words(app)
    app.segmented_control(key="listen:model:demo-whisper").set_value("demo-hubert")
    wait(settle(app), rehearsal)
    assert words(app)[2] != before[2]
    assert session_of(app).key.source == own


def test_a_link_opens_its_clip_sparsity_and_model(rehearsal: Rehearsal) -> None:
    app = open_listen(rehearsal, model="demo-hubert", clip="digits.flac", sparsity="70")
    assert session_of(app).key.source == "demo-hubert"
    assert app.selectbox(key=CLIP_KEY).value == "digits.flac"
    assert app.slider(key="listen:percent").value == 70
    app.selectbox(key=CLIP_KEY).select(FIRST_CLIP)
    wait(settle(app), rehearsal)
    assert app.selectbox(key=CLIP_KEY).value == FIRST_CLIP
    assert app.query_params["clip"] == FIRST_CLIP


@pytest.mark.parametrize(("name", "text"), [("clip", "../x"), ("sparsity", "55")])
def test_a_link_with_nonsense_opens_the_first_view(
    rehearsal: Rehearsal, name: str, text: str
) -> None:
    app = open_listen(rehearsal, **{name: text})
    assert app.selectbox(key=CLIP_KEY).value == FIRST_CLIP
    assert app.slider(key="listen:percent").value == 50


def test_the_doors_lead_on(rehearsal: Rehearsal) -> None:
    app = open_listen(rehearsal)

    def take(door: str) -> None:
        next(button for button in app.button if door in button.label).click().run()

    take("A real Whisper")
    assert app.text_input(key="load:hub").value == "openai/whisper-tiny.en"
    assert any("151 MB" in caption.value for caption in app.caption)
    for door, page in (("Your own voice", "Transcribe"), ("Why does this work", "Clusters")):
        take(door)
        assert app.title[0].value == page
        app.switch_page("pages/listen.py").run()


def test_a_key_steps_on_from_what_was_drawn_last(rehearsal: Rehearsal) -> None:
    app = open_listen(rehearsal, clip=FIRST_CLIP, sparsity="50", present="1")
    names = [clip.path.name for clip in bundled_clips()]
    place = names.index(FIRST_CLIP)
    app.button(key="present:down").click()
    app.run()
    assert app.selectbox(key=CLIP_KEY).value == names[place + 1]
    # the browser has not been told yet: it sends what it showed before, and the next key
    app.selectbox(key=CLIP_KEY).set_value(FIRST_CLIP)
    app.button(key="present:up").click()
    app.run()
    assert app.selectbox(key=CLIP_KEY).value == FIRST_CLIP
    app.slider(key=PERCENT_KEY).set_value(10)
    app.button(key="present:right").click()
    app.run()
    assert app.slider(key=PERCENT_KEY).value == 60
