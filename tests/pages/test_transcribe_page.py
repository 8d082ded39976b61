"""The Transcribe page: both transcripts side by side, and clear words for every bad file."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import soundfile
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from analysis.evaluation.scoring import default_normaliser
from analysis.models.loading import DEMO_MODELS
from analysis.models.speech_model import SpeechModel
from analysis.speech import transcription
from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.transcription import Transcript, transcribe
from analysis.tables import to_csv
from pages.listening.bundled import bundled_clips
from pages.listening.results import table_of, to_json
from tests.helpers.sounds import encoded, tone
from tests.helpers.streamlit_app import click, compress, pick, session_of, settle


@pytest.fixture
def page(app: AppTest) -> AppTest:
    """Transcribe, with one variant made."""
    compress(app)
    app.switch_page("pages/transcribe.py")
    return settle(app)


def wav(seconds: float, *, amplitude: float = 0.2) -> bytes:
    """A tone that grows and fades."""
    time = np.arange(int(seconds * SAMPLING_RATE)) / SAMPLING_RATE
    samples = amplitude * np.sin(2 * np.pi * 220 * time) * np.sin(np.pi * time / seconds)
    file = io.BytesIO()
    soundfile.write(file, samples.astype(np.float32), SAMPLING_RATE, format="WAV")
    return file.getvalue()


def upload(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    uploader = next(w for w in app.file_uploader if (w.key or "").startswith("upload:"))
    uploader.set_value([(name, content, "audio/wav") for name, content in files])
    return settle(app)


def transcripts(app: AppTest) -> list[str]:
    return [element.proto.body for element in app.html if "<p dir" in element.proto.body]


def rates(app: AppTest) -> list[str]:
    """Error rates of the cards, in their order."""
    return [text.value for text in app.markdown if text.value.startswith(("WER", "Divergence"))]


def normaliser(app: AppTest) -> Selectbox[str]:
    return next(box for box in app.selectbox if (box.key or "").startswith("normaliser:"))


def test_empty_page_says_what_will_be_here(page: AppTest) -> None:
    assert any("Here will be the transcripts" in text.value for text in page.markdown)
    bundled = next(box for box in page.selectbox if (box.key or "").startswith("bundled:"))
    assert len(bundled.options) == len(bundled_clips()) >= 3
    click(page, "first-clip")
    assert len(transcripts(page)) == 2


def test_bundled_clip_is_transcribed_by_original_and_variant_with_errors(page: AppTest) -> None:
    clip = bundled_clips()[0]
    pick(page, clip.path.name)
    session = session_of(page)
    assert len(session.transcripts) == 2
    assert len(transcripts(page)) == 2
    names = [text.value for text in page.markdown if "**original**" in text.value]
    assert "#0072B2" in names[0]
    assert rates(page) == ["WER **0.0 %**"] * 2
    assert page.text_area[0].value == clip.reference
    counts = [text.value for text in page.caption if "basic" in text.value]
    assert len(counts) == 2
    assert all("CER" in text and " S " in text for text in counts)
    assert not any("peak" in text or "computing" in text for text in counts), "one run is no speed"


def test_a_ctc_model_is_compressed_and_heard_too(
    open_app: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (DEMO_MODELS["demo-hubert"] / "model.safetensors").is_file():
        pytest.skip("the bundled model demo-hubert has not been built")
    monkeypatch.setenv("COALESCE_MODEL", "demo-hubert")
    app = compress(open_app())
    app.switch_page("pages/transcribe.py")
    settle(app)
    pick(app, bundled_clips()[0].path.name)
    assert len(transcripts(app)) == 2
    assert not app.error


def test_without_reference_the_variant_is_measured_against_the_original(page: AppTest) -> None:
    upload(page, ("tone.wav", wav(1.5)))
    assert rates(page)[0] == "Divergence **–**"
    assert rates(page)[1].startswith("Divergence")
    page.text_area[0].set_value("one two").run()
    assert all(rate.startswith("WER") for rate in rates(page))


def test_open_speech_is_warned_of_where_the_model_cannot_know_it(page: AppTest) -> None:
    pick(page, bundled_clips()[0].path.name)
    assert not page.warning
    upload(page, ("tone.wav", wav(1.5)))
    (warning,) = page.warning
    assert "knows commands, numbers, dates and times" in warning.value
    assert "**Change model**" in warning.value


def test_hostile_reference_and_file_name_are_shown_never_interpreted(page: AppTest) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    upload(page, (f"{hostile}.wav", wav(1.5)))
    normaliser(page).select("none").run()
    page.text_area[0].set_value(f"{hostile} </p><script>alert(2)</script>").run()
    shown = "".join(element.proto.body for element in page.html)
    assert "&lt;img" in shown
    assert "<img" not in shown
    assert "<script>alert" not in shown  # the app's own script remembers the session
    assert not any(text.proto.allow_html for text in page.markdown)
    assert not any(text.proto.allow_html for text in page.caption)


def test_bad_files_are_named_and_the_good_ones_are_kept(page: AppTest) -> None:
    odd = encoded(tone(500, 44_100, 1), 44_100, "adts", "aac")
    odd += encoded(tone(500, 16_000, 1), 16_000, "adts", "aac")
    upload(
        page,
        ("empty.wav", b""),
        ("text.wav", b"this is no sound at all" * 50),
        ("silent.wav", wav(1.0, amplitude=0.0)),
        ("mislabelled.mp3", wav(1.2)),
        ("another rate midway.aac", odd),
    )
    assert len(page.error) == 3
    for name, error in zip(("empty", "text", "silent"), page.error, strict=True):
        assert name in error.value
    clips = session_of(page).clips.values()
    assert [c.audio.name for c in clips] == ["mislabelled.mp3", "another rate midway.aac"]
    assert any("changes its sampling rate" in text.value for text in page.caption)
    assert len(session_of(page).variants) == 1
    page.button(key="dismiss:files").click().run()
    assert not page.error


def test_long_audio_waits_for_the_button(page: AppTest) -> None:
    upload(page, ("long.wav", wav(50)))
    assert not session_of(page).transcripts
    assert "1 min 40 s" in page.button(key="transcribe").label


def test_other_clips_can_be_transcribed_too_and_leave_as_csv_and_json(page: AppTest) -> None:
    first, second = bundled_clips()[:2]
    pick(page, first.path.name)
    pick(page, second.path.name)
    box = next(box for box in page.selectbox if (box.key or "").startswith("clip:"))
    box.select(next(iter(session_of(page).clips))).run()
    assert page.text_area[0].value == first.reference
    assert len(session_of(page).transcripts) == 4
    table = page.dataframe[0].value
    assert list(table["model"]) == ["original", "papers' clustering 10 % uniform"] * 2
    assert any("Over all clips" in text.value for text in page.caption)


def test_hidden_variant_stays_hidden_and_nothing_is_transcribed_for_it(page: AppTest) -> None:
    pick(page, bundled_clips()[0].path.name)
    page.pills[0].set_value([]).run()
    pick(page, bundled_clips()[1].path.name)
    assert len(session_of(page).transcripts) == 3
    assert len(transcripts(page)) == 1


def test_a_variant_that_is_deleted_meanwhile_is_not_heard(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, heard = session_of(page), []

    def hear(model: SpeechModel, *given: Any, **options: Any) -> Transcript:
        heard.append(model)
        for variant in list(session.variants):
            session.remove_variant(variant)
        return transcribe(model, *given, **options)

    monkeypatch.setattr(transcription, "transcribe", hear)
    pick(page, bundled_clips()[0].path.name)
    assert heard == [session.model]
    assert len(session.transcripts) == 1


def test_exported_rows_hold_texts_errors_and_costs(page: AppTest) -> None:
    from pages.listening.results import score_transcripts

    pick(page, bundled_clips()[0].path.name)
    (clip,) = session_of(page).clips.values()
    original = Transcript(
        "a",
        "original",
        "=one two",
        duration=2.0,
        processing_time=0.5,
        real_time_factor=0.25,
        peak_memory=10,
        memory_kind="process",
        n_windows=1,
        notes=(),
    )
    variant = Transcript(
        "a",
        "v",
        "one",
        duration=2.0,
        processing_time=0.5,
        real_time_factor=0.25,
        peak_memory=None,
        memory_kind="none",
        n_windows=1,
        notes=("Stopped.",),
    )
    clip.reference = ""
    results = [
        score_transcripts(clip, "original", original, None, "none"),
        score_transcripts(clip, "v", variant, original, "none"),
    ]
    rows = list(csv.DictReader(io.StringIO(to_csv(table_of(results)).decode())))
    assert rows[0]["text"] == "'=one two"
    assert rows[0]["wer"] == ""
    assert (rows[1]["compared_with"], rows[1]["deletions"]) == ("original", "1")
    assert json.loads(to_json(results))[1]["alignment"][0]["kind"] in ("substitute", "delete")


def test_an_archive_brings_clips_and_their_references(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pages.listening.clips.MAX_CLIPS", 2)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/one.wav", wav(1.2))
        archive.writestr("b/one.wav", wav(1.1))
        archive.writestr("a/one.txt", "go forward")
        archive.writestr("__MACOSX/a/._one.wav", "no sound")
        archive.writestr("a/two.wav", "no sound either")
        archive.writestr("a/three.wav", wav(1.4))
    upload(page, ("clips.zip", file.getvalue()), ("loose.wav", wav(1.3)), ("bad.zip", b"PK no"))
    clips = session_of(page).clips.values()
    assert {clip.audio.name: clip.reference for clip in clips} == {
        "loose.wav": "",
        "one.wav": "go forward",
    }
    said = "\n".join(error.value for error in page.error).replace("\\", "")
    for words in ("one.wav was left out", "two.wav", "1 clip more", "bad.zip: It cannot be"):
        assert words in said


def test_references_come_beside_clips_and_clips_can_be_removed(app: AppTest) -> None:
    app.switch_page("pages/transcribe.py")
    settle(app)
    upload(
        app,
        ("one.wav", wav(1.2)),
        ("two.wav", wav(1.3)),
        ("one.txt", b"go forward\nthen stop"),
        ("metadata.csv", b"file_name,transcription\ntwo.wav,=stop\n"),
        ("three.txt", b"nobody's"),
    )
    session = session_of(app)
    assert [clip.reference for clip in session.clips.values()] == ["go forward then stop", "=stop"]
    assert app.text_area[0].value == "=stop", "the clip on show"
    (error,) = app.error
    assert "three" in error.value
    assert "names none of the clips" in error.value
    upload(app, ("later.jsonl", b'{"file_name": "two.wav", "text": "turn left"}'))
    assert app.text_area[0].value == "turn left", "a typed or earlier text is replaced"
    next(b for b in app.button if (b.key or "").startswith("remove:")).click()
    settle(app)
    (left,) = session.clips.values()
    assert left.audio.name == "one.wav"
    assert {key[0] for key in session.transcripts} == {left.id}
    assert app.text_area[0].value == "go forward then stop"
    next(b for b in app.button if (b.key or "").startswith("remove:")).click()
    settle(app)
    assert app.button(key="first-clip").label
    assert not session.transcripts


def test_both_sides_are_shown_alike_and_every_word_has_its_time(app: AppTest) -> None:
    app.switch_page("pages/transcribe.py")
    settle(app)
    clip = next(clip for clip in bundled_clips() if clip.path.name == "shopping.flac")
    pick(app, clip.path.name)
    session = session_of(app)
    (transcript,) = session.transcripts.values()
    assert [word.text for word in transcript.words] == transcript.text.split()
    assert any(head.value == "Word by word" for head in app.header)
    app.text_area[0].set_value("Remove milk, and cheese!").run()

    def reference() -> str:
        (body,) = [e.proto.body for e in app.html if "<div dir" in e.proto.body]
        return body

    assert ">remove milk and cheese<" in reference()
    assert "<ins " in transcripts(app)[0]
    app.segmented_control(key="view").set_value("As written").run()
    assert ">Remove milk, and cheese!<" in reference()
    assert f">{transcript.text}<" in transcripts(app)[0]
    app.segmented_control(key="view").set_value("Differences").run()
    app.text_area[0].set_value("").run()
    normaliser(app).select("whisper-english").run()
    assert not any("<div dir" in e.proto.body for e in app.html)
    key = next(iter(session.transcripts))
    session.transcripts[key] = replace(transcript, text="Remove, milk: five")
    app.run()
    assert ">remove milk 5<" in transcripts(app)[0], "without a score it is normalised, too"


def test_one_normaliser_per_model_for_all_pages(app: AppTest) -> None:
    app.switch_page("pages/transcribe.py")
    settle(app)
    click(app, "first-clip")
    assert normaliser(app).value == default_normaliser("demo-whisper") == "basic"
    normaliser(app).select("none").run()
    app.switch_page("pages/evaluate.py")
    settle(app)
    assert normaliser(app).value == "none"
