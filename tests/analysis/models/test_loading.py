"""Loading: what is accepted, and what a person may type."""

import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from analysis.delivery.saving import save
from analysis.evaluation.corpus_evaluation import run_of
from analysis.models.loading import DEMO_MODELS, load
from analysis.models.speech_model import SpeechModel, available_devices
from analysis.speech.recognition import TranscriptionOptions
from tests.helpers.checkpoints import edit, refusal
from tests.helpers.tiny_models import BUILDERS, logits

# --- what loads --------------------------------------------------------------------------------


def test_a_folder_loads_as_what_was_saved(speech_model: SpeechModel, tmp_path: Path) -> None:
    model = load(str(save(speech_model, tmp_path / "some name")))
    assert torch.equal(logits(model), logits(speech_model))
    assert model.name == "some name"
    assert model.source == str(tmp_path / "some name")
    assert (model.revision, model.plan) == (None, None)
    assert model.architecture is speech_model.architecture
    assert not model.model.training
    assert not any(p.requires_grad for p in model.model.parameters())
    assert [g.id for g in model.groups] == [g.id for g in speech_model.groups]


def test_what_is_measured_belongs_to_weights_and_configuration(
    speech_model: SpeechModel, tmp_path: Path
) -> None:
    """The same numbers do something else under another configuration, and are kept apart."""
    folder = save(speech_model, tmp_path / "one")
    one, options = load(str(folder)), TranscriptionOptions()
    again = load(str(save(one, tmp_path / "again")))
    assert again.cache_name == one.cache_name
    field = "activation_function" if "whisper" in one.architecture.model_type else "hidden_act"
    edit(folder / "config.json", **{field: "relu"})
    other = load(str(folder))
    assert other.weight_hash == one.weight_hash
    assert other.cache_name != one.cache_name
    assert run_of(other, options).key != run_of(one, options).key
    assert run_of(again, options).key == run_of(one, options).key


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("compressed", [False, True])
def test_dtype_is_the_one_asked_for(
    stock: Path, merged: Path, compressed: bool, dtype: str
) -> None:
    model = load(str(merged if compressed else stock), dtype=dtype)
    assert {str(p.dtype) for p in model.model.parameters()} == {f"torch.{dtype}"}
    assert torch.isfinite(logits(model)).all()


@pytest.mark.parametrize("compressed", [False, True])
def test_weight_hash_is_of_the_stored_tensors(stock: Path, merged: Path, compressed: bool) -> None:
    """A plan made on one machine fits on another that loads in another dtype."""
    folder = str(merged if compressed else stock)
    hashes = {load(folder, dtype=dtype).weight_hash for dtype in ("float32", "float16")}
    assert len(hashes) == 1


def test_weight_hash_tells_weights_apart(copy: Path) -> None:
    before = load(str(copy)).weight_hash
    tensors = load_file(copy / "model.safetensors")
    tensors["lm_head.bias"][0] += 1e-3
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    assert load(str(copy)).weight_hash != before


def test_shards_load_and_hash_as_one_file(hubert: SpeechModel, stock: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sharded"
    hubert.model.save_pretrained(folder, max_shard_size="30KB")
    hubert.processor.save_pretrained(folder)
    assert len(list(folder.glob("*.safetensors"))) > 1
    model, whole = load(str(folder)), load(str(stock))
    assert torch.equal(logits(model), logits(whole))
    assert model.weight_hash == whole.weight_hash


@pytest.mark.parametrize("family", ["hubert", "wav2vec2", "wav2vec2_large", "data2vec_audio"])
def test_a_checkpoint_without_the_masking_vector_loads_always_the_same(
    family: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """facebook/wav2vec2-base-960h lacks it: only training reads it."""
    original: SpeechModel = request.getfixturevalue(family)
    folder = save(original, tmp_path / family)
    tensors = load_file(folder / "model.safetensors")
    (name,) = [key for key in tensors if key.endswith("masked_spec_embed")]
    del tensors[name]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    models = [load(str(folder)) for _ in range(2)]
    states = [model.model.state_dict() for model in models]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert torch.equal(logits(models[0]), logits(original))


def test_blanks_around_a_pasted_path_do_not_matter(stock: Path) -> None:
    assert load(f"  {stock}\n").source == str(stock)


def test_demo_models_load_by_name(demo_model: SpeechModel) -> None:
    assert demo_model.source in DEMO_MODELS
    assert demo_model.dtype == torch.float32
    assert len(demo_model.groups) >= 12


def test_threads_that_load_at_once_do_not_disturb_each_other(stock: Path, merged: Path) -> None:
    """The library patches torch.nn.init and the default dtype while it builds."""
    faults: list[BaseException] = []
    initialiser = torch.nn.init.normal_

    def work(folder: Path, dtype: str) -> None:
        try:
            for _ in range(3):
                assert load(str(folder), dtype=dtype).dtype == getattr(torch, dtype)
        except BaseException as fault:
            faults.append(fault)

    jobs = [(stock, "float16"), (merged, "float32"), (stock, "float32"), (merged, "bfloat16")]
    threads = [threading.Thread(target=work, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert torch.get_default_dtype() == torch.float32
    assert torch.nn.init.normal_ is initialiser


# --- what a person types -----------------------------------------------------------------------


def test_device_that_is_not_there() -> None:
    fault = refusal("demo-hubert", device="quantum")
    assert "quantum" in fault.message
    assert "cpu" in fault.remedy
    assert available_devices()[0] == "cpu"


def test_unknown_dtype_lists_the_known(stock: Path) -> None:
    fault = refusal(stock, dtype="int4")
    assert "int4" in fault.message
    assert "float32, float16, bfloat16, int8" in fault.remedy


def test_a_file_is_no_model(stock: Path) -> None:
    fault = refusal(stock / "config.json")
    assert "is a file" in fault.message
    assert "folder" in fault.remedy


@pytest.mark.parametrize(
    "source", ["/no/such/folder", "./nowhere", "a/b/c", "", "  ", "~/nowhere-x"]
)
def test_a_missing_folder_is_not_looked_for_on_the_hub(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.models.loading.download", lambda *_: pytest.fail("asked the hub"))
    fault = refusal(source)
    assert "no folder" in fault.message
    assert "demo-whisper" in fault.remedy


@pytest.mark.parametrize("source", ["~no-such-user-at-all/model", "x" * 5000, "/" + "y" * 300])
def test_paths_that_cannot_be_looked_up(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.models.loading.download", lambda *_: pytest.fail("asked the hub"))
    assert len(refusal(source).message) < 200


# --- the hub -----------------------------------------------------------------------------------


def test_every_family_is_covered_by_a_tiny_model() -> None:
    assert len(BUILDERS) == 6
