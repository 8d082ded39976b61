"""What the tests of evaluation measure on."""

import pytest

from analysis.evaluation.corpora import Corpus
from tests.helpers.sweeps import three_utterances


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return three_utterances(tmp_path_factory.mktemp("corpus"))
