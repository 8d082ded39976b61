"""Learning without data: the original's own words are learned from, no transcript is."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.compression.compress import compress
from analysis.delivery.model_card import model_card
from analysis.delivery.saving import save
from analysis.errors import Cancelled, UserError
from analysis.evaluation.corpora import Corpus
from analysis.evaluation.corpus_evaluation import evaluate
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.plan.training_record import OWN_WORDS
from analysis.plan.training_settings import DISTILLING, TrainingSettings
from analysis.speech.audio import SAMPLING_RATE, Audio
from analysis.speech.excitation import check_excitation, make_excitation
from analysis.speech.languages import language_tokens
from analysis.speech.transcription import transcribe
from analysis.training.data import Collator
from analysis.training.log import read_log
from analysis.training.losses import distillation_loss, hidden_fields
from analysis.training.own_words import NAME, OwnWords, Piece, other_voices, own_words
from analysis.training.run import Task, train
from analysis.training.teacher import load_original
from tests.helpers import tiny_models
from tests.helpers.talking_models import sound, tiny_whisper
from tests.helpers.training_runs import assert_same, weights

SHORT = TrainingSettings(**{**DISTILLING, "epochs": 2, "learning_rate": 1e-3, "normaliser": "none"})
SECONDS = (3, 1, 2, 4, 2, 1)
LANGUAGES = ("en", "en", "de", "en", "de", "en")
PROMPTS = {"en": (91, 92), "de": (93, 92)}
END = 99


def own(room_seconds: float, most_tokens: int = 100, seed: int = 0) -> OwnWords:
    """Pieces of which the word 10·i + 1, 10·i + 2 stand for the i-th."""
    pieces = tuple(
        Piece(
            sound(seconds, number), language, PROMPTS[language], (10 * number + 1, 10 * number + 2)
        )
        for number, (seconds, language) in enumerate(zip(SECONDS, LANGUAGES, strict=True))
    )
    return OwnWords(pieces, round(room_seconds * SAMPLING_RATE), most_tokens, (END,), seed)


def test_pieces_follow_each_other_in_a_window() -> None:
    """Each with all its words, of one language, behind one prompt, before one end."""
    data = own(10)
    counts = set()
    for number in range(10 * len(data)):
        example = data[number]
        labels = list(example["labels"])
        first = number % len(data)
        assert tuple(labels[:2]) == PROMPTS[LANGUAGES[first]]
        assert labels[-1] == END
        words = labels[2:-1]
        assert words[0] == 10 * first + 1
        said = [word // 10 for word in words[::2]]
        assert words == [word for piece in said for word in (10 * piece + 1, 10 * piece + 2)]
        assert {LANGUAGES[piece] for piece in said} == {LANGUAGES[first]}
        heard = len(example["samples"]) / SAMPLING_RATE
        assert heard <= 10
        assert heard >= sum(SECONDS[piece] for piece in said) / 1.11
        counts.add(len(said))
    assert {1, 2, 3} <= counts


def test_no_epoch_hears_the_same_and_every_number_does() -> None:
    data, again = own(10), own(10)
    epochs = [data[number] for number in range(2, 5 * len(data), len(data))]
    assert len({len(example["samples"]) for example in epochs}) == len(epochs)
    np.testing.assert_array_equal(data[7]["samples"], again[7]["samples"])
    assert data[7]["labels"] == again[7]["labels"]
    assert len(own(10, seed=1)[7]["samples"]) != len(data[7]["samples"])


def test_pieces_stay_alone_without_room_and_never_exceed_the_decoder() -> None:
    assert {len(own(0)[number]["labels"]) for number in range(30)} == {5}
    longest = max(len(own(60, most_tokens=9)[number]["labels"]) for number in range(30))
    assert longest == 9


@pytest.mark.parametrize("name", ["demo-whisper", "demo-hubert"])
def test_the_words_are_the_originals_own(name: str) -> None:
    original = load(name)
    data = own_words(original, limit=3)
    assert len(data) == 3
    decode = original.processor.tokenizer.decode
    settings = {} if name == "demo-whisper" else {"group_tokens": False}
    for piece in data.pieces:
        said = transcribe(original, Audio("piece", piece.samples, SAMPLING_RATE, 1)).text
        assert " ".join(decode(piece.words, **settings).split()) == " ".join(said.split())
    if name == "demo-whisper":
        window = original.processor.feature_extractor.n_samples
        assert max(len(piece.samples) for piece in data.pieces) <= 0.9 * window
        assert decode(data[0]["labels"]).endswith("<|endoftext|>")
        assert decode(data.pieces[0].prompt) == "<|notimestamps|>"
    assert {piece.language for piece in data.pieces} == {"en"}


@pytest.fixture(scope="module")
def voices(hubert: SpeechModel) -> Corpus:
    """The shortest of the clips to check on, with the words of the tiny HuBERT."""
    everything = other_voices(hubert)
    assert all(u.path in check_excitation().files for u in everything.utterances)
    return replace(everything, utterances=(min(everything.utterances, key=lambda u: u.duration),))


def test_the_original_makes_no_error_against_its_own_words(
    hubert: SpeechModel, voices: Corpus
) -> None:
    assert evaluate(hubert, voices, normaliser="none").total.wer == 0
    learned = set(make_excitation("speech", level="thorough").voices)
    assert not learned & {utterance.speaker for utterance in voices.utterances}


def lessons(original: SpeechModel, words: int = 12, count: int = 8) -> OwnWords:
    """Noise of 1.6 to 2 s with arbitrary words: what is learned must not hang on them."""
    generator = np.random.default_rng(words)
    tokens = generator.integers(5, 20, (count, words)).tolist()
    pieces = tuple(
        Piece(sound(1.6 + index % 8 / 20, index), "en", (), tuple(own))
        for index, own in enumerate(tokens)
    )
    most = getattr(original.config, "max_target_positions", 0)
    end = (original.config.eos_token_id,) if most else ()
    return OwnWords(pieces, 0, most, end, 0)


def task_of(data: OwnWords, validation: Corpus, settings: TrainingSettings = SHORT) -> Task:
    return Task(data, NAME, validation, settings)


@pytest.mark.parametrize("family", ["whisper", "hubert", "wav2vec2"])
def test_a_merged_model_comes_closer_to_its_original(
    family: str, voices: Corpus, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    original: SpeechModel = request.getfixturevalue(family)
    merged = compress(original, tiny_models.make_plan(original)).model
    data = lessons(original, count=60)
    settings = SHORT.changed(learning_rate=3e-3)
    trained = train(merged, task_of(data, voices, settings), tmp_path / "run", teacher=original)
    batch = Collator(original)([data[number] for number in range(4)])
    fed = {name: value for name, value in batch.items() if name not in ("labels", "frames")}
    fields = hidden_fields(original.model)
    with torch.no_grad():
        goal = original.model(**fed, output_hidden_states=True)
        near, far = (
            float(
                distillation_loss(
                    model.model(**fed, output_hidden_states=True), goal, batch, fields
                )
            )
            for model in (trained, merged)
        )
    assert near < 0.8 * far
    [record] = trained.training
    assert (record.method, record.label) == ("data-free distillation", "trained, data-free")
    assert (record.validation_against, record.utterances) == (OWN_WORDS, 60)
    assert read_log(tmp_path / "run").start["validation_against"] == OWN_WORDS
    assert "Trained, data-free. " in model_card(trained)
    saved = json.loads((save(trained, tmp_path / "saved") / "coalesce.json").read_text())
    assert saved["training"][0]["label"] == "trained, data-free"
    assert load(str(tmp_path / "saved")).training == trained.training


def test_words_have_no_part_in_what_a_ctc_model_learns(
    hubert: SpeechModel, voices: Corpus, tmp_path: Path
) -> None:
    """Nor have dropout and SpecAugment, which the original does not hear either."""
    merged = compress(hubert, tiny_models.make_plan(hubert)).model
    assert merged.config.hidden_dropout > 0
    results = []
    for words, seed in ((12, 0), (4, 0), (4, 1)):
        torch.manual_seed(seed)
        task = task_of(lessons(hubert, words), voices)
        results.append(train(merged, task, tmp_path / f"{words} {seed}", teacher=hubert))
    assert_same(results[1], results[0])
    assert_same(results[2], results[0])
    moved = [
        not torch.equal(before, weights(results[0])[name])
        for name, before in weights(merged).items()
    ]
    assert any(moved)


def test_stopped_and_resumed_hears_the_same(
    hubert: SpeechModel, voices: Corpus, tmp_path: Path
) -> None:
    merged = compress(hubert, tiny_models.make_plan(hubert)).model
    task = task_of(lessons(hubert), voices)
    whole = train(merged, task, tmp_path / "whole", teacher=hubert)

    def stop(done: int, total: int, note: str) -> None:
        if done == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Cancelled):
        train(merged, task, tmp_path / "parts", teacher=hubert, progress=stop)
    assert_same(train(merged, task, tmp_path / "parts", teacher=hubert), whole)


def test_the_original_is_found_by_the_plan(tmp_path: Path) -> None:
    source = save(tiny_models.tiny_hubert(), tmp_path / "original")
    original = load(str(source))
    plan = tiny_models.make_plan(original).changed(origin=original.origin)
    merged = compress(original, plan).model
    assert load_original(merged).weight_hash == original.weight_hash
    twice = replace(merged, earlier_plans=(plan,), plan=tiny_models.make_plan(merged))
    assert load_original(twice).weight_hash == original.weight_hash
    with pytest.raises(UserError, match=r"does not say from which original.*--teacher"):
        load_original(original)
    other = tiny_models.tiny_hubert()
    tiny_models.randomise(other.model, 99)
    save(other, source, overwrite=True)
    with pytest.raises(UserError, match=r"has other weights now.*--teacher"):
        load_original(merged)
    source.rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"the original of .* cannot be loaded.*--teacher"):
        load_original(merged)


def test_each_language_is_learned_behind_its_own_prompt() -> None:
    original = tiny_whisper(multilingual=True)
    ids = language_tokens(original)
    pieces = own_words(original, limit=150).pieces
    assert {piece.language for piece in pieces} >= {"en", "fr"}
    assert all(piece.prompt[0] == ids[f"<|{piece.language}|>"] for piece in pieces)
    assert all(len(piece.prompt) == 3 for piece in pieces)
