"""Modules that are shared between models, and found by their paths."""

from analysis.models.modules import share_modules
from analysis.models.speech_model import SpeechModel


def test_sharing_copies_modules_but_no_tensor(speech_model: SpeechModel) -> None:
    copy = share_modules(speech_model.model)
    assert copy is not speech_model.model
    assert copy.config is not speech_model.model.config
    pairs = zip(copy.named_parameters(), speech_model.model.named_parameters(), strict=True)
    for (name, mine), (_, theirs) in pairs:
        assert mine is theirs, name
