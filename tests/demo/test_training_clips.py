"""The folder of training clips: real examples of the synthesiser, as a corpus that can be read."""

from pathlib import Path

import numpy as np
import pytest

from analysis.evaluation.corpora import read_corpus
from analysis.models.loading import load
from analysis.training.data import training_data
from demo.examples import ExampleSource
from demo.synthesis import SAMPLING_RATE, Corpus, Utterance
from demo.training_clips import PHASE, write_clips

TEXTS = ("seven two", "close the door", "twenty six minutes")


def source() -> ExampleSource:
    """Three sentences of noise instead of speech."""
    seconds = (1, 2, 1)
    samples = np.random.default_rng(0).integers(-9000, 9000, sum(seconds) * SAMPLING_RATE)
    starts = np.cumsum([0, *seconds]) * SAMPLING_RATE
    utterances = tuple(
        Utterance(text, "test", f"flite:{index}", int(starts[index]), int(starts[index + 1]))
        for index, text in enumerate(TEXTS)
    )
    return ExampleSource(Corpus(samples.astype(np.int16), utterances), None, 5)


@pytest.mark.slow
def test_clips_are_a_corpus_that_the_demo_models_learn_from(tmp_path: Path) -> None:
    seconds = write_clips(tmp_path / "clips", source(), 6)
    corpus = read_corpus(tmp_path / "clips")
    assert len(corpus.utterances) == 6
    assert corpus.seconds == np.float64(seconds)
    assert not corpus.faults
    for utterance in corpus.utterances:
        assert utterance.duration < PHASE.window + 2
        assert set(utterance.text.split()) <= set(" ".join(TEXTS).split())
    assert not training_data(load("demo-hubert"), corpus).faults


@pytest.mark.slow
def test_the_same_numbers_make_the_same_clips(tmp_path: Path) -> None:
    for name, first in (("one", 0), ("again", 0), ("other", 100)):
        write_clips(tmp_path / name, source(), 3, first=first)
    digests = [
        [utterance.digest for utterance in read_corpus(tmp_path / name).utterances]
        for name in ("one", "again", "other")
    ]
    assert digests[0] == digests[1]
    assert not set(digests[0]) & set(digests[2])
