"""Losses are the library's own, and the distance to a teacher is what it says."""

import pytest
import torch

from analysis.evaluation.corpora import Corpus
from analysis.models.speech_model import SpeechModel
from analysis.training.data import IGNORED
from analysis.training.losses import distillation_loss, hidden_fields, task_loss
from tests.helpers import tiny_models
from tests.helpers.training_runs import batch_of


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
