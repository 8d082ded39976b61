"""Bootstrap and MAPSSWE against figures worked by hand, exact enumerations and NIST's own tool."""

import itertools
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from analysis.evaluation.scoring import AlignedSpan, score
from analysis.evaluation.significance import (
    FEWEST_SEGMENTS,
    error_segments,
    mapsswe,
    permutation_p,
    wer_difference,
    wer_interval,
)

Alignment = tuple[AlignedSpan, ...]


def align(reference: str, hypothesis: str) -> Alignment:
    return score(reference, hypothesis, "none").alignment


def segments(reference: str, first: str, second: str) -> list[tuple[int, int]]:
    return error_segments(align(reference, first), align(reference, second))


def test_interval_covers_the_exact_bootstrap_distribution() -> None:
    """All 4^4 samples of four utterances give the distribution that resampling approaches."""
    errors, words = np.array([0, 1, 2, 5]), np.array([3, 7, 4, 9])
    samples = np.array(list(itertools.product(range(4), repeat=4)))
    exact = np.sort(errors[samples].sum(axis=1) / words[samples].sum(axis=1))
    found = wer_interval(errors.tolist(), words.tolist(), n_resamples=100_000)
    assert found.n_blocks == 4
    # a limit may fall between two neighbouring values of the discrete distribution
    for limit, share in ((found.low, 0.025), (found.high, 0.975)):
        position = np.searchsorted(exact, limit) / len(exact)
        assert position == pytest.approx(share, abs=0.02)


def test_interval_of_many_equal_utterances_is_that_of_the_binomial() -> None:
    generator = np.random.default_rng(1)
    errors = generator.binomial(10, 0.2, size=400)
    found = wer_interval(errors.tolist(), [10] * 400)
    half = 1.96 * errors.std(ddof=1) / 10 / math.sqrt(400)
    mean = errors.mean() / 10
    assert found.low == pytest.approx(mean - half, abs=half / 10)
    assert found.high == pytest.approx(mean + half, abs=half / 10)


def test_interval_of_blocks_is_wider_where_speakers_differ() -> None:
    errors = [0] * 30 + [5] * 30
    words = [10] * 60
    speakers = [f"speaker {index // 10}" for index in range(60)]
    single = wer_interval(errors, words)
    blocked = wer_interval(errors, words, speakers)
    assert blocked.n_blocks == 6
    assert blocked.high - blocked.low > 2 * (single.high - single.low)


def test_blocks_of_one_utterance_change_nothing() -> None:
    errors, words = [0, 3, 1, 2, 0, 4], [5, 9, 4, 4, 6, 8]
    assert wer_interval(errors, words) == wer_interval(errors, words, list("abcdef"))


def test_same_seed_same_interval() -> None:
    errors, words = list(range(13)), [number**2 + 13 for number in range(13)]
    assert wer_interval(errors, words, seed=3) == wer_interval(errors, words, seed=3)
    assert wer_interval(errors, words, seed=3) != wer_interval(errors, words, seed=4)


def test_large_corpora_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    errors, words = [0, 3, 1, 2], [5, 9, 4, 4]
    whole = wer_interval(errors, words)
    monkeypatch.setattr("analysis.evaluation.significance._DRAWS_AT_A_TIME", 4 * 7)
    assert wer_interval(errors, words) == whole


def test_difference_is_paired() -> None:
    """A system that is one error better in every utterance is better, however they vary."""
    generator = np.random.default_rng(2)
    other = generator.integers(1, 20, size=50)
    found = wer_difference((other - 1).tolist(), other.tolist(), [20] * 50)
    assert found.delta == pytest.approx(-0.05)
    assert found.low == pytest.approx(-0.05)
    assert found.high == pytest.approx(-0.05)
    assert found.improvement == 1.0
    assert found.p_value == pytest.approx(2.0**-49)


def test_difference_against_the_exact_distribution() -> None:
    """Of the 27 samples of extra errors (-2, 1, 0), 13 are below zero: counted here."""
    extra = [-2, 1, 0]
    sums = [sum(sample) for sample in itertools.product(extra, repeat=3)]
    better = sum(total < 0 for total in sums) / 27
    found = wer_difference([0, 2, 1], [2, 1, 1], [4, 4, 4], n_resamples=200_000)
    assert found.delta == pytest.approx(-1 / 12)
    assert found.improvement == pytest.approx(better, abs=0.005)


@pytest.mark.parametrize("seed", range(6))
def test_the_permutation_test_counts_all_ways_to_exchange_two_systems(seed: int) -> None:
    extra = np.random.default_rng(seed).integers(-4, 8, size=9)
    sums = [
        abs(int((np.array(signs) * extra).sum())) for signs in itertools.product((1, -1), repeat=9)
    ]
    expected = sum(total >= abs(int(extra.sum())) for total in sums) / 2**9
    assert permutation_p(extra) == pytest.approx(expected)


