"""What compression costs on clips in memory is what it costs on the same clips on disk."""

from pathlib import Path

import pytest

from analysis.compression.compress import compress
from analysis.errors import UserError
from analysis.evaluation.own_clips import wer_rise_on
from analysis.evaluation.scoring import corpus_score
from analysis.speech.transcription import transcribe
from tests.helpers.talking_models import audio, tiny_ctc
from tests.helpers.tiny_models import make_plan


def test_it_is_the_difference_of_two_rates_in_points(tmp_path: Path) -> None:
    model = tiny_ctc(tmp_path, "hubert")
    clips = [audio(1.0, 1), audio(1.5, 2)]
    worse = compress(
        model,
        make_plan(
            model,
            n_clusters={g.id: max(1, g.n_units // 8) for g in model.groups},
        ),
    ).model
    references = [transcribe(model, clip).text or "nothing" for clip in clips]
    rise = wer_rise_on(model, clips, references, "none")
    assert rise(model) == 0
    texts = [transcribe(worse, clip).text for clip in clips]
    own = [transcribe(model, clip).text for clip in clips]
    before = corpus_score(references, own, "none").wer
    assert rise(worse) == pytest.approx(
        100 * (corpus_score(references, texts, "none").wer - before)
    )
    assert rise(worse) > 0


def test_references_without_a_word_are_refused(tmp_path: Path) -> None:
    model = tiny_ctc(tmp_path, "hubert")
    with pytest.raises(UserError, match="hold no word"):
        wer_rise_on(model, [audio(1.0, 1)], ["..."], "basic")
