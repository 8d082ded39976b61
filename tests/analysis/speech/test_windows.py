"""Windows and batches: nothing lost, nothing twice, cuts in the pauses."""

from itertools import pairwise

import numpy as np
import pytest

from analysis.speech.audio import SAMPLING_RATE, Samples
from analysis.speech.windows import Window, batches, overlapping_windows, quiet_windows


def noise(seconds: float, amplitude: float = 0.1) -> Samples:
    n_samples = round(seconds * SAMPLING_RATE)
    return np.random.default_rng(n_samples).normal(0, amplitude, n_samples).astype(np.float32)


def covers_once(windows: tuple[Window, ...], n_samples: int) -> bool:
    edges = [0, *(window.keep_stop for window in windows)]
    return (
        [window.keep_start for window in windows] == edges[:-1]
        and edges[-1] == n_samples
        and all(start < stop for start, stop in pairwise(edges))
    )


@pytest.mark.parametrize("seconds", [0.5, 29.999, 30, 30.001, 30.5, 31, 60, 60.01, 97.7, 300])
def test_quiet_windows_cover_all_samples_once(seconds: float) -> None:
    samples = noise(seconds)
    windows = quiet_windows(samples, 30 * SAMPLING_RATE)
    assert covers_once(windows, len(samples))
    lengths = [window.stop - window.start for window in windows]
    assert max(lengths) <= 30 * SAMPLING_RATE
    assert all((w.start, w.stop) == (w.keep_start, w.keep_stop) for w in windows)
    if len(windows) > 1:  # cuts are looked for in the last fifth, and leave a second at the end
        assert min(lengths[:-1]) >= 24 * SAMPLING_RATE
        assert lengths[-1] >= SAMPLING_RATE


def test_windows_shorter_than_the_grid_of_cuts() -> None:
    samples = noise(1)
    assert covers_once(quiet_windows(samples, 123), len(samples))


def test_cuts_fall_into_the_pauses() -> None:
    pauses = [(26.0, 26.4), (27.5, 27.7), (52.0, 52.5), (80.1, 80.6)]
    samples = noise(90)
    for start, stop in pauses:
        samples[round(start * SAMPLING_RATE) : round(stop * SAMPLING_RATE)] = 0
    cuts = [w.stop / SAMPLING_RATE for w in quiet_windows(samples, 30 * SAMPLING_RATE)[:-1]]
    # 27.6 s lies in a gap between words, too short to be the end of a phrase.
    for cut, (start, stop) in zip(cuts, [pauses[0], pauses[2], pauses[3]], strict=True):
        assert start + 0.1 <= cut <= stop - 0.1


def test_without_pauses_the_quieter_stretch_wins() -> None:
    samples = noise(40)
    samples[25 * SAMPLING_RATE : 26 * SAMPLING_RATE] *= 0.3
    first = quiet_windows(samples, 30 * SAMPLING_RATE)[0]
    assert 25 * SAMPLING_RATE < first.stop < 26 * SAMPLING_RATE


def test_silence_is_cut_as_late_as_possible() -> None:
    windows = quiet_windows(np.zeros(45 * SAMPLING_RATE, np.float32), 30 * SAMPLING_RATE)
    assert [window.stop for window in windows] == [30 * SAMPLING_RATE, 45 * SAMPLING_RATE]


@pytest.mark.parametrize("n_samples", [1, 4000, 4001, 5280, 9999, 16_000, 100_003])
def test_overlapping_windows_keep_every_frame_once(n_samples: int) -> None:
    align = 320
    windows = overlapping_windows(n_samples, longest=4000, overlap=700, align=align)
    assert covers_once(windows, n_samples)
    frames = [
        window.start // align + frame
        for window in windows
        for frame in range(
            (window.keep_start - window.start) // align, (window.keep_stop - window.start) // align
        )
    ]
    # All but a last fraction of a frame, which the recogniser takes as it comes.
    assert frames == list(range(n_samples // align))
    assert all(window.start % align == 0 for window in windows)
    assert all(window.stop - window.start <= 4000 for window in windows)


def test_inner_windows_have_context_on_both_sides() -> None:
    windows = overlapping_windows(100_000, longest=16_000, overlap=3200, align=320)
    assert [(w.keep_start - w.start, w.stop - w.keep_stop) for w in windows[1:-1]] == [
        (3200, 3200)
    ] * (len(windows) - 2)
    assert (windows[0].start, windows[0].keep_start) == (0, 0)
    assert windows[-1].stop == windows[-1].keep_stop == 100_000


@pytest.mark.parametrize("equal", [False, True])
def test_batches_hold_every_clip_once_and_keep_their_limits(equal: bool) -> None:
    lengths = np.random.default_rng(3).integers(1, 12, 200).tolist()
    groups = batches(lengths, batch_size=6, most_samples=40, equal=equal)
    assert sorted(index for group in groups for index in group) == list(range(200))
    for group in groups:
        longest = max(lengths[index] for index in group)
        assert len(group) <= 6
        assert len(group) == 1 or len(group) * longest <= 40
        assert not equal or {lengths[index] for index in group} == {longest}


def test_clips_beyond_the_limit_go_alone() -> None:
    assert batches([90, 80], batch_size=4, most_samples=50, equal=False) == [[1], [0]]
