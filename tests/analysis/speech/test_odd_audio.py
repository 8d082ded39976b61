"""A header is a claim: all of the sound is read, and what a file lacks is said."""

import itertools
import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import Cancelled, UserError
from analysis.progress import Watch
from analysis.speech import decoding
from analysis.speech.audio import Audio, read_audio
from tests.helpers.sounds import (
    ID3V1,
    Signal,
    claiming,
    counting,
    encoded,
    film,
    id3v2,
    mp3,
    pitches,
    tone,
    written,
)

LOW, HIGH = 600, 1400
"""Hz of the first and of the second piece of what is joined, two seconds each."""


def low(rate: int = 16_000) -> Signal:
    return tone(LOW, rate)


def high(rate: int = 16_000) -> Signal:
    return tone(HIGH, rate)


def stereo(signal: Signal) -> Signal:
    return np.stack([signal, signal], axis=1)


def tagged(content: bytes) -> bytes:
    return id3v2() + content + ID3V1


JOINED: dict[str, Callable[[], list[bytes]]] = {
    "mp3": lambda: [mp3(low(), 16_000), mp3(high(), 16_000)],
    "mp3, no header": lambda: [mp3(x, 16_000, xing=False) for x in (low(), high())],
    "mp3, tagged": lambda: [tagged(mp3(x, 16_000)) for x in (low(), high())],
    "mp3, by libsndfile": lambda: [written(x, 16_000, "MP3") for x in (low(), high())],
    "mp3, another rate": lambda: [mp3(low(44_100), 44_100), mp3(high(), 16_000)],
    "mp3, more channels": lambda: [mp3(low(), 16_000), mp3(np.stack([high()] * 2), 16_000)],
    "aac": lambda: [encoded(x, 16_000, "adts", "aac") for x in (low(), high())],
    "aac, another rate": lambda: [
        encoded(low(44_100), 44_100, "adts", "aac"),
        encoded(high(), 16_000, "adts", "aac"),
    ],
    "mp4": lambda: [encoded(x, 16_000, "mp4", "aac") for x in (low(), high())],
    "webm": lambda: [encoded(x, 48_000, "webm", "libopus") for x in (low(48_000), high(48_000))],
    "opus": lambda: [written(x, 48_000, "OGG", "OPUS") for x in (low(48_000), high(48_000))],
    "vorbis": lambda: [written(x, 16_000, "OGG", "VORBIS") for x in (low(), high())],
    "vorbis, another rate": lambda: [
        written(low(44_100), 44_100, "OGG", "VORBIS"),
        written(high(), 16_000, "OGG", "VORBIS"),
    ],
    "vorbis, more channels": lambda: [
        written(low(), 16_000, "OGG", "VORBIS"),
        written(stereo(high()), 16_000, "OGG", "VORBIS"),
    ],
    "vorbis and opus": lambda: [
        written(low(), 16_000, "OGG", "VORBIS"),
        written(high(48_000), 48_000, "OGG", "OPUS"),
    ],
    "wav": lambda: [written(low(), 16_000), written(high(), 16_000)],
    "wav, another rate": lambda: [written(low(44_100), 44_100), written(stereo(high()), 16_000)],
    "aiff": lambda: [written(x, 16_000, "AIFF") for x in (low(), high())],
    "au": lambda: [written(x, 16_000, "AU") for x in (low(), high())],
    "flac": lambda: [written(x, 16_000, "FLAC") for x in (low(), high())],
}


@pytest.mark.parametrize("kind", JOINED)
def test_files_that_were_joined_are_read_to_their_end(kind: str) -> None:
    audio = read_audio(b"".join(JOINED[kind]()))
    assert audio.duration == pytest.approx(4, abs=0.25)  # encoders pad to their frames
    found = pitches(audio)
    assert found[0] == pytest.approx(LOW, abs=4)
    assert found[-2] == pytest.approx(HIGH, abs=4)
    assert audio.is_whole


@pytest.mark.parametrize("kind", ["mp3", "opus", "wav", "flac", "aac, another rate"])
def test_what_was_joined_is_said(kind: str) -> None:
    assert "read" in " ".join(read_audio(b"".join(JOINED[kind]())).notes)


def test_a_variable_mp3_without_a_header_is_read_to_its_end() -> None:
    # By its first frames it would last a third of this: they are of silence, and small.
    rate = 16_000
    sound = np.r_[tone(300, rate, 7, 0.001), np.random.default_rng(0).normal(0, 0.2, 7 * rate)]
    audio = read_audio(mp3(sound, rate, xing=False, variable=True))
    assert audio.duration == pytest.approx(14, abs=0.2)
    assert read_audio(mp3(sound, rate, xing=False, variable=True), max_seconds=15).is_whole


