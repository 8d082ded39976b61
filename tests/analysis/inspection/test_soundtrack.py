"""Every position has its time and its words."""

import numpy as np

from analysis.inspection.soundtrack import Soundtrack, find_soundtrack
from analysis.models.speech_model import SpeechModel
from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.excitation import Excitation


def test_times_ascend_and_lie_within_the_clip(soundtrack: Soundtrack) -> None:
    assert len(soundtrack.tracks) == 3
    for track in soundtrack.tracks:
        length = len(track.clip.samples) / SAMPLING_RATE
        for stack in ("encoder", "decoder"):
            seconds = track.seconds(stack)
            assert (np.diff(seconds) >= 0).all()
            assert ((seconds >= 0) & (seconds <= length + 0.03)).all()
    assert len(soundtrack.seconds("encoder")) == len(soundtrack.clips("encoder"))


def test_what_is_written_is_read_at_the_next_position(
    whisper: SpeechModel, sound: Excitation
) -> None:
    for track in find_soundtrack(whisper, sound).tracks:
        n_tokens = track.clip.arguments["decoder_input_ids"].shape[1]
        assert len(track.read) == len(track.written) == len(track.token_seconds)
        assert len(track.read) == n_tokens - track.clip.n_prompt + 1
        assert track.read[0] == track.written[-1] == ""
        assert track.read[1:] == track.written[:-1]


def test_words_are_kept(hubert: SpeechModel, sound: Excitation) -> None:
    first = find_soundtrack(hubert, sound)
    again = find_soundtrack(hubert, sound)
    assert [t.words for t in first.tracks] == [t.words for t in again.tracks]


def test_the_words_within_a_second() -> None:
    """Words that only touch the border are not within."""
    from analysis.clustering.listening import PreparedClip
    from analysis.inspection.soundtrack import Track
    from analysis.speech.recognition import Word

    nothing = np.zeros(0, np.float32)
    clip = PreparedClip({}, None, 0, 3.0, 0, nothing)
    words = tuple(Word(text, at, at + 1, 1.0) for at, text in enumerate("abc"))
    track = Track(clip, words, nothing, nothing)
    assert [word.text for word in track.words_within(1.0, 2.0)] == ["b"]
    assert [word.text for word in track.words_within(0.9, 2.1)] == ["a", "b", "c"]
