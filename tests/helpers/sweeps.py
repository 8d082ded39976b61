"""Small sweeps over few words, and their rows."""

from pathlib import Path

from analysis.evaluation import sweep
from analysis.evaluation.corpora import Corpus, read_corpus
from analysis.evaluation.results import ResultStore
from analysis.evaluation.sweep import Row, Skipped
from analysis.evaluation.sweep_spec import read_spec
from analysis.models.speech_model import SpeechModel
from analysis.speech.recognition import TranscriptionOptions
from tests.helpers.corpora import write_corpus

OPTIONS = TranscriptionOptions()
MINIMAL = {"model": "demo-hubert", "data": "somewhere"}


def three_utterances(folder: Path) -> Corpus:
    return read_corpus(write_corpus(folder, ["one two", "three", "four five six"]))


def rows_of(
    model: SpeechModel, corpus: Corpus, store: ResultStore | None = None, **fields: object
) -> list[Row | Skipped]:
    spec = read_spec(MINIMAL | fields)
    return sweep.sweep(model, spec.cells(), corpus, OPTIONS, "none", store=store)