def test_few_blocks_cannot_be_sure_however_alike_they_are() -> None:
    found = wer_difference([1] * 5, [0] * 5, [10] * 5)
    assert (found.low, found.high) == (0.1, 0.1)
    assert found.p_value == 2 / 2**5
    speakers = ["a", "a", "b", "b", "c"]
    assert wer_difference([1] * 5, [0] * 5, [10] * 5, speakers).p_value == 2 / 2**3


def test_many_blocks_with_many_errors_keep_the_test_exact() -> None:
    """Half of 3,000 lose what the other half gain, but for thirty: as a normal law has it."""
    extra = np.array([3] * 1515 + [-3] * 1485)
    z = 90 / math.sqrt(9 * 3000)
    assert permutation_p(extra) == pytest.approx(math.erfc(z / math.sqrt(2)), abs=0.02)


def test_swapped_systems_mirror_the_difference() -> None:
    first, second, words = [0, 3, 1, 2, 5], [1, 2, 1, 4, 6], [5, 9, 4, 4, 8]
    forth, back = wer_difference(first, second, words), wer_difference(second, first, words)
    assert (back.delta, back.low, back.high) == pytest.approx(
        (-forth.delta, -forth.high, -forth.low)
    )
    assert back.p_value == forth.p_value


def test_nothing_said_has_no_rate() -> None:
    found = wer_interval([1, 0], [0, 0])
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert math.isnan(wer_difference([1], [0], [0]).delta)


def test_what_does_not_match_is_refused() -> None:
    with pytest.raises(ValueError, match="inhomogeneous"):
        wer_interval([1, 2], [3])
    with pytest.raises(ValueError, match="no utterances"):
        wer_interval([], [])
    with pytest.raises(ValueError, match="3 blocks for 2"):
        wer_interval([1, 2], [3, 3], list("abc"))
    with pytest.raises(ValueError, match="differ in their reference"):
        mapsswe([align("a b", "a b")], [align("a", "a")])
    with pytest.raises(ValueError, match="is shorter"):
        mapsswe([align("a", "a")], [])


def test_segments_end_where_both_get_two_words_right() -> None:
    said = "a b c d e f g h"
    assert segments(said, said, said) == []
    # one good word between two errors joins them, two part them
    assert segments(said, "a x c y e f g h", said) == [(2, 0)]
    assert segments(said, "a x c d y f g h", said) == [(1, 0), (1, 0)]
    # the good words must be the same ones, for both
    assert segments(said, "a x c d e f g h", "a b c y e f g h") == [(1, 1)]
    assert segments(said, "a x c d e f g h", "a b c d y f g h") == [(1, 0), (0, 1)]


def test_insertions_part_good_words_and_count_each() -> None:
    said = "a b c d e f g h"
    # c and d are right, but an insertion of the other system stands between them
    assert segments(said, "a x c d y f g h", "a b c z d e f g h") == [(2, 1)]
    assert segments(said, "x y z a b c d e f g h", said) == [(3, 0)]
    # after the last word, for either system
    assert segments(said, said + " x y", said) == [(2, 0)]
    assert segments(said, said, said + " x y") == [(0, 2)]


def test_segments_hold_all_errors() -> None:
    generator = np.random.default_rng(5)
    for _ in range(200):
        said = " ".join(generator.choice(list("abc"), size=8))
        first = " ".join(generator.choice(list("abc"), size=generator.integers(0, 11)))
        second = " ".join(generator.choice(list("abc"), size=generator.integers(0, 11)))
        found = segments(said, first, second)
        for column, text in enumerate((first, second)):
            result = score(said, text, "none")
            errors = result.errors
            assert sum(segment[column] for segment in found) == errors
        assert all(max(segment) > 0 for segment in found)


def test_mapsswe_worked_by_hand() -> None:
    """Segments differ by 1, 1, -1, 2 and 1 errors, twice: mean 0.8, s² = 9.6 / 9."""
    said = "a b c d e f g h i j"
    pairs = [
        (align(said, "x b c d e f g h i j"), align(said, said)),
        (align(said, "a b c d e f g h i"), align(said, said)),
        (align(said, said), align(said, "a b c d x f g h i j")),
        (align(said, "x y c d e f g h i z"), align(said, said)),
    ]
    own, other = [own for own, _ in pairs], [other for _, other in pairs]
    found = mapsswe(2 * own, 2 * other)
    assert found.n_segments == FEWEST_SEGMENTS == 10
    assert found.mean == pytest.approx(0.8)
    assert found.standard_deviation == pytest.approx(math.sqrt(9.6 / 9))
    assert found.z == pytest.approx(0.8 / math.sqrt(9.6 / 90))
    assert found.p_value == pytest.approx(math.erfc(found.z / math.sqrt(2)))
    few = mapsswe(own, other)
    assert (few.n_segments, few.z > 0, math.isnan(few.p_value)) == (5, True, True)