WRONG: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "wav, no bytes": ("WAV", lambda right: claiming(right, 0)),
    "wav, half": ("WAV", lambda right: claiming(right, 32_000)),
    "au, half": ("AU", lambda right: right[:8] + (32_000).to_bytes(4, "big") + right[12:]),
    "flac, half": ("FLAC", lambda right: counting(right, 16_000)),
}


@pytest.mark.parametrize("what", WRONG)
def test_headers_that_state_too_little_are_not_believed(what: str) -> None:
    kind, change = WRONG[what]
    right = written(low(), 16_000, kind)
    audio = read_audio(change(right))
    np.testing.assert_array_equal(audio.samples, read_audio(right).samples)
    assert audio.is_whole
    assert audio.notes[0].endswith("but it holds 2.0 s; all of it was read.")


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0xFFFFFFFF - 36, 0x7FFFFFFF, 0x7FFFF000, 0x80000000])
def test_sizes_that_mean_unknown_are_no_claim(size: int) -> None:
    audio = read_audio(claiming(written(low(), 16_000), size))
    assert (audio.duration, audio.notes, audio.is_whole) == (2.0, (), True)


def cut(content: bytes, share: float = 0.6) -> bytes:
    return content[: round(len(content) * share)]


def noise(rate: int = 16_000) -> Signal:
    return np.random.default_rng(0).normal(0, 0.1, 4 * rate)


CUT: dict[str, Callable[[], bytes]] = {
    "wav": lambda: cut(written(noise(), 16_000)),
    "rf64": lambda: cut(written(noise(), 16_000, "RF64")),
    "w64": lambda: cut(written(noise(), 16_000, "W64")),
    "caf": lambda: cut(written(noise(), 16_000, "CAF")),
    "aiff": lambda: cut(written(noise(), 16_000, "AIFF")),
    "au": lambda: cut(written(noise(), 16_000, "AU")),
    "flac": lambda: cut(written(noise(), 16_000, "FLAC")),
    "flac, by its header": lambda: counting(written(noise(), 16_000, "FLAC"), 4 * 32_000),
    "mp3": lambda: cut(mp3(noise(), 16_000)),
    "opus": lambda: cut(written(noise(48_000), 48_000, "OGG", "OPUS")),
    "vorbis": lambda: cut(written(noise(), 16_000, "OGG", "VORBIS")),
    "webm": lambda: cut(encoded(noise(48_000), 48_000, "webm", "libopus")),
    "film": lambda: cut(film(noise(), 16_000, "matroska")),
    "opus, its second link": lambda: (
        written(low(48_000), 48_000, "OGG", "OPUS")
        + cut(written(noise(48_000), 48_000, "OGG", "OPUS"))
    ),
}


@pytest.mark.parametrize("kind", CUT)
def test_what_was_cut_short_is_read_as_far_as_it_goes_and_said(kind: str) -> None:
    audio = read_audio(CUT[kind]())
    assert audio.duration > 1
    assert not audio.is_whole
    assert "cut short" in audio.notes[0]


