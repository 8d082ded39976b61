"""Results that come from another computer are heard, too, once it is said where the sound lies."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from analysis.errors import UserError
from analysis.evaluation.corpora import Corpus
from analysis.serving import VARIABLE, Serving
from analysis.speech.audio import SAMPLING_RATE
from pages.runs.opened import clip_of
from pages.session.sweep_state import SweepState
from tests.helpers.heard import utterances_of


@pytest.fixture
def opened(tmp_path: Path) -> SweepState:
    """Of one clip, whose path is that of another computer, and which lies in a folder of ours."""
    [utterance] = utterances_of(["a cat"])
    path = tmp_path / "ours" / utterance.id
    path.parent.mkdir()
    soundfile.write(path, np.sin(np.arange(8000) / 9), SAMPLING_RATE)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    corpus = Corpus("made", ("manifest",), (replace(utterance, digest=digest),), ())
    return SweepState([], corpus, is_opened=True)


def test_a_clip_is_found_in_the_folder_that_was_named(opened: SweepState, tmp_path: Path) -> None:
    assert opened.corpus is not None
    [utterance] = opened.corpus.utterances
    with pytest.raises(UserError, match="cannot be opened"):
        clip_of(opened, utterance).read()
    opened.recordings = str(tmp_path / "ours")
    found = clip_of(opened, utterance)
    assert found.path == tmp_path / "ours" / utterance.id
    assert len(found.read().samples) == 8000
    opened.recordings = "~nobody-is-called-so/clips"
    with pytest.raises(UserError, match="leads nowhere"):
        clip_of(opened, utterance)
    opened.recordings = str(tmp_path / "ours")
    other = replace(utterance, digest=64 * "0")
    with pytest.raises(UserError, match="has changed"):
        clip_of(opened, other).read()
    own = replace(opened.corpus.utterances[0], path=tmp_path / "sweep.wav")
    opened.is_opened = False
    assert clip_of(opened, own) is own, "a sweep of one's own knows where its clips are"


def test_no_folder_of_the_server_is_opened_that_is_closed_to_visitors(
    opened: SweepState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert opened.corpus is not None
    [utterance] = opened.corpus.utterances
    (tmp_path / "open").mkdir()
    allowed = Serving(host="0.0.0.0", roots=(str(tmp_path / "open"),))
    monkeypatch.setenv(VARIABLE, allowed.model_dump_json())
    for folder in (tmp_path / "ours", tmp_path / "open" / ".." / "ours"):
        opened.recordings = str(folder)
        with pytest.raises(UserError, match="not open to visitors"):
            clip_of(opened, utterance)
