"""Training data and losses: what is learned, what cannot be, and the library's own losses."""

from pathlib import Path

import pytest
import torch

from analysis.errors import UserError
from analysis.evaluation.corpora import Corpus, read_corpus
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.training.data import IGNORED, EpochSampler, training_data
from analysis.training.losses import distillation_loss, hidden_fields, task_loss
from tests.helpers import tiny_models
from tests.helpers.places import ROOT
from tests.helpers.training_runs import WORDS, batch_of, write_clips


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_clips(tmp_path_factory.mktemp("clips"), WORDS)


def test_ctc_labels_spell_words_between_delimiters(hubert: SpeechModel, corpus: Corpus) -> None:
    tokenizer = hubert.processor.tokenizer
    data = training_data(hubert, corpus)
    spelled = {tuple(tokenizer.convert_ids_to_tokens(list(ids))) for ids in data.labels}
    assert ("a", "d", "d", "|", "a") in spelled
    assert len(data) == len(WORDS)


def test_transcripts_take_the_case_and_letters_of_the_vocabulary(
    hubert: SpeechModel, tmp_path: Path
) -> None:
    data = training_data(hubert, write_clips(tmp_path, ("CAB. BAD!", "Ünter", "", "4 DAD")))
    tokenizer = hubert.processor.tokenizer
    assert "".join(tokenizer.convert_ids_to_tokens(list(data.labels[0]))) == "cab|bad"
    reasons = {fault.where: fault.reason for fault in data.faults}
    assert "has no “ü”" in reasons["1.wav"]
    assert reasons["2.wav"] == "Nothing is said in it."
    assert "has no “4”" in reasons["3.wav"]


def test_bundled_hubert_learns_whole_words() -> None:
    model = load("demo-hubert")
    corpus = read_corpus(ROOT / "demo" / "clips")
    data = training_data(model, corpus)
    tokenizer = model.processor.tokenizer
    words = corpus.utterances[0].text.lower().split()
    tokens = tokenizer.convert_ids_to_tokens(list(data.labels[0]))
    assert [token for token in tokens if token != "|"] == words


def test_whisper_learns_the_transcript_behind_its_prompt(
    whisper: SpeechModel, corpus: Corpus
) -> None:
    batch = batch_of(whisper, corpus)
    tokenizer = whisper.processor.tokenizer
    labels = batch["labels"][0]
    text = tokenizer.decode(labels[labels != IGNORED])
    assert text.endswith("<|endoftext|>")
    assert "<|startoftranscript|>" not in text
    assert tokenizer.decode(labels[labels != IGNORED], skip_special_tokens=True) == WORDS[0]
    assert int(batch["decoder_input_ids"][0, 0]) == whisper.config.decoder_start_token_id
    assert torch.equal(batch["decoder_input_ids"][0, 1:4], labels[:3])


def test_what_cannot_be_learned_is_named(
    hubert: SpeechModel, whisper: SpeechModel, corpus: Corpus, tmp_path: Path
) -> None:
    long = training_data(hubert, corpus, max_seconds=1.3)
    assert len(long) == 3
    assert long.faults[0].reason == "It lasts 1.4 s, more than 1.3 s."
    wordy = training_data(hubert, write_clips(tmp_path, ("a " * 200, "cab")))
    assert "too few for the 399 tokens" in wordy.faults[0].reason
    assert (
        "more than"
        in training_data(whisper, write_clips(tmp_path, ("a " * 40, "cab"))).faults[0].reason
    )
    with pytest.raises(UserError, match="can learn from no clip"):
        training_data(hubert, corpus, max_seconds=0.5)


def test_epochs_differ_and_repeat(hubert: SpeechModel, corpus: Corpus) -> None:
    data = training_data(hubert, corpus)
    epochs = iter((0, 1, 0))
    orders = [list(EpochSampler(data, 4, 0, epochs.__next__)) for _ in range(3)]
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[1]) == list(range(len(WORDS)))


def test_ctc_loss_is_the_librarys(hubert: SpeechModel, corpus: Corpus) -> None:
    batch = batch_of(hubert, corpus)
    with torch.no_grad():
        inputs = {name: batch[name] for name in ("input_values", "attention_mask")}
        expected = hubert.model(**inputs, labels=batch["labels"])
        found = task_loss(expected.logits, batch, hubert.config.pad_token_id)
    assert hubert.config.ctc_loss_reduction == "sum"
    torch.testing.assert_close(found, expected.loss)


def test_cross_entropy_is_the_librarys(whisper: SpeechModel, corpus: Corpus) -> None:
    batch = batch_of(whisper, corpus)
    with torch.no_grad():
        expected = whisper.model(batch["input_features"], labels=batch["labels"])
        own = whisper.model(batch["input_features"], decoder_input_ids=batch["decoder_input_ids"])
        found = task_loss(own.logits, batch, 0) / (batch["labels"] != IGNORED).sum()
    torch.testing.assert_close(found, expected.loss)


@pytest.mark.parametrize("family", ["whisper", "hubert"])
def test_distance_to_a_teacher(family: str, corpus: Corpus, request: pytest.FixtureRequest) -> None:
    """0 to itself, more to another; padding has no part in it."""
    model: SpeechModel = request.getfixturevalue(family)
    other = tiny_models.BUILDERS[family]()
    tiny_models.randomise(other.model, 99)
    batch = batch_of(model, corpus)
    fed = {name: value for name, value in batch.items() if name not in ("labels", "frames")}
    fields = hidden_fields(model.model)
    with torch.no_grad():
        own = model.model(**fed, output_hidden_states=True)
        far = other.model(**fed, output_hidden_states=True)
        assert float(distillation_loss(own, own, batch, fields)) == pytest.approx(0, abs=1e-6)
        distance = distillation_loss(own, far, batch, fields)
        assert float(distance) > 0.5
        if family == "hubert":
            own.logits[0, int(batch["frames"][0]) :] += 100
            torch.testing.assert_close(distillation_loss(own, far, batch, fields), distance)
