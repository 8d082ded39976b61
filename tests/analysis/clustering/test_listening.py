"""What a model hears of an excitation is prepared once."""

import pytest
import torch

from analysis.clustering import listening
from analysis.clustering.listening import prepare
from analysis.models.speech_model import SpeechModel
from analysis.speech.excitation import Excitation
from analysis.speech.languages import language_tokens
from tests.helpers.talking_models import audio, tiny_whisper


def test_what_the_decoder_wrote_is_kept(
    whisper: SpeechModel, sound: Excitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(whisper, sound)
    monkeypatch.setattr(listening.Seq2SeqRecogniser, "tokens", None)
    for a, b in zip(first, prepare(whisper, sound), strict=True):
        assert a.arguments.keys() == b.arguments.keys()
        assert torch.equal(a.arguments["decoder_input_ids"], b.arguments["decoder_input_ids"])


def test_every_clip_is_written_in_its_own_language() -> None:
    """A window of 2 s holds one clip; one language that the model does not know is detected."""
    model = tiny_whisper(multilingual=True)
    clips = tuple(audio(1, seed).samples for seed in range(4))
    heard = Excitation("speech", clips, tuple("abcd"), ("en", "de", "fr", "sw"))
    ids = language_tokens(model)
    written = [clip.arguments["decoder_input_ids"][0].tolist() for clip in prepare(model, heard)]
    assert [row[1] for row in written[:3]] == [ids["<|en|>"], ids["<|de|>"], ids["<|fr|>"]]
    assert written[3][1] in ids.values()
    assert all(clip.n_prompt == 4 for clip in prepare(model, heard))
