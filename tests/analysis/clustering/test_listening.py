"""What a model hears of an excitation is prepared once."""

import pytest
import torch

from analysis.clustering import listening
from analysis.clustering.listening import prepare
from analysis.models.speech_model import SpeechModel
from analysis.speech.excitation import Excitation


def test_what_the_decoder_wrote_is_kept(
    whisper: SpeechModel, sound: Excitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(whisper, sound)
    monkeypatch.setattr(listening.Seq2SeqRecogniser, "tokens", None)
    for a, b in zip(first, prepare(whisper, sound), strict=True):
        assert a.arguments.keys() == b.arguments.keys()
        assert torch.equal(a.arguments["decoder_input_ids"], b.arguments["decoder_input_ids"])
