"""Pictures of what units hear and where heads look say what the numbers say."""

import base64
import io
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from analysis.clustering.listening import PreparedClip
from analysis.figures.attention import attention_map, how_to_read
from analysis.figures.cka import head_similarity, layer_similarity
from analysis.figures.moments import SNIPPET_WIDTH, members_over_time, snippet
from analysis.inspection.attention import Patterns
from analysis.inspection.moments import Moment
from analysis.inspection.soundtrack import Track
from analysis.models.speech_model import SpeechModel
from analysis.speech.recognition import Word
from analysis.speech.spectrogram import mel_frequencies
from tests.helpers.talking_models import sound
from tests.helpers.tiny_models import group_of

WORDS = (Word("<b>set</b>", 0.2, 0.6, 1.0), Word("five", 0.8, 1.4, 1.0))


@pytest.fixture
def track() -> Track:
    times = (np.arange(75) / 50).astype(np.float32)
    clip = PreparedClip({}, None, 2, 1.5, 0, sound(1.5))
    tokens = np.array([0.4, 1.1, 1.5], np.float32)
    return Track(clip, WORDS, times, tokens, ("", "set", "five"), ("set", "five", ""))


def title(figure: object) -> str:
    return str(figure.layout.title.text)  # type: ignore[attr-defined]


SVG = "{http://www.w3.org/2000/svg}"


def drawn(moment: Moment) -> tuple[np.ndarray, list[ElementTree.Element]]:
    """The colours of the spectrogram, (rows, columns, 3), and the words on it."""
    picture = ElementTree.fromstring(snippet(moment))
    [image] = picture.findall(f"{SVG}image")
    png = base64.b64decode(image.attrib["href"].partition("base64,")[2])
    return np.asarray(Image.open(io.BytesIO(png))), picture.findall(f"{SVG}text")


def test_a_snippet_shows_the_words_and_no_markup_of_theirs() -> None:
    _, words = drawn(Moment(0, 0.5, 3.0, sound(1.0), 0.0, WORDS))
    assert [word.text for word in words] == ["<b>set</b>", "five"]


def test_a_snippet_is_bright_where_the_tone_is() -> None:
    seconds = np.arange(16_000) / 16_000
    tone = np.where(seconds < 0.5, np.sin(2 * np.pi * 250 * seconds), 0).astype(np.float32)
    colors, _ = drawn(Moment(0, 0.5, 3.0, tone, 0.0, ()))
    bright = colors.astype(int).sum(axis=2)
    band = int(np.abs(mel_frequencies() - 250).argmin())
    row = len(bright) - 1 - bright[:, 5].argmax()
    assert abs(row - band) <= 1, "low bands lie at the bottom"
    assert bright[:, :20].max() > 3 * bright[:, -10:].max(), "silence follows"


def test_words_do_not_lie_on_each_other_and_stay_within() -> None:
    words = tuple(Word("wonderful", 0.01 * n, 0.01 * n + 0.05, 1.0) for n in range(8))
    _, notes = drawn(Moment(0, 0.5, 3.0, sound(1.0), 0.0, (*words, Word("end", 0.9, 3.0, 1.0))))
    assert len({note.attrib["y"] for note in notes[:3]}) == 3, "one above the other"
    assert [note.text for note in notes].count("wonderful") == 3
    for note in notes:
        left, room = float(note.attrib["x"]), float(note.attrib["textLength"])
        assert 0 <= left < left + room <= SNIPPET_WIDTH


def test_the_title_says_how_well_the_merged_unit_follows(track: Track) -> None:
    times = track.frame_seconds
    together = np.sin(times * 9) + 1
    figure = members_over_time(
        track,
        times,
        np.stack([together, together / 2], axis=1),
        [4, 7],
        together=together,
        merged=together / 2,
        around=0.5,
        unit="channel",
    )
    assert "r = 1.00, at 50% of their strength" in title(figure).replace("<br>", " ")
    assert list(figure.data[1].y) == ["4", "7"]


def test_rows_of_a_decoder_s_head_are_the_words_that_it_writes(
    whisper: SpeechModel, track: Track
) -> None:
    weights = np.full((2, 3, 100), 0.01, np.float32)
    cross = group_of(whisper, "decoder.0.cross_attention")
    places = (np.arange(100) + 0.5) / 50
    patterns = Patterns(cross, weights, track.token_seconds, places)
    figure = attention_map(patterns, track, 1, "Head 1")
    assert figure.layout.yaxis2.ticktext == ("set", "five", "(end)")
    assert figure.data[1].x.max() <= 1.5, "what lies behind the sound is not drawn"
    assert "entropy 4.61 nat" in title(figure)
    assert "whole window of 2 s, the silence after the clip's 1.5 s" not in how_to_read(
        patterns, track
    )
    window = replace(patterns, places=places * 15)
    assert "whole window of 30 s, the silence after the clip's 1.5 s" in how_to_read(window, track)
    assert "The first 8 s" not in how_to_read(window, track), "the whole clip is in sight"


def test_what_lies_alike_is_named() -> None:
    rows = ((1.0, 0.2), (0.9, 0.4))
    assert "encoder layer 1 of the original is most like layer 0" in title(
        layer_similarity({"encoder": rows}, "mine")
    ).replace("<br>", " ")
    unknown = head_similarity(np.full((3, 3), np.nan), [0, 1, 2])
    assert "too short" in unknown.layout.title.text
    square = head_similarity(np.array([[1, 0.1, 0.7], [0.1, 1, 0], [0.7, 0, 1]]), [0, 1, 2])
    assert "heads 0 and 2: 0.70" in title(square).replace("<br>", " ")
