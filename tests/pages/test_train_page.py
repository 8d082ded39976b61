"""The Train page: a run is started, cancelled, gone on with, and becomes a variant."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from analysis.cache import cache_folder
from analysis.errors import Cancelled
from analysis.plan.training_settings import DISTILLING
from analysis.training.log import read_log, state_folder
from pages.runs.sweeps import HELDOUT
from pages.runs.training import SLOT, Choices, run_folder
from tests.helpers.streamlit_app import Visit, compress, session_of, settle

N_CLIPS = 12


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen clips of the held-out set."""
    folder = tmp_path_factory.mktemp("clips")
    lines = (HELDOUT / "metadata.csv").read_text().splitlines()[: N_CLIPS + 1]
    (folder / "metadata.csv").write_text("\n".join(lines))
    for line in lines[1:]:
        shutil.copy(HELDOUT / line.split(",")[0], folder)
    return folder


@pytest.fixture
def page(visit: Visit, clips: Path) -> AppTest:
    """Train, set to two short epochs."""
    app = visit("train")
    app.segmented_control(key="train-data").set_value("Folder")
    settle(app)
    app.text_input(key="train-folder").set_value(str(clips))
    app.number_input(key="train-epochs").set_value(2)
    app.number_input(key="train-batch").set_value(2)
    return settle(app)


def choose(app: AppTest, method: str) -> AppTest:
    app.segmented_control(key="train-method").set_value(method)
    return settle(app)


def folder_of(app: AppTest) -> Path:
    [name] = session_of(app).training.values()
    return cache_folder("training") / name


def texts(app: AppTest) -> str:
    found = [*app.markdown, *app.caption, *app.error, *app.info]
    return "\n".join(str(element.value) for element in found).replace("\\", "")


def start_box(app: AppTest) -> Selectbox:
    return next(box for box in app.selectbox if box.label == "Start from")


def titles(app: AppTest) -> list[str]:
    charts = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    return [chart["layout"]["title"]["text"] for chart in charts]


def test_page_says_what_will_be_here(visit: Visit) -> None:
    app = visit("train")
    assert [head.value for head in app.title] == ["Train"]
    assert "Here will be the curves" in texts(app)
    app.segmented_control(key="train-data").set_value("Folder")
    settle(app)
    assert app.button(key="start-training").disabled
    assert "Name the data to train on." in texts(app)


def test_unit_gates_make_a_smaller_variant(page: AppTest) -> None:
    choose(page, "Unit gates")
    page.button(key="start-training").click()
    settle(page)
    [variant] = session_of(page).variants
    reached = variant.compression.plan.recipe.sparsity
    assert reached < 0.48, "ten steps are too few, and that is said"
    assert variant.name == f"demo-whisper, unit gates {100 * reached:.0f} %"
    assert f"50 % were asked for, {100 * reached:.0f} % are pinched" in texts(page)
    assert variant.model.training[0].method == "unit gates"
    model = session_of(page).model
    assert model is not None
    assert variant.compression.plan.origin.weight_hash == model.weight_hash
    curves = read_log(state_folder(folder_of(page)))
    assert curves.ended == "finished"
    assert len(curves.steps) == 10
    shown = titles(page)
    assert len(shown) == 4
    assert shown[1].startswith("Validation WER: ")
    assert "pinched, 50.0% wanted at this step" in shown[2]
    assert "step 10 of 10" in texts(page)


def test_a_variant_learns_on(app: AppTest, clips: Path) -> None:
    compress(app)
    [variant] = session_of(app).variants
    settle(app.switch_page("pages/train.py"))
    app.segmented_control(key="train-data").set_value("Folder")
    settle(app)
    app.text_input(key="train-folder").set_value(str(clips))
    app.number_input(key="train-epochs").set_value(1)
    app.number_input(key="train-batch").set_value(4)
    app.toggle(key="train-distil").set_value(True)
    settle(app)
    start_box(app).set_value(variant.id)
    settle(app)
    app.button(key="start-training").click()
    settle(app)
    trained = session_of(app).variants[-1]
    assert trained.name == f"{variant.name}, fine-tuning"
    assert start_box(app).value == variant.id, "the run changed what the next one starts from"
    assert f"Fine-tuning of {variant.name} on" in texts(app)
    assert trained.base == variant.base
    assert trained.compression.plan == variant.compression.plan
    assert trained.footprint.parameters == variant.footprint.parameters
    assert trained.model.training[0].settings["teacher"] == "demo-whisper"
    settle(app.switch_page("pages/compress.py"))
    assert "fine-tuning" in texts(app)
    choices = settle(app.switch_page("pages/train.py"))
    choose(choices, "Unit gates")
    assert not [box for box in choices.selectbox if box.label == "Start from"]
    assert "Unit gates start from the original." in texts(choices)
    assert [slider.label for slider in choices.slider] == ["Sparsity"]
    choose(choices, "Fine-tuning")
    assert start_box(choices).value == variant.id
    assert not choices.slider


