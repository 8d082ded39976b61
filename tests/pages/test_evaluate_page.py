"""The Evaluate page: rows as they come, significance, what was left out, going on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from streamlit.testing.v1 import AppTest

from analysis.evaluation.lost_words import lost_words
from analysis.evaluation.saved_results import results_to_json
from analysis.evaluation.sweep_spec import OWN_ALLOCATION, read_spec, read_way
from analysis.evaluation.utterances import Search
from analysis.figures.palette import NEUTRAL
from analysis.figures.sweeps import lines_of
from analysis.plan.recipe import DEFAULT_NAME, PAPERS_NAME, complete, recipe_name
from pages.planning import mode
from pages.runs.grids import THREE_METHODS, WAYS_TO_COMPRESS
from pages.runs.sweeps import HELDOUT
from pages.session.at_hand import models_at_hand
from pages.session.session import Session, on_best_device
from tests.helpers.heard import rows_heard
from tests.helpers.streamlit_app import Visit, compress, session_of, settle

N_UTTERANCES = 6


@pytest.fixture
def page(visit: Visit) -> AppTest:
    """Evaluate, set to two methods at 50 % on a few utterances."""
    app = as_expert(visit("evaluate"))
    assert app.pills(key="sweep-methods").value == list(THREE_METHODS.methods)
    app.pills(key="sweep-methods").set_value([PAPERS_NAME, "magnitude"])
    app.pills(key="sweep-sparsities").set_value([50])
    app.number_input(key="sweep-limit").set_value(N_UTTERANCES)
    return settle(app)


def as_expert(app: AppTest) -> AppTest:
    """With every choice on the page."""
    app.segmented_control(key=mode.MODE_KEY).set_value(mode.EXPERT)
    return settle(app)


def evaluate(app: AppTest) -> AppTest:
    app.button(key="start-sweep").click()
    return settle(app)


def state(app: AppTest) -> Any:
    [only] = app.session_state["session"].sweeps.values()
    return only


def captions(app: AppTest) -> str:
    """All small print, without the marks that keep Markdown from reading it."""
    return "\n".join(caption.value for caption in app.caption).replace("\\", "")


def test_page_says_what_will_be_here(page: AppTest) -> None:
    assert [head.value for head in page.title] == ["Evaluate"]
    assert any("Here will be the curves" in text.value for text in page.markdown)
    assert "Evaluate 3 models" in page.button(key="start-sweep").label
    assert any("It takes a" in text.value for text in page.markdown)
    assert page.selectbox(key=_key(page, "normaliser")).value == "basic"


def test_a_sweep_is_run_and_shown(page: AppTest) -> None:
    evaluate(page)
    rows = state(page).rows
    names = [row.cell.way.name if row.cell else "original" for row in rows]
    assert names == ["original", "magnitude", PAPERS_NAME]
    assert len(rows[0].evaluation.scores) == N_UTTERANCES
    assert rows[2].against_magnitude is not None
    assert [head.value for head in page.header] == [
        *("WER against what was removed", "WER against cost", "Table", "Utterances that lose most"),
        *("Where words are lost", "All utterances"),
    ]
    # what some seconds of sound took is noise, which nobody asked to see
    costs = [page.segmented_control(key=f"pareto-axis:{cost}") for cost in ("parameters", "macs")]
    assert [choice.value for choice in costs] == ["parameters", "macs"]
    shown = page.dataframe[0].value
    assert shown["wer"].tolist() == [100 * row.evaluation.total.wer for row in rows]
    assert "heldout (6 of 200)" in captions(page)
    assert "Normaliser: basic." in captions(page)
    assert any("<p dir" in element.proto.body for element in page.html)
    # the same sweep again takes its transcripts from disk: even the times are the same
    evaluate(page)
    again = state(page).rows
    assert again is not rows
    assert [row.evaluation.results for row in again] == [row.evaluation.results for row in rows]


def test_a_field_and_the_button_at_once_start_what_the_field_says(page: AppTest) -> None:
    """A busy server hears of both together."""
    page.number_input(key="sweep-limit").set_value(2)
    evaluate(page)
    assert len(state(page).rows[0].evaluation.scores) == 2


def test_utterances_are_searched_chosen_and_heard(page: AppTest) -> None:
    evaluate(page)
    assert any("6 of 6 utterances" in text.value for text in page.markdown)
    table = state(page).table_against(0)
    search = table.outcomes.models[0].scores[2].alignment[0].reference[0]
    page.text_input(key="explorer-text").set_value(search)
    settle(page)
    shown = _table(page, "reference")
    assert shown["utterance"].tolist() == [
        table.outcomes.utterances[place].id
        for place in table.find(Search(search, order="new errors: magnitude, 50%"))
    ]
    assert [element.proto.format for element in page.get("audio")] == []
    page.text_input(key="explorer-text").set_value("no such word")
    settle(page)
    assert _table(page, "reference").empty
    page.button(key="explorer-all").click()
    settle(page)
    assert len(_table(page, "reference")) == N_UTTERANCES


def test_the_corpus_is_heard_again_under_stress(page: AppTest) -> None:
    page.pills(key="sweep-methods").set_value(["magnitude"])
    page.number_input(key="sweep-limit").set_value(2)
    page.pills(key="sweep-stress").set_value(["noise:10"])
    page.text_input(key="sweep-more-stress").set_value("noise:much")
    settle(page)
    assert any("noise" in error.value for error in page.error), "no amount"
    page.text_input(key="sweep-more-stress").set_value("silence:3.5, noise:10.0")
    settle(page)
    evaluate(page)
    rows = state(page).rows
    conditions = [row.evaluation.corpus.condition for row in rows]
    assert conditions == ["", "noise:10", "silence:3.5"] * 2
    assert page.header[0].value == "WER against what was removed"
    shown = _table(page, "looping")
    assert shown["condition"].tolist() == ["clean", "noise 10 dB SNR", "silence 3.5 s"] * 2
    assert len(_table(page, "reference")) == 6


def test_kept_results_are_opened_again(page: AppTest, tmp_path: Path) -> None:
    rows = rows_heard(
        ["the cat sat", "a dog"], {"original": ["the cat", "a dog"], "cut": ["", "a"]}
    )
    corpus = rows[0].evaluation.corpus
    (tmp_path / "results.json").write_bytes(results_to_json(corpus, rows))
    page.text_input(key="results-folder").set_value(str(tmp_path))
    page.button(key="open-results").click()
    settle(page)
    assert [row.evaluation.results for row in state(page).rows] == [
        row.evaluation.results for row in rows
    ]
    assert _table(page, "reference")["new errors: cut, 20%"].tolist() == [2, 1]
    page.text_input(key="results-folder").set_value(str(tmp_path / "nowhere"))
    page.button(key="open-results").click()
    settle(page)
    assert any("can be read" in error.value for error in page.error)


def test_a_model_that_is_no_variant_can_be_the_other_side(page: AppTest) -> None:
    session = session_of(page)
    session.used.append(on_best_device("demo-hubert"))
    page.pills(key="sweep-methods").set_value(["magnitude"])
    page.pills(key="sweep-stress").set_value(["noise:10"])
    page.number_input(key="sweep-limit").set_value(2)
    settle(page)
    evaluate(page)
    other = "demo-hubert (has not heard this corpus)"
    # models that other tests of this process have loaded are offered, too
    first, *others = page.selectbox(key="explorer-base").options
    assert first == "original"
    assert "magnitude, 50%" not in others, "it is the one that is compared"
    assert other in others
    page.selectbox(key="explorer-base").set_value(_id_of("demo-hubert", session))
    settle(page)
    assert any("has not heard this corpus" in text.value for text in page.markdown)
    page.button(key="hear-other").click()
    settle(page)
    rows = state(page).rows
    assert [row.model for row in rows] == [*["demo-whisper"] * 4, *["demo-hubert"] * 2]
    assert [row.evaluation.corpus.condition for row in rows] == ["", "noise:10"] * 3
    base = page.selectbox(key="explorer-base")
    assert base.options[:2] == ["demo-whisper", "demo-hubert"]
    assert base.value == 2
    table = state(page).table_against(2)
    shown = _table(page, "reference")
    column = "new errors: demo-whisper, magnitude, 50%"
    assert sorted(shown[column]) == sorted(table.outcomes.new_errors(1, 2))


def test_the_first_variant_is_looked_at_though_the_original_was_there_before(
    page: AppTest, tmp_path: Path
) -> None:
    session_of(page).used.append(on_best_device("demo-hubert"))
    for texts in ({"original": ["the cat"]}, {"original": ["the cat"], "cut": ["a hat"]}):
        rows = rows_heard(["the cat sat"], texts)
        (tmp_path / "results.json").write_bytes(results_to_json(rows[0].evaluation.corpus, rows))
        page.text_input(key="results-folder").set_value(str(tmp_path))
        page.button(key="open-results").click()
        settle(page)
        chosen = [page.selectbox(key=f"explorer-{side}") for side in ("model", "base")]
    assert [side.options[side.index or 0] for side in chosen] == ["cut, 20%", "original"]


def test_other_results_are_looked_at_from_their_first_models(page: AppTest, tmp_path: Path) -> None:
    said = ["the cat sat"]
    for names in (("original", "cut", "short"), ("original", "lost", "found")):
        rows = rows_heard(said, {name: ["a hat"] for name in names})
        (tmp_path / "results.json").write_bytes(results_to_json(rows[0].evaluation.corpus, rows))
        page.text_input(key="results-folder").set_value(str(tmp_path))
        page.button(key="open-results").click()
        settle(page)
        model = page.selectbox(key="explorer-model")
        assert model.options[model.index or 0] == f"{names[1]}, 20%"
        model.set_value(2)
        settle(page)


def test_the_model_in_use_may_hear_results_of_others(page: AppTest, tmp_path: Path) -> None:
    rows = rows_heard(["the cat sat"], {"original": ["the cat"]})
    corpus = rows[0].evaluation.corpus
    (tmp_path / "results.json").write_bytes(results_to_json(corpus, rows))
    page.text_input(key="results-folder").set_value(str(tmp_path))
    page.button(key="open-results").click()
    settle(page)
    assert any("These are results of **tiny**" in info.value for info in page.info)
    assert not any("WER against" in head.value for head in page.header), "one model is no curve"
    session = session_of(page)
    page.selectbox(key="explorer-base").set_value(_id_of("demo-whisper", session))
    settle(page)
    page.button(key="hear-other").click()
    settle(page)
    assert len(state(page).rows) == 1
    assert any("cannot be opened any more" in error.value for error in page.error)


def _id_of(name: str, session: Session) -> str:
    known = models_at_hand(session, with_own=True)
    return next(one.id for one in known if one.name == name)


def test_blind_listening_keeps_score(page: AppTest) -> None:
    evaluate(page)
    assert page.selectbox(key="worst-model").options
    page.segmented_control(key="closer-look").set_value("Blind listening")
    settle(page)
    assert "worst-model" not in [box.key for box in page.selectbox], "it shows who wrote what"
    assert not any("reference" in frame.value for frame in page.dataframe), "so do all utterances"
    page.button(key="blind:Equal").click()
    settle(page)
    page.button(key="blind:A is better").click()
    settle(page)
    [verdicts] = state(page).verdicts.values()
    assert [verdict.better is None for verdict in verdicts] == [True, False]
    assert not any("equal in" in text.value for text in page.markdown), "who is who is not told yet"
    page.toggle(key="blind-told:(0, 1)").set_value(True)
    settle(page)
    assert any("equal in 1" in text.value for text in page.markdown)


def test_the_folder_of_the_recordings_is_asked_for(page: AppTest, tmp_path: Path) -> None:
    rows = rows_heard(["the cat sat"], {"original": ["the cat"], "cut": ["a hat"]})
    corpus = rows[0].evaluation.corpus
    (tmp_path / "results.json").write_bytes(results_to_json(corpus, rows))
    page.text_input(key="results-folder").set_value(str(tmp_path))
    page.button(key="open-results").click()
    settle(page)
    page.segmented_control(key="closer-look").set_value("Blind listening")
    settle(page)
    assert any("cannot be opened any more" in caption.value for caption in page.caption)
    page.text_input(key="results-recordings").set_value(f" {tmp_path} ")
    settle(page)
    assert state(page).recordings == str(tmp_path)
    assert str(page.text_input(key="results-recordings").value).strip() == str(tmp_path)


def test_words_and_slices_lead_to_their_utterances(page: AppTest) -> None:
    evaluate(page)
    table = state(page).table_against(0)
    page.segmented_control(key="closer-look").set_value("Words")
    settle(page)
    losses = lost_words(table.outcomes, 1)
    shown = _table(page, "lost")
    assert shown["word"].tolist() == [one.word for one in losses if one.lost]
    assert "Not kept: switch on “Word confidence”" in captions(page)
    show_only_in(page, losses[0].places)
    ids = {table.outcomes.utterances[place].id for place in losses[0].places}
    assert set(_table(page, "reference")["utterance"]) == ids


def show_only_in(app: AppTest, places: tuple[int, ...]) -> None:
    """What a click on a word does; the simulated browser clicks no tables."""
    app.session_state["explorer-only"] = (places, "a word is lost")
    settle(app)


def _table(app: AppTest, column: str) -> Any:
    return next(table.value for table in app.dataframe if column in table.value)


def test_variants_made_on_compress_are_evaluated(app: AppTest) -> None:
    compress(app)
    settle(app.switch_page("pages/evaluate.py"))
    app.segmented_control(key=mode.MODE_KEY).set_value(mode.SIMPLE)
    settle(app)
    assert app.segmented_control(key="sweep-grid").value == "My variants"
    assert "Evaluate 2 models" in app.button(key="start-sweep").label  # with the original
    as_expert(app)
    app.pills(key="sweep-sparsities").set_value([10])
    app.pills(key="sweep-methods").set_value(["random"])
    app.number_input(key="sweep-limit").set_value(2)
    settle(app)
    assert "Evaluate 3 models" in app.button(key="start-sweep").label
    [variant] = session_of(app).variants
    app.text_input(key=f"row-name:{variant.id}").set_value("Another name")
    settle(app)  # it stays chosen
    assert variant.name == "Another name"
    assert "Evaluate 3 models" in app.button(key="start-sweep").label
    evaluate(app)
    row = state(app).rows[-1]
    assert row.cell.way.name == variant.name
    colors = {line.name: line.color for line in lines_of(state(app).rows, state(app).colors)}
    assert colors == {"random": NEUTRAL, variant.name: variant.color}
    assert row.cost == variant.footprint


def test_a_folder_with_faults_is_evaluated_and_the_faults_are_listed(
    page: AppTest, tmp_path: Path
) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 8_000)
    soundfile.write(tmp_path / "a.wav", samples, 16_000)
    (tmp_path / "metadata.csv").write_text("file_name,transcription\na.wav,one\nb.wav,two\n")
    page.segmented_control(key="sweep-data").set_value("Path or id")
    settle(page)
    assert page.button(key="start-sweep").disabled
    page.text_input(key="sweep-folder").set_value(str(tmp_path))
    settle(page)
    evaluate(page)
    assert state(page).original.total.words == 1
    faults = next(table.value for table in page.dataframe if "Why" in table.value)
    assert faults.to_dict("records") == [{"Where": "b.wav", "Why": "There is no such file."}]


def test_an_upload_is_evaluated(page: AppTest, tmp_path: Path) -> None:
    page.segmented_control(key="sweep-data").set_value("Upload")
    settle(page)
    assert page.button(key="start-sweep").disabled
    sound = (HELDOUT / "001.ogg").read_bytes()
    table = b"file_name,transcription\n001.ogg,close the door\n"
    page.file_uploader(key="sweep-files").set_value(
        [("001.ogg", sound, "audio/ogg"), ("metadata.csv", table, "text/csv")]
    )
    settle(page)
    evaluate(page)
    assert state(page).original.total.words == 3
    page.file_uploader(key="sweep-files").set_value(
        [
            *[("a.zip", b"no archive", "application/zip"), ("001.ogg", sound, "audio/ogg")],
            ("metadata.csv", table, "text/csv"),
        ]
    )
    settle(page)
    assert not page.button(key="start-sweep").disabled
    left_out = _table(page, "Why")
    assert left_out["Where"].tolist() == ["a.zip"]
    page.file_uploader(key="sweep-files").set_value([("a.zip", b"no archive", "application/zip")])
    settle(page)
    assert any("cannot be unpacked" in error.value for error in page.error)
    assert page.button(key="start-sweep").disabled


def test_a_folder_without_data_is_refused_in_words(page: AppTest, tmp_path: Path) -> None:
    page.segmented_control(key="sweep-data").set_value("Path or id")
    settle(page)
    page.text_input(key="sweep-folder").set_value(str(tmp_path / "nowhere"))
    settle(page)
    evaluate(page)
    assert any("There is no folder or manifest" in error.value for error in page.error)


def test_what_cannot_be_run_is_named(page: AppTest) -> None:
    page.pills(key="sweep-allocations").set_value(["output-error"])
    settle(page)
    evaluate(page)
    assert len(state(page).rows) == 3
    assert "Not run: demo-whisper, magnitude; papers' clustering, output-error, 50%" in captions(
        page
    )


def _key(app: AppTest, start: str) -> str:
    keys = [box.key or "" for box in app.selectbox]
    return next(key for key in keys if key.startswith(start))


def test_the_papers_methods_stand_beside_ours(page: AppTest) -> None:
    page.segmented_control(key=mode.MODE_KEY).set_value(mode.SIMPLE)
    settle(page)
    assert page.segmented_control(key="sweep-grid").value == "As in Expert"
    page.segmented_control(key="sweep-grid").set_value("Like the papers")
    settle(page)
    assert "uniform, variance and end-to-end" in captions(page)
    as_expert(page)
    assert page.pills(key="sweep-methods").value == list(THREE_METHODS.methods)
    assert page.pills(key="sweep-sparsities").value == [10]
    assert page.pills(key="sweep-allocations").value == ["uniform", "variance", "end-to-end"]
    assert "Evaluate 9 models" in page.button(key="start-sweep").label


def test_every_way_to_compress_can_be_and_the_first_is_the_default() -> None:
    recipes = {name: read_way(text).recipe for name, text in WAYS_TO_COMPRESS.items()}
    first = read_way(WAYS_TO_COMPRESS[DEFAULT_NAME])
    spec = read_spec({"model": "demo-whisper", "data": "x", "allocation": OWN_ALLOCATION})
    [cell] = spec.changed(method=(first,), sparsity=(complete().sparsity,)).cells()
    assert cell.recipe == complete()  # the trades, too
    assert next(iter(recipes)) == DEFAULT_NAME == THREE_METHODS.methods[0]
    assert recipe_name(recipes[PAPERS_NAME]) == PAPERS_NAME
    assert len(set(map(str, recipes.values()))) == len(recipes)
