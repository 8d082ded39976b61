"""What the tests of training learn from."""

import pytest

from analysis.evaluation.corpora import Corpus
from tests.helpers.training_runs import WORDS, write_clips


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_clips(tmp_path_factory.mktemp("clips"), WORDS)


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_clips(tmp_path_factory.mktemp("validation"), WORDS[:2], seed=50)