def test_a_variant_learns_without_data(app: AppTest) -> None:
    compress(app)
    [variant] = session_of(app).variants
    settle(app.switch_page("pages/train.py"))
    app.segmented_control(key="train-data").set_value("No data")
    settle(app)
    assert start_box(app).value == variant.id, "what compression cost is brought back in a variant"
    start_box(app).set_value("")
    settle(app)
    assert app.button(key="start-training").disabled
    assert "The original has nothing to learn from itself" in texts(app)
    assert app.number_input(key="train-epochs:data-free").value == DISTILLING["epochs"]
    assert app.number_input(key="train-batch:data-free").value == DISTILLING["batch_size"]
    assert app.selectbox(key="train-rate:data-free").value == DISTILLING["learning_rate"]
    assert "It takes" not in texts(app)
    start_box(app).set_value(variant.id)
    settle(app)
    assert "It takes about" in texts(app)
    app.number_input(key="train-clips:No data").set_value(20)
    app.number_input(key="train-epochs:data-free").set_value(1)
    settle(app)
    assert not app.button(key="start-training").disabled
    app.button(key="start-training").click()
    settle(app)
    trained = session_of(app).variants[-1]
    assert trained.name == f"{variant.name}, trained, data-free"
    assert trained.base == variant.base
    [record] = trained.model.training
    assert record.data_free
    assert record.settings["learning_rate"] == DISTILLING["learning_rate"]
    assert record.settings["teacher"] == "demo-whisper"
    assert titles(app)[0].startswith("Distance to the original: ")
    assert titles(app)[1].startswith("Divergence from the original: ")
    assert "trained, data-free, step 5 of 5" in texts(app)
    settle(app.switch_page("pages/compress.py"))
    assert ", uniform, trained, data-free" in texts(app)
    choose(settle(app.switch_page("pages/train.py")), "Unit gates")
    assert "No data" not in app.segmented_control(key="train-data").options


def test_a_cancelled_run_goes_on(page: AppTest) -> None:
    page.button(key="start-training").click()
    page.run()
    state = state_folder(folder_of(page))
    deadline = time.monotonic() + 120
    while not read_log(state).steps:
        assert time.monotonic() < deadline, "no step was made"
        time.sleep(0.1)
    job = session_of(page).jobs.running(SLOT)
    assert job is not None
    assert job.future is not None
    page.run()
    page.button(key=f"cancel:{SLOT}").click()
    page.run()
    assert job.future.exception(timeout=90).__class__ is Cancelled
    settle(page)
    assert "it goes on" in texts(page)
    assert not page.error, "who cancels made no error"
    done = read_log(state)
    assert done.ended == "stopped"
    assert not session_of(page).variants
    assert "Go on training" in page.button(key="start-training").label
    page.button(key="start-training").click()
    settle(page)
    curves = read_log(state)
    assert curves.ended == "finished"
    assert [row["step"] for row in curves.steps] == list(range(1, 11))
    assert '"event": "resume"' in (state / "log.jsonl").read_text()
    [variant] = session_of(page).variants
    assert variant.model.training[0].method == "fine-tuning"


def test_other_data_are_another_run(page: AppTest, clips: Path) -> None:
    model = session_of(page).model
    assert model is not None
    choices = Choices(
        method="Fine-tuning",
        data=str(clips),
        n_clips=None,
        epochs=1,
        learning_rate=1e-4,
        batch_size=2,
        sparsity=0.0,
        distil=False,
        normaliser="none",
        language=None,
    )
    before = run_folder(model, None, choices)
    assert run_folder(model, None, choices) == before
    assert run_folder(model, None, replace(choices, epochs=2)) != before
    os.utime(clips / "metadata.csv", (1, 1))
    touched = run_folder(model, None, choices)
    assert touched != before
    (clips / "more").mkdir()
    (clips / "more" / "a.trans.txt").write_text("a ONE")
    deeper = run_folder(model, None, choices)
    assert deeper != touched
    (clips / "more" / "a.flac").write_bytes(b"")
    assert run_folder(model, None, choices) != deeper
    shutil.rmtree(clips / "more")


def test_what_goes_wrong_is_said(page: AppTest, tmp_path: Path) -> None:
    page.text_input(key="train-folder").set_value(str(tmp_path / "nowhere"))
    settle(page)
    page.button(key="start-training").click()
    settle(page)
    assert "There is no folder or manifest" in texts(page)
    assert not session_of(page).variants
