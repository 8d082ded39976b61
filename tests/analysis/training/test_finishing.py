"""What pinching leaves: exact zeros that are counted, units that are cut out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from analysis.compression.lineage import as_variant, history
from analysis.delivery.saving import save
from analysis.evaluation.corpora import Corpus
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_weights import read_units
from analysis.plan.training_settings import GateSettings
from analysis.training import run as finetuning
from analysis.training.finishing import sparse_bytes, zero_shares
from analysis.training.log import read_log
from analysis.training.run import train
from tests.helpers import tiny_models
from tests.helpers.training_runs import QUICK, WORDS, task_of, weights, write_clips


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_clips(tmp_path_factory.mktemp("clips"), WORDS)


@pytest.mark.slow
def test_pinched_weights_are_exact_zeros_and_counted(
    hubert: SpeechModel, corpus: Corpus, validation: Corpus, tmp_path: Path
) -> None:
    settings = QUICK.changed(epochs=30)
    task = task_of(hubert, corpus, validation, GateSettings(sparsity=0.5), settings)
    trained = train(hubert, task, tmp_path / "run")
    [record] = trained.training
    shares = {
        path: float((trained.model.get_parameter(f"{path}.weight") == 0).float().mean())
        for path in record.sparsities
    }
    assert shares == record.sparsities == zero_shares(trained)
    assert len(shares) == 2 * 6
    assert np.mean(list(shares.values())) == pytest.approx(0.5, abs=0.05)
    reached = read_log(tmp_path / "run").steps[-1]
    assert reached["sparsity"] == pytest.approx(0.5, abs=0.05)
    assert reached["sparsities"].keys() == shares.keys()
    assert record.sparsity == pytest.approx(reached["sparsity"], abs=1e-6)
    expected = 0
    for name, weight in weights(trained).items():
        path = name.removesuffix(".weight")
        if path in shares and name.endswith(".weight"):
            expected += (weight.numel() + 7) // 8 + 4 * int((weight != 0).sum())
        else:
            expected += 4 * weight.numel()
    assert record.sparse_bytes == sparse_bytes(trained) == expected
    # no unit is gone, and the record says what the zeros are
    assert [g.n_units for g in trained.groups] == [g.n_units for g in hubert.groups]
    save(trained, tmp_path / "saved")
    assert load(str(tmp_path / "saved")).training == trained.training
    card = (tmp_path / "saved" / "README.md").read_text()
    assert "unstructured" in card
    assert "1. Training (self-pinching)" in card
    assert "nominal sparsity" not in card  # the plan that only says what it was made from


@pytest.mark.slow
def test_pinched_units_are_cut_out(
    whisper: SpeechModel, corpus: Corpus, validation: Corpus, tmp_path: Path
) -> None:
    settings = QUICK.changed(epochs=20)
    task = task_of(whisper, corpus, validation, GateSettings(kind="units", sparsity=0.4), settings)
    trained = train(whisper, task, tmp_path / "run")
    assert trained.plan is not None
    assert trained.plan.origin.weight_hash == whisper.weight_hash
    sizes = {group.id: group.n_units for group in trained.groups}
    assert sizes == dict(trained.plan.n_clusters)
    removed = 1 - sum(g.n_parameters for g in trained.groups) / sum(
        g.n_parameters for g in whisper.groups
    )
    assert removed == pytest.approx(read_log(tmp_path / "run").steps[-1]["sparsity"], abs=1e-6)
    assert removed > 0.15
    for group in trained.groups:
        assert read_units(trained.model, group).output.flatten(1).any(dim=1).all()
    save(trained, tmp_path / "saved")
    again = load(str(tmp_path / "saved"))
    assert torch.equal(tiny_models.logits(again), tiny_models.logits(trained))
    assert as_variant(whisper, again).plan == trained.plan
    assert history(again) == [*trained.training, trained.plan]


@pytest.mark.slow
def test_cutting_changes_nothing_that_the_gated_model_computes(
    whisper: SpeechModel, corpus: Corpus, validation: Corpus, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    seen: list[torch.Tensor] = []
    finish: Callable[..., SpeechModel] = finetuning.finish

    def look(model: SpeechModel, module: PreTrainedModel, *rest: object) -> SpeechModel:
        seen.append(tiny_models.logits(replace(model, model=module.eval())))
        return finish(model, module, *rest)

    monkeypatch.setattr(finetuning, "finish", look)
    settings = QUICK.changed(epochs=20)
    task = task_of(whisper, corpus, validation, GateSettings(kind="units", sparsity=0.4), settings)
    trained = train(whisper, task, tmp_path / "run")
    torch.testing.assert_close(tiny_models.logits(trained), seen[0], rtol=1e-4, atol=1e-5)
