"""Evaluation: the figures, batches, and that nothing is computed twice."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import torch

from analysis.errors import Cancelled, UserError
from analysis.evaluation import corpus_evaluation as evaluation
from analysis.evaluation.corpora import Corpus, read_corpus
from analysis.evaluation.corpus_evaluation import compare_evaluations, evaluate, run_of
from analysis.evaluation.results import ResultStore
from analysis.evaluation.scoring import corpus_score
from analysis.models.speech_model import SpeechModel
from analysis.progress import Watch
from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.recognition import TranscriptionOptions
from analysis.speech.transcription import transcribe
from tests.helpers.corpora import write_corpus
from tests.helpers.talking_models import sound, tiny_ctc

TWO_AT_A_TIME = TranscriptionOptions(batch_size=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> SpeechModel:
    return tiny_ctc(tmp_path_factory.mktemp("ctc"), "hubert")


@pytest.fixture
def corpus(model: SpeechModel, tmp_path: Path) -> Corpus:
    """Five clips; the references of the first three are what the model writes."""
    blank = read_corpus(write_corpus(tmp_path, ["?"] * 5))
    texts = [transcribe(model, u.read()).text for u in blank.utterances]
    assert all(texts)
    assert len(set(texts)) == 5
    return read_corpus(write_corpus(tmp_path, [*texts[:3], f"{texts[3]} more", "another thing"]))


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Names of the clips in each batch that goes through a model."""
    batches: list[list[str]] = []
    original = evaluation.transcribe_batch

    def watched(model, clips, *arguments, **settings):  # type: ignore[no-untyped-def]
        batches.append([clip.name for clip in clips])
        return original(model, clips, *arguments, **settings)

    monkeypatch.setattr(evaluation, "transcribe_batch", watched)
    return batches


def test_figures_are_those_of_the_corpus(model: SpeechModel, corpus: Corpus) -> None:
    found = evaluate(model, corpus, TWO_AT_A_TIME, "none")
    texts = [transcribe(model, u.read()).text for u in corpus.utterances]
    assert [result.text for result in found.results] == texts
    assert found.total == corpus_score(corpus.references, texts, "none")
    assert found.errors[:4] == [0, 0, 0, 1]
    assert found.total.deletions >= 1
    assert sum(found.words) == found.total.words
    assert sum(found.errors) / sum(found.words) == found.total.wer
    assert found.interval.n_blocks == 5  # utterances, for two speakers are too few
    assert found.interval.low <= found.total.wer <= found.interval.high
    seconds = sum(result.seconds for result in found.results)
    assert found.real_time_factor == pytest.approx(seconds / corpus.seconds)


def test_longest_first_in_batches(
    model: SpeechModel, corpus: Corpus, heard: list[list[str]]
) -> None:
    evaluate(model, corpus, TWO_AT_A_TIME)
    assert heard == [["4.wav", "3.wav"], ["2.wav", "1.wav"], ["0.wav"]]


def test_a_batch_beyond_the_memory_says_what_to_do(
    model: SpeechModel, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def needs_a_pebibyte(*arguments: object, **settings: object) -> None:
        torch.empty(2**50, dtype=torch.uint8)

    monkeypatch.setattr(evaluation, "transcribe_batch", needs_a_pebibyte)
    with pytest.raises(UserError, match=r"2 clips of up to 2 s .* at once.*\(--batch-size\)"):
        evaluate(model, corpus, TWO_AT_A_TIME)


def test_nothing_is_computed_twice(
    model: SpeechModel, corpus: Corpus, heard: list[list[str]], tmp_path: Path
) -> None:
    store = ResultStore(tmp_path / "results")
    whole = evaluate(model, corpus, TWO_AT_A_TIME)
    heard.clear()
    seen: list[int] = []
    with pytest.raises(Cancelled):
        evaluate(
            model,
            corpus,
            TWO_AT_A_TIME,
            store=store,
            watch=Watch(lambda done, total, note: seen.append(done), lambda: len(seen) == 2),
        )
    assert heard[0] == ["4.wav", "3.wav"]
    heard.clear()
    resumed = evaluate(model, corpus, TWO_AT_A_TIME, store=store)
    assert heard == [["2.wav", "1.wav"], ["0.wav"]]
    assert resumed.total == whole.total
    heard.clear()
    again = evaluate(model, corpus, TWO_AT_A_TIME, store=store)
    assert heard == []
    assert again == resumed  # times too: they are those of the run that computed it


def test_a_torn_line_costs_one_utterance(
    model: SpeechModel, corpus: Corpus, heard: list[list[str]], tmp_path: Path
) -> None:
    store = ResultStore(tmp_path / "results")
    whole = evaluate(model, corpus, TWO_AT_A_TIME, store=store)
    [path] = (tmp_path / "results").iterdir()
    path.write_bytes(path.read_bytes()[:-20])
    heard.clear()
    assert evaluate(model, corpus, TWO_AT_A_TIME, store=store).total == whole.total
    assert heard == [["0.wav"]]
    assert len(store.read(run_of(model, TWO_AT_A_TIME))) == 5


def test_results_belong_to_model_plan_options_and_sound(
    model: SpeechModel, corpus: Corpus, heard: list[list[str]], tmp_path: Path
) -> None:
    store = ResultStore(tmp_path / "results")
    evaluate(model, corpus, TWO_AT_A_TIME, store=store)
    runs = [
        run_of(model, TWO_AT_A_TIME),
        run_of(model, TWO_AT_A_TIME, "{}"),
        run_of(model, TranscriptionOptions(batch_size=2, max_new_tokens=3)),
    ]
    assert len({run.key for run in runs}) == 3
    assert [len(store.read(run)) for run in runs] == [5, 0, 0]
    extractor = copy.deepcopy(model.processor)
    extractor.feature_extractor.do_normalize = not extractor.feature_extractor.do_normalize
    assert run_of(replace(model, processor=extractor), TWO_AT_A_TIME).key != runs[0].key
    soundfile.write(corpus.utterances[2].path, sound(1.0, 99), SAMPLING_RATE)
    heard.clear()
    evaluate(model, read_corpus(corpus.utterances[0].path.parent), TWO_AT_A_TIME, store=store)
    assert heard == [["2.wav"]]


def test_references_need_words(model: SpeechModel, corpus: Corpus) -> None:
    silent = tuple(replace(utterance, text=" ") for utterance in corpus.utterances)
    with pytest.raises(UserError, match="hold no word"):
        evaluate(model, replace(corpus, utterances=silent), TWO_AT_A_TIME)


def test_comparison_with_itself_finds_nothing(model: SpeechModel, corpus: Corpus) -> None:
    found = evaluate(model, corpus)
    same = compare_evaluations(found, found)
    assert (same.difference.delta, same.difference.p_value) == (0.0, 1.0)
    assert same.matched_pairs.p_value == 1.0
