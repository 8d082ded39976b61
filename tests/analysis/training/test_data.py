"""Training data: what is learned, what cannot be, and the order of the epochs."""

import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2Processor

from analysis.errors import UserError
from analysis.evaluation.corpora import Corpus, read_corpus
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.training.data import IGNORED, EpochSampler, training_data
from tests.helpers.places import ROOT
from tests.helpers.training_runs import WORDS, batch_of, write_clips


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
    assert sorted(orders[0]) == list(range(len(WORDS)))
    assert sorted(orders[1]) == list(range(len(WORDS), 2 * len(WORDS))), "an epoch later"
    here, later = (data[number] for number in (3, 3 + len(WORDS)))
    assert here["labels"] == later["labels"]
    np.testing.assert_array_equal(here["samples"], later["samples"])


def spelling(hubert: SpeechModel, letters: str, folder: Path) -> SpeechModel:
    """The tiny HuBERT with another vocabulary: these letters."""
    folder.mkdir()
    tokens = ["<pad>", "<s>", "</s>", "<unk>", "|", *letters]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    tokenizer = Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
    return replace(
        hubert, processor=Wav2Vec2Processor(hubert.processor.feature_extractor, tokenizer)
    )


def labels(model: SpeechModel, folder: Path, *texts: str) -> list[str]:
    """What a model learns of each text, or why it learns nothing."""
    data = training_data(model, write_clips(folder, (*texts, "a")))
    faults = {fault.where: fault.reason for fault in data.faults}
    convert = model.processor.tokenizer.convert_ids_to_tokens
    learned = iter(data.labels)
    return [
        faults.get(f"{index}.wav") or "".join(convert(list(next(learned))))
        for index in range(len(texts))
    ]


def test_labels_keep_the_marks_of_their_letters(hubert: SpeechModel, tmp_path: Path) -> None:
    model = spelling(hubert, "aकहनदमि\u0940\u0947\u094d\u0902", tmp_path / "hindi")
    assert labels(model, tmp_path / "clips", "हिन्दी में") == ["हिन्दी|में"]


def test_a_mark_that_the_vocabulary_lacks_is_a_fault(hubert: SpeechModel, tmp_path: Path) -> None:
    model = spelling(hubert, "aकहनदम", tmp_path / "poor")
    [reason] = labels(model, tmp_path / "clips", "कि")
    assert reason == "The vocabulary has no “◌ि”, as in “कि”."


@pytest.mark.parametrize("vocabulary", ["NFC", "NFD"])
@pytest.mark.parametrize("text", ["NFC", "NFD"])
def test_letters_are_found_however_they_are_composed(
    hubert: SpeechModel, tmp_path: Path, vocabulary: str, text: str
) -> None:
    letters = unicodedata.normalize(vocabulary, "é")  # type: ignore[arg-type]
    model = spelling(hubert, f"at{letters}", tmp_path / "v")
    said = unicodedata.normalize(text, "été")  # type: ignore[arg-type]
    [learned] = labels(model, tmp_path / "clips", said)
    assert learned == unicodedata.normalize(vocabulary, "été")  # type: ignore[arg-type]


def test_labels_keep_typographic_apostrophes(hubert: SpeechModel, tmp_path: Path) -> None:
    model = spelling(hubert, "adont'", tmp_path / "english")
    assert labels(model, tmp_path / "clips", "don’t", "don't") == ["don't", "don't"]


def test_whisper_learns_the_same_of_both_forms(whisper: SpeechModel, tmp_path: Path) -> None:
    data = training_data(whisper, write_clips(tmp_path, ("caf\u00e9", "cafe\u0301")))
    assert data.labels[0] == data.labels[1]
