"""What models hear of a few short clips, for all tests of this folder."""

import pytest

from analysis.inspection.soundtrack import Soundtrack, find_soundtrack
from analysis.models.speech_model import SpeechModel
from analysis.speech.excitation import Excitation


@pytest.fixture
def soundtrack(speech_model: SpeechModel, sound: Excitation) -> Soundtrack:
    """The three clips, heard by every family in turn."""
    return find_soundtrack(speech_model, sound)