def test_mapsswe_without_a_verdict() -> None:
    same = mapsswe([align("a b", "a x")], [align("a b", "a y")])
    assert (same.n_segments, same.z, same.p_value) == (1, 0.0, 1.0)
    none = mapsswe([align("a b", "a b")], [align("a b", "a b")])
    assert (none.n_segments, none.p_value) == (0, 1.0)
    # one segment, or all alike: nothing to estimate a standard error from
    assert math.isnan(mapsswe([align("a b", "a x")], [align("a b", "a b")]).p_value)
    assert math.isnan(mapsswe([align("a b", "a x")] * 2, [align("a b", "a b")] * 2).p_value)


def test_mapsswe_agrees_with_nist(tmp_path: Path) -> None:
    """NIST's `sclite` and `sc_stats` on the same hypotheses: segments, mean, deviation and z.

    References hold every word once, and end in a word that both systems get right: `sc_stats` does
    not look at what its second system inserts after the last word.
    """
    tool = shutil.which("sctk")
    if tool is None:
        pytest.skip("NIST's SCTK is not installed (Debian: apt-get install sctk)")
    generator = np.random.default_rng(11)
    references, hypotheses = [], ([], [])  # type: tuple[list[str], tuple[list[str], list[str]]]
    for _ in range(60):
        words = [f"w{index}" for index in range(generator.integers(4, 25))] + ["end"]
        references.append(" ".join(words))
        for rate, texts in zip((0.15, 0.3), hypotheses, strict=True):
            texts.append(" ".join(_garbled(words, rate, generator)))
    found = mapsswe(
        [align(*pair) for pair in zip(references, hypotheses[0], strict=True)],
        [align(*pair) for pair in zip(references, hypotheses[1], strict=True)],
    )
    report = _sc_stats(tool, tmp_path, references, hypotheses)
    numbers = re.search(
        r"# segs: (\d+)\).*mean: (\S+)\) \(std dev: (\S+)\) \(Z Stat: (\S+)\)", report
    )
    assert numbers, report
    assert found.n_segments == int(numbers[1])
    assert found.mean == pytest.approx(float(numbers[2]), abs=5e-4)
    assert found.standard_deviation == pytest.approx(float(numbers[3]), abs=5e-4)
    assert found.z == pytest.approx(float(numbers[4]), abs=5e-4)


def _garbled(words: list[str], rate: float, generator: np.random.Generator) -> list[str]:
    heard: list[str] = []
    for word in words[:-1]:
        chance = generator.random()
        if chance < rate / 3:
            continue
        if chance < rate / 3 * 2:
            heard.append(f"x{generator.integers(1000)}")
        elif chance < rate:
            heard += [f"x{generator.integers(1000)}", word]
        else:
            heard.append(word)
    return [*heard, words[-1]]


def _sc_stats(
    tool: str, folder: Path, references: list[str], hypotheses: tuple[list[str], list[str]]
) -> str:
    def write(name: str, texts: list[str]) -> str:
        lines = [f"{text} (speaker-{index})" for index, text in enumerate(texts)]
        (folder / name).write_text("\n".join(lines) + "\n")
        return name

    reference = write("ref", references)
    aligned = ""
    for name, texts in zip(("one", "two"), hypotheses, strict=True):
        write(name, texts)
        command = [tool, "sclite", "-r", reference, "trn", "-h", name, "trn"]
        command += ["-i", "spu_id", "-o", "sgml", "stdout"]
        aligned += _run(command, folder)
    return _run([tool, "sc_stats", "-p", "-t", "mapsswe", "-v", "-n", "-"], folder, aligned)


def _run(command: list[str], folder: Path, given: str = "") -> str:
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, cwd=folder, check=True
    )
    return done.stdout


def test_many_blocks_that_are_alike_give_the_interval_of_drawing_each() -> None:
    chance = np.random.default_rng(1)
    errors, words = chance.integers(0, 4, 3_000).tolist(), [10] * 3_000
    quick = wer_interval(errors, words)
    mean, sem = np.mean(errors) / 10, np.std(errors) / 10 / math.sqrt(3_000)
    assert quick.low == pytest.approx(mean - 1.96 * sem, abs=0.1 * sem)
    assert quick.high == pytest.approx(mean + 1.96 * sem, abs=0.1 * sem)
    assert quick.n_blocks == 3_000