WHOLE: dict[str, Callable[[], bytes]] = {
    "wav, extensible": lambda: written(low(), 16_000, "WAVEX"),
    "wav, float64": lambda: written(low(), 16_000, "WAV", "DOUBLE"),
    "wav, 24 bits": lambda: written(low(), 16_000, "WAV", "PCM_24"),
    "wav, A-law": lambda: written(low(), 16_000, "WAV", "ALAW"),
    "wav, 8 bits": lambda: written(low(), 16_000, "WAV", "PCM_U8"),
    "wav, ADPCM": lambda: written(low(), 16_000, "WAV", "IMA_ADPCM"),
    "wav with MP3 inside": lambda: encoded(low(), 16_000, "wav", "libmp3lame"),
    "rf64": lambda: written(low(), 16_000, "RF64"),
    "w64": lambda: written(low(), 16_000, "W64"),
    "aiff-c, little-endian": lambda: written(low(), 16_000, "AIFF", "PCM_16", "LITTLE"),
    "aiff-c, μ-law": lambda: written(low(), 16_000, "AIFF", "ULAW"),
    "wav, tagged": lambda: tagged(written(low(), 16_000)),
    "flac, tagged": lambda: tagged(written(low(), 16_000, "FLAC")),
    "mp3, tagged": lambda: tagged(mp3(low(), 16_000)),
    "wav and a list": lambda: written(low(), 16_000) + b"LIST\4\0\0\0INFO",
    "wav and zeros": lambda: written(low(), 16_000) + bytes(3000),
    "mp3 behind rubbish": lambda: bytes(5000) + mp3(low(), 16_000),
    "mp4 with a longer film": lambda: film(low(), 16_000, "mp4"),
    "matroska with a longer film": lambda: film(low(), 16_000, "matroska"),
    "avi": lambda: film(low(), 16_000, "avi"),
    "192 kHz": lambda: written(low(192_000), 192_000),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_odd_formats_give_the_same_sound_and_nothing_is_said(kind: str) -> None:
    audio = read_audio(WHOLE[kind]())
    assert audio.duration == pytest.approx(2, abs=0.16)  # ADPCM and MP3 pad to their blocks
    assert set(pitches(audio)[:4]) <= {LOW - 2, LOW, LOW + 2}
    assert np.abs(audio.samples[8000:24000]).max() == pytest.approx(0.5, rel=0.05)
    assert (audio.notes, audio.is_whole) == ((), True)


def test_a_damaged_stretch_is_left_out_and_said() -> None:
    content = bytearray(written(noise(), 16_000, "FLAC"))
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    audio = read_audio(bytes(content))
    assert 3 < audio.duration < 4
    assert not audio.is_whole


@pytest.mark.parametrize("codec", ["OPUS", "VORBIS"])
@pytest.mark.parametrize("behind", [0, 300])
def test_a_lost_page_is_left_out_and_nothing_is_played_twice(codec: str, behind: int) -> None:
    tones = [tone(300 + 100 * second, 48_000, 1.0) for second in range(10)]
    content = bytearray(written(np.concatenate(tones), 48_000, "OGG", codec))
    pages = [found.start() for found in re.finditer(b"OggS", content)]
    hole = pages[len(pages) // 2] + behind
    content[hole : hole + 200] = bytes(200)
    audio = read_audio(bytes(content))
    assert not audio.is_whole
    (note,) = audio.notes
    assert note.startswith("Pieces of the file are damaged, missing or in disorder")
    assert 7 < audio.duration < 9.5
    heard = pitches(audio)
    assert np.all(np.diff(heard) > -20)  # rising, as they were, to the last one
    assert heard[-1] == pytest.approx(1200, abs=20)


def sealed(page: bytes) -> bytes:
    """A page of Ogg with the right checksum: RFC 3533 gives it bit by bit."""
    page = page[:22] + bytes(4) + page[26:]
    register = 0
    for byte in page:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1) ^ (0x04C11DB7 if register >> 31 else 0)
            register &= 0xFFFFFFFF
    return page[:22] + register.to_bytes(4, "little") + page[26:]


@pytest.mark.parametrize("codec", ["OPUS", "VORBIS"])
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda pages, at: pages.insert(at, pages[at]), id="twice"),
        pytest.param(lambda pages, at: pages.insert(at, pages.pop(at + 1)), id="swapped"),
        pytest.param(
            lambda pages, at: pages.__setitem__(
                at, sealed(pages[at][:5] + bytes([pages[at][5] | 4]) + pages[at][6:])
            ),
            id="an end midway",
        ),
        pytest.param(
            lambda pages, at: pages.__setitem__(
                slice(at, None), [sealed(p[:14] + b"else" + p[18:]) for p in pages[at:]]
            ),
            id="another stream",
        ),
        pytest.param(
            lambda pages, at: pages.__setitem__(at, sealed(pages[at][:4] + b"\1" + pages[at][5:])),
            id="another version",
        ),
        pytest.param(
            lambda pages, at: pages.__setitem__(
                -1, sealed(pages[-1][:6] + (8000).to_bytes(8, "little") + pages[-1][14:])
            ),
            id="an end before the start",
        ),
    ],
)
def test_pages_in_disorder_are_said(
    codec: str, spoil: Callable[[list[bytes], int], object]
) -> None:
    tones = [tone(300 + 100 * second, 48_000, 1.0) for second in range(10)]
    content = written(np.concatenate(tones), 48_000, "OGG", codec)
    starts = [found.start() for found in re.finditer(b"OggS", content)]
    pages = [content[a:b] for a, b in itertools.pairwise([*starts, len(content)])]
    assert pages == [sealed(page) for page in pages]
    assert read_audio(b"".join(pages)).is_whole
    spoil(pages, len(pages) // 2)
    audio = read_audio(b"".join(pages))
    assert not audio.is_whole
    assert any("in disorder" in note for note in audio.notes)


def test_a_sound_that_stays_where_it_is_is_silence_at_every_rate() -> None:
    with pytest.raises(UserError, match="silent"):  # resampling would let it ring
        read_audio(written(np.full(44_100, 0.3), 44_100))


def test_a_sampling_rate_that_nothing_has_is_refused() -> None:
    content = bytearray(written(low(), 16_000))
    content[24:28] = (2_000_000_000).to_bytes(4, "little")
    with pytest.raises(UserError, match="damaged") as caught:
        read_audio(bytes(content))
    assert "2000000000 Hz" in caught.value.detail


def test_one_sample_is_too_short() -> None:
    with pytest.raises(UserError, match="lasts only"):
        read_audio(written(np.ones(1) / 2, 44_100))


def test_reading_can_be_cancelled_between_blocks() -> None:
    asked = iter([False, True])
    long = written(tone(500, 48_000, 20), 48_000)  # four blocks
    with pytest.raises(Cancelled):
        read_audio(long, watch=Watch(should_cancel=lambda: next(asked)))
    assert next(asked, None) is None


def test_many_channels_are_read_in_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    mixing = decoding.soundfile.SoundFile.read

    def read(self: object, *given: int, **how: object) -> np.ndarray:
        frames: np.ndarray = mixing(self, *given, **how)
        sizes.append(frames.size)
        return frames

    monkeypatch.setattr(decoding.soundfile.SoundFile, "read", read)
    monkeypatch.setattr(decoding, "_BLOCK_SAMPLES", 4096)
    read_audio(written(np.stack([low()] * 8, axis=1), 16_000, "FLAC"))
    assert max(sizes) == 4096


# Properties


@given(
    n_samples=st.integers(1700, 20_000),
    channels=st.integers(1, 5),
    rate=st.sampled_from([8_000, 16_000, 22_050, 44_100, 96_000]),
    block=st.integers(200, 9_000),
    seed=st.integers(0, 99),
)
def test_reading_in_blocks_equals_reading_at_once(
    n_samples: int, channels: int, rate: int, block: int, seed: int
) -> None:
    n_samples = max(n_samples, rate // 8)
    sound = np.random.default_rng(seed).uniform(-0.5, 0.5, (n_samples, channels))
    content = written(sound, rate, subtype="FLOAT")
    with pytest.MonkeyPatch.context() as patch:
        whole = read_audio(content)
        patch.setattr(decoding, "_BLOCK_FRAMES", block)
        np.testing.assert_allclose(read_audio(content).samples, whole.samples, atol=1e-6)


def pieces(counts: list[int]) -> list[Signal]:
    generator = np.random.default_rng(len(counts))
    return [generator.uniform(-0.5, 0.5, n) for n in counts]


@given(st.lists(st.integers(1_600, 6_000), min_size=1, max_size=4), st.sampled_from(["WAV", "OGG"]))
def test_joined_files_give_their_pieces_in_a_row(counts: list[int], kind: str) -> None:
    files = [written(piece, 16_000, kind) for piece in pieces(counts)]
    alone = [read_audio(file).samples for file in files]
    np.testing.assert_allclose(
        read_audio(b"".join(files)).samples, np.concatenate(alone), atol=1e-6
    )


@given(st.integers(0, 0xFFFFFFFF), st.integers(1_600, 4_000))
def test_no_size_in_a_header_loses_a_sample(size: int, n_samples: int) -> None:
    [sound] = pieces([n_samples])
    content = written(sound, 16_000)
    audio = read_audio(claiming(content, size))
    assert len(audio.samples) == n_samples
    promises_more = 2 * (n_samples + 3 * 1152) < size < 0x7FFF0000
    assert audio.is_whole != promises_more


def outcome(content: bytes) -> Audio | UserError:
    try:
        return read_audio(content)
    except UserError as error:
        return error


FUZZED = {
    "wav": written(low()[:8000], 16_000),
    "flac": written(low()[:8000], 16_000, "FLAC"),
    "aiff": written(low()[:8000], 16_000, "AIFF"),
    "w64": written(low()[:8000], 16_000, "W64"),
    "opus": written(low()[:8000], 16_000, "OGG", "OPUS") * 2,
    "mp3": mp3(low()[:8000], 16_000),
    "mp4": encoded(low()[:8000], 16_000, "mp4", "aac"),
    "webm": encoded(low()[:8000], 16_000, "webm", "libopus"),
}


@given(
    st.sampled_from(sorted(FUZZED)),
    st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6)), min_size=1, max_size=8),
    st.floats(0.2, 1),
)
def test_damaged_files_are_read_or_refused_with_a_sentence(
    kind: str, changes: list[tuple[float, bytes]], share: float
) -> None:
    content = bytearray(FUZZED[kind])
    for where, what in changes:
        at = int(where**3 * (len(content) - 1))  # headers lie in front
        content[at : at + len(what)] = what
    result = outcome(cut(bytes(content), share))
    if isinstance(result, Audio):
        assert np.isfinite(result.samples).all()
    else:
        assert result.remedy.endswith(".")
