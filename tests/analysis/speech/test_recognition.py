"""Options that a model cannot follow are refused, and texts of windows are joined."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.errors import UserError
from analysis.speech.recognition import join_texts
from analysis.speech.transcription import TranscriptionOptions, transcribe
from tests.helpers.talking_models import audio, tiny_ctc, tiny_whisper
from tests.helpers.transcribing import COLD

# --- language and task --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("multilingual", "settings", "message", "remedy"),
    [
        (True, {"language": "klingon"}, "klingon", "english, french, german"),
        (True, {"language": "spanish"}, "spanish", "english, french, german"),
        (False, {"language": "german"}, "german", "english"),
        (True, {"task": "summarise"}, "summarise", "translate, transcribe"),
        (False, {"task": "translate"}, "cannot translate", "multilingual"),
    ],
)
def test_what_a_whisper_cannot_do(
    multilingual: bool, settings: dict[str, Any], message: str, remedy: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        transcribe(tiny_whisper(multilingual=multilingual), audio(1), replace(COLD, **settings))
    assert remedy in caught.value.remedy


def test_what_ctc_cannot_do(tmp_path: Path) -> None:
    model = tiny_ctc(tmp_path, "hubert")
    for options in (replace(COLD, language="german"), replace(COLD, task="translate")):
        with pytest.raises(UserError, match="no choice of language or task"):
            transcribe(model, audio(1), options)


@pytest.mark.parametrize(
    "settings",
    [
        {"long_form": "magic"},
        {"num_beams": 0},
        {"num_beams": 10**9},
        {"max_new_tokens": 0},
        {"batch_size": -1},
    ],
)
def test_options_without_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(UserError) as caught:
        TranscriptionOptions(**settings)
    assert caught.value.remedy.startswith("Choose")


# --- beyond one window --------------------------------------------------------------------------


def test_texts_are_joined_with_spaces_where_the_script_has_them() -> None:
    assert join_texts([" one", "", "  ", "two "]) == "one two"
    assert join_texts(["これは", "テスト。", "です"]) == "これはテスト。です"
    assert join_texts(["안녕", "하세요"]) == "안녕 하세요"
    assert join_texts(["これは", "ok"]) == "これは ok"
    assert join_texts([]) == ""
