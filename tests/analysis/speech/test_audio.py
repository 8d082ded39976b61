"""Reading sound: what comes out is the sound that went in, and what cannot be read says why."""

from collections.abc import Callable
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr

from analysis.errors import UserError
from analysis.speech.audio import SAMPLING_RATE, Audio, read_audio
from tests.helpers.sounds import Signal, counting, encoded, tone, written


def spectrum(audio: Audio) -> tuple[Signal, Signal]:
    """Frequencies and amplitudes, without the edges, where a filter rings."""
    middle = audio.samples[SAMPLING_RATE // 5 : -SAMPLING_RATE // 5].astype(np.float64)
    window = np.blackman(len(middle))
    amplitudes = 2 * np.abs(np.fft.rfft(middle * window)) / window.sum()
    return np.fft.rfftfreq(len(middle), 1 / SAMPLING_RATE), amplitudes


def loudest(audio: Audio) -> tuple[float, float]:
    frequencies, amplitudes = spectrum(audio)
    peak = int(np.argmax(amplitudes))
    return float(frequencies[peak]), float(amplitudes[peak])


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_tone_keeps_its_pitch_and_loudness(rate: int) -> None:
    audio = read_audio(written(tone(1000, rate), rate))
    hertz, amplitude = loudest(audio)
    assert hertz == pytest.approx(1000, abs=1)
    assert amplitude == pytest.approx(0.5, rel=0.01)
    assert audio.samples.dtype == np.float32
    assert audio.duration == pytest.approx(2.0, abs=1e-3)
    assert (audio.original_sampling_rate, audio.original_channels) == (rate, 1)


def test_what_16_khz_cannot_hold_is_removed_and_not_folded_down() -> None:
    mixed = tone(1000, 44_100, amplitude=0.3) + tone(11_000, 44_100, amplitude=0.3)
    frequencies, amplitudes = spectrum(read_audio(written(mixed, 44_100, subtype="FLOAT")))
    elsewhere = np.abs(frequencies - 1000) > 20  # 11 kHz would fold down to 5 kHz
    assert amplitudes[~elsewhere].max() == pytest.approx(0.3, rel=0.01)
    assert amplitudes[elsewhere].max() < 10 ** (-80 / 20)


def test_channels_are_averaged() -> None:
    left, right = tone(500, 16_000), tone(2000, 16_000)
    silent = np.zeros_like(left)
    sides = np.stack([left, right, silent, silent], axis=1)
    audio = read_audio(written(sides, 16_000, subtype="FLOAT"))
    np.testing.assert_allclose(audio.samples, (left + right) / 4, atol=1e-6)
    assert audio.original_channels == 4


def test_blocks_leave_no_seam() -> None:
    # 16 s at 44.1 kHz are three blocks; resampled at once they must give the very same samples.
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16 * 44_100).astype(np.float32)
    audio = read_audio(written(noise, 44_100, subtype="FLOAT"))
    np.testing.assert_array_equal(audio.samples, soxr.resample(noise, 44_100, SAMPLING_RATE))


FORMATS: dict[str, Callable[[Signal, int], bytes]] = {
    "wav, 16 bits": lambda x, rate: written(x, rate),
    "wav, 24 bits": lambda x, rate: written(x, rate, subtype="PCM_24"),
    "wav, μ-law": lambda x, rate: written(x, rate, subtype="ULAW"),
    "flac": lambda x, rate: written(x, rate, "FLAC"),
    "aiff": lambda x, rate: written(x, rate, "AIFF"),
    "ogg, vorbis": lambda x, rate: written(x, rate, "OGG", "VORBIS"),
    "ogg, opus": lambda x, rate: written(x, rate, "OGG", "OPUS"),
    "mp3": lambda x, rate: written(x, rate, "MP3"),
    "m4a": lambda x, rate: encoded(x, rate, "ipod", "aac"),
    "mp4": lambda x, rate: encoded(x, rate, "mp4", "aac"),
    "aac": lambda x, rate: encoded(x, rate, "adts", "aac"),
    "webm": lambda x, rate: encoded(x, rate, "webm", "libopus"),
    "matroska, flac": lambda x, rate: encoded_flac(x, rate),
    "flac of unknown length": lambda x, rate: counting(written(x, rate, "FLAC"), 0),
}


