"""A checkpoint keeps the dtype that it is stored in, unless somebody asks otherwise."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from analysis.compression.compress import compress
from analysis.delivery.archive import CHECKPOINT, deliver
from analysis.delivery.saving import save
from analysis.errors import UserError
from analysis.models.footprint import footprint, predict_footprint
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from tests.helpers.tiny_models import make_plan


@pytest.fixture(scope="module")
def half(hubert: SpeechModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(hubert, tmp_path_factory.mktemp("half") / "half", dtype="float16")


def _dtypes(folder: Path) -> set[torch.dtype]:
    return {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()}


def _bytes(folder: Path) -> int:
    return sum(
        t.numel() * t.element_size() for t in load_file(folder / "model.safetensors").values()
    )


def test_a_compressed_half_precision_checkpoint_is_smaller(half: Path, tmp_path: Path) -> None:
    model = load(half)
    assert (model.dtype, model.saved_dtype) == (torch.float32, torch.float16)
    plan = make_plan(model)
    smaller = compress(model, plan).model
    saved = save(smaller, tmp_path / "saved")
    assert _dtypes(saved) == {torch.float16}
    before, after = footprint(model), footprint(smaller)
    assert (before.saved_bytes, after.saved_bytes) == (_bytes(half), _bytes(saved))
    assert before.bytes == 2 * before.saved_bytes
    assert after.saved_bytes < before.saved_bytes
    assert predict_footprint(model, before, plan.n_clusters) == after
    again = load(saved)
    for (name, ours), theirs in zip(
        smaller.model.named_parameters(), again.model.parameters(), strict=True
    ):
        assert torch.equal(ours.half(), theirs.half()), name
    assert f"{after.saved_bytes / 1e6:.1f} MB in float16" in (saved / "README.md").read_text()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_another_dtype_is_asked_for(half: Path, tmp_path: Path, dtype: str) -> None:
    wanted = {getattr(torch, dtype)}
    assert _dtypes(save(load(half), tmp_path / "saved", dtype=dtype)) == wanted
    assert _dtypes(save(load(half, dtype=dtype), tmp_path / "loaded")) == wanted
    assert _dtypes(deliver(load(half), tmp_path / "page", CHECKPOINT, dtype)) == wanted


def test_the_hash_in_the_description_is_of_what_was_saved(half: Path, tmp_path: Path) -> None:
    model = load(half)
    saved = save(compress(model, make_plan(model)).model, tmp_path / "saved")
    assert load(saved).weight_hash in (saved / "coalesce.json").read_text()


def test_numbers_that_do_not_fit_are_not_saved(hubert: SpeechModel, tmp_path: Path) -> None:
    large = replace(hubert, model=hubert.model.__class__(hubert.config))
    large.model.get_parameter("lm_head.bias").data[0] = 1e6
    with pytest.raises(UserError, match="too large for float16"):
        save(large, tmp_path / "saved", dtype="float16")
    assert not (tmp_path / "saved").exists()
    with pytest.raises(UserError, match="cannot be saved as 'int4'"):
        save(large, tmp_path / "saved", dtype="int4")