def encoded_flac(signal: Signal, rate: int) -> bytes:
    """FLAC in Matroska: 16-bit integers, to see that integer samples are scaled."""
    buffer = BytesIO()
    with av.open(buffer, "w", format="matroska") as output:
        stream = output.add_stream("flac", rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.layout, stream.format = "mono", "s16"
        integers = np.round(signal * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(integers[None], "s16", "mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_sound(kind: str) -> None:
    audio = read_audio(FORMATS[kind](tone(1000, 48_000), 48_000), name=kind)
    hertz, amplitude = loudest(audio)
    assert hertz == pytest.approx(1000, abs=1)
    assert amplitude == pytest.approx(0.5, rel=0.05)
    assert audio.duration == pytest.approx(2.0, abs=0.06)  # AAC pads to its frames
    assert audio.original_sampling_rate == 48_000


@pytest.mark.parametrize("name", ["speech.mp3", "speech.txt", "speech.m4a", "speech"])
def test_the_content_decides_not_the_extension(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(written(tone(1000, 16_000), 16_000))
    audio = read_audio(path)
    assert loudest(audio)[0] == pytest.approx(1000, abs=1)
    assert audio.name == name
    path.write_bytes(encoded(tone(700, 44_100), 44_100, "ipod", "aac"))
    assert loudest(read_audio(path))[0] == pytest.approx(700, abs=1)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\clip.wav", "clip.wav"),
        ("a\x1b[31m\nb.wav", "a[31mb.wav"),
        ("..", ".."),
        ("", "audio"),
        ("\n", "audio"),
        ("x" * 500, "x" * 120),
    ],
)
def test_an_uploads_name_is_only_a_label(given: str, shown: str) -> None:
    assert read_audio(written(tone(1000, 16_000), 16_000), name=given).name == shown


def damaged_mp4() -> bytes:
    whole = encoded(tone(1000, 44_100), 44_100, "mp4", "aac")
    return whole[: len(whole) // 2]


def film_without_sound() -> bytes:
    buffer = BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 64
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    return buffer.getvalue()


UNUSABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "header only": (lambda: written(np.zeros(0), 16_000), "no samples"),
    "silence": (lambda: written(np.zeros(16_000), 16_000), "silent"),
    "constant offset": (lambda: written(np.full(16_000, 0.25), 16_000), "silent"),
    "a faint hiss": (
        lambda: written(tone(1000, 16_000, amplitude=9e-5), 16_000, subtype="FLOAT"),
        "silent",
    ),
    "a click": (lambda: written(tone(1000, 16_000, seconds=0.05), 16_000), "lasts only 50 ms"),
    "text": (lambda: b"The quick brown fox jumps over the lazy dog.\n" * 99, "not audio"),
    "random bytes": (lambda: np.random.default_rng(1).bytes(20_000), "not audio"),
    "an image": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, "not audio"),
    "half an mp4": (damaged_mp4, "damaged"),
    "a silent film": (film_without_sound, "no sound track"),
    "not a number": (
        lambda: written(np.r_[tone(1000, 16_000), np.nan], 16_000, subtype="FLOAT"),
        "not numbers",
    ),
    "infinite": (
        lambda: written(np.r_[-np.inf, tone(1000, 16_000)], 16_000, subtype="FLOAT"),
        "not numbers",
    ),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_unusable_files_say_what_is_wrong_and_what_to_do(what: str) -> None:
    make, reason = UNUSABLE[what]
    with pytest.raises(UserError, match=reason) as caught:
        read_audio(make(), name="clip.wav")
    assert "clip.wav" in caught.value.message
    assert caught.value.remedy.endswith(".")


def test_quiet_speech_is_not_silence() -> None:
    quiet = written(tone(1000, 16_000, amplitude=2e-4), 16_000, subtype="FLOAT")
    assert read_audio(quiet).duration == 2.0


@pytest.mark.parametrize("name", ["nothing.wav", ""])
def test_missing_file_and_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot be opened"):
        read_audio(tmp_path / name)


def test_too_long_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(soundfile.SoundFile, "read", read)
    long = written(tone(1000, 8_000, seconds=61), 8_000)
    with pytest.raises(UserError, match="longer than the limit of 1 min") as caught:
        read_audio(long, max_seconds=60)
    assert "1 min" in caught.value.remedy


def test_too_long_is_refused_where_only_decoding_tells() -> None:
    flac = counting(written(tone(1000, 8_000, seconds=61), 8_000, "FLAC"), 0)
    with pytest.raises(UserError, match=r"longer than the limit of 1\.5 min"):
        read_audio(flac * 2, max_seconds=90)
    assert read_audio(flac, max_seconds=61).duration == pytest.approx(61)


def test_a_playlist_cannot_make_the_reader_open_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "private.wav").write_bytes(written(tone(1000, 16_000), 16_000))
    playlist = b"ffconcat version 1.0\nfile private.wav\n"
    with av.open(BytesIO(playlist), "r") as container:  # FFmpeg left to itself does open it
        assert sum(frame.samples for frame in container.decode(audio=0)) == 2 * 16_000
    with pytest.raises(UserError, match="not audio"):
        read_audio(playlist, name="clip.wav")


def test_a_path_may_be_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "tone.wav"
    path.write_bytes(written(tone(440, SAMPLING_RATE), SAMPLING_RATE))
    heard = [read_audio(each) for each in (path, str(path), "~/tone.wav")]
    assert {audio.name for audio in heard} == {"tone.wav"}
    assert all(np.array_equal(audio.samples, heard[0].samples) for audio in heard)
    with pytest.raises(UserError, match=r"nowhere\.wav"):
        read_audio("nowhere.wav")
