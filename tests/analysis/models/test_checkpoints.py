"""Loading: what is accepted, and what is refused with a reason and a remedy."""

import json
import shutil
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub.errors import (
    GatedRepoError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors.torch import load_file, save_file

from analysis.compression.compress import compress
from analysis.delivery.saving import save
from analysis.errors import UserError
from analysis.models import loading as hub
from analysis.models.loading import DEMO_MODELS, load
from analysis.models.speech_model import SpeechModel, available_devices
from tests.helpers.tiny_models import BUILDERS, logits, make_plan

Copy = Callable[[], Path]


@pytest.fixture(scope="module")
def stock(hubert: SpeechModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(hubert, tmp_path_factory.mktemp("stock") / "tiny-hubert")


@pytest.fixture(scope="module")
def merged(whisper: SpeechModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = compress(whisper, make_plan(whisper)).model
    return save(model, tmp_path_factory.mktemp("merged") / "merged-whisper")


@pytest.fixture
def copy(stock: Path, tmp_path: Path) -> Path:
    """A stock HuBERT folder of the test's own."""
    return Path(shutil.copytree(stock, tmp_path / "tiny-hubert"))


@pytest.fixture
def merged_copy(merged: Path, tmp_path: Path) -> Path:
    """A compressed Whisper folder of the test's own."""
    return Path(shutil.copytree(merged, tmp_path / "merged-whisper"))


def edit(path: Path, **fields: Any) -> None:
    """Replace fields of a JSON file; ... removes one."""
    values = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({k: v for k, v in values.items() if v is not ...}))


def refusal(folder: Path | str, **options: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        load(str(folder), **options)
    assert caught.value.message
    assert caught.value.remedy, "a refusal without a way out"
    return caught.value


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


# --- broken folders ----------------------------------------------------------------------------


def test_no_config(copy: Path) -> None:
    (copy / "config.json").unlink()
    assert "no config.json" in refusal(copy).message


@pytest.mark.parametrize("text", ["{", "", "[1]", "\xff\xfe", "[" * 100_000])
def test_config_that_is_no_json_object(copy: Path, text: str) -> None:
    (copy / "config.json").write_bytes(text.encode("latin-1"))
    assert "config.json of tiny-hubert" in refusal(copy).message


@pytest.mark.parametrize("model_type", ["bert", "", None, 7, ["whisper"], ...])
def test_unknown_family_lists_the_known(copy: Path, model_type: object) -> None:
    edit(copy / "config.json", model_type=model_type)
    fault = refusal(copy)
    assert "family" in fault.message
    for title in ("Whisper", "HuBERT-CTC", "wav2vec2-CTC", "data2vec-audio-CTC"):
        assert title in fault.remedy


@pytest.mark.parametrize(
    "fields",
    [{"hidden_size": "wide"}, {"num_attention_heads": 5}, {"conv_kernel": [10]}],
)
def test_configuration_that_makes_no_sense(copy: Path, fields: dict[str, Any]) -> None:
    edit(copy / "config.json", **fields)
    fault = refusal(copy)
    assert "tiny-hubert" in fault.message
    assert fault.detail, "the technical reason is kept"


def test_configuration_of_another_size(copy: Path) -> None:
    edit(copy / "config.json", intermediate_size=48)
    fault = refusal(copy)
    assert "do not fit its configuration" in fault.message


def test_no_weights(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    assert "holds no weights" in refusal(copy).message


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "last.ckpt"])
def test_pickled_weights_are_not_opened(copy: Path, name: str) -> None:
    (copy / "model.safetensors").rename(copy / name)
    fault = refusal(copy)
    assert f"pickled ({name})" in fault.message
    assert "safetensors" in fault.remedy


def test_cut_short(copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    fault = refusal(copy)
    assert "cut short" in fault.message
    assert "again" in fault.remedy


def test_too_long(copy: Path) -> None:
    with (copy / "model.safetensors").open("ab") as file:
        file.write(b"more")
    assert "too long" in refusal(copy).message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 2) + b"no",
        struct.pack("<Q", 7) + b'{"a":1}',
        struct.pack("<Q", 24) + b'{"a":{"data_offsets":[]}}'[:24],
        struct.pack("<Q", 25) + b'{"a":{"data_offsets":[]}}',
    ],
)
def test_no_safetensors_file_at_all(copy: Path, content: bytes) -> None:
    (copy / "model.safetensors").write_bytes(content)
    assert "not a whole safetensors file" in refusal(copy).message


def test_a_model_without_its_recognition_head(copy: Path) -> None:
    """What pretraining leaves behind: the encoder."""
    tensors = load_file(copy / "model.safetensors")
    rest = {key: value for key, value in tensors.items() if not key.startswith("lm_head")}
    save_file(rest, copy / "model.safetensors", metadata={"format": "pt"})
    fault = refusal(copy)
    assert "head" in fault.message
    assert "fine-tuned for speech recognition" in fault.remedy
    assert "lm_head.weight" in fault.detail


def test_no_processor(copy: Path) -> None:
    for path in copy.iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()
    assert "no usable processor" in refusal(copy).message


# --- sharded indices ---------------------------------------------------------------------------


def shard(folder: Path, weight_map: object) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    "target", ["../secret.safetensors", "/etc/secret.safetensors", "sub/x.safetensors", 7, None, []]
)
def test_an_index_that_points_elsewhere_is_refused(copy: Path, target: object) -> None:
    # a file of that name lies here too, so that only the path tells
    shutil.copy(copy / "model.safetensors", copy / "secret.safetensors")
    shutil.copy(copy / "model.safetensors", copy.parent / "secret.safetensors")
    shard(copy, {"lm_head.weight": target} if not isinstance(target, list) else target)
    fault = refusal(copy)
    assert "outside" in fault.message or "index names" in fault.message


@pytest.mark.parametrize("weight_map", [None, {}, "x"])
def test_an_index_without_files_is_refused(copy: Path, weight_map: object) -> None:
    shard(copy, weight_map)
    assert "that its index names" in refusal(copy).message


def test_a_missing_shard_is_named(copy: Path) -> None:
    shard(copy, {"lm_head.weight": "model-00002-of-00002.safetensors"})
    assert "model-00002-of-00002.safetensors" in refusal(copy).message


# --- compressed checkpoints that were tampered with --------------------------------------------


@pytest.mark.parametrize(
    "garbage",
    [
        {"encoder.0.ffn": 0},
        {"encoder.0.ffn": -4},
        {"encoder.0.ffn": 25},
        {"encoder.0.ffn": 10**15},
        {"encoder.0.ffn": "12"},
        {"encoder.0.ffn": 12.0},
        {"encoder.0.ffn": True},
        {"encoder.0.ffn": None},
        {"encoder.0.ffn": [12]},
        {"encoder.9.ffn": 12},
        {"__class__": 12},
        ["encoder.0.ffn"],
        "encoder.0.ffn",
        12,
        True,
    ],
)
def test_merged_units_that_make_no_sense(merged_copy: Path, garbage: object) -> None:
    edit(merged_copy / "config.json", merged_units=garbage)
    assert "merged-whisper" in refusal(merged_copy).message


@pytest.mark.parametrize("garbage", [{}, None, ...])
def test_merged_units_that_are_gone(merged_copy: Path, garbage: object) -> None:
    edit(merged_copy / "config.json", merged_units=garbage)
    assert "do not fit its configuration" in refusal(merged_copy).message


def test_merged_units_of_another_size(merged_copy: Path) -> None:
    config = json.loads((merged_copy / "config.json").read_text())
    edit(merged_copy / "config.json", merged_units=config["merged_units"] | {"encoder.0.ffn": 11})
    fault = refusal(merged_copy)
    assert "model.encoder.layers.0.fc1" in fault.message
    assert "(12" in fault.message


def test_a_tensor_of_another_shape(merged_copy: Path) -> None:
    path = merged_copy / "model.safetensors"
    tensors = load_file(path)
    tensors["model.decoder.layers.1.fc2.weight"] = torch.zeros(32, 9)
    save_file(tensors, path, metadata={"format": "pt"})
    fault = refusal(merged_copy)
    assert "model.decoder.layers.1.fc2.weight" in fault.message
    assert "(32, 9), not (32, 10)" in fault.message


def test_a_tensor_that_is_missing(merged_copy: Path) -> None:
    path = merged_copy / "model.safetensors"
    tensors = load_file(path)
    del tensors["model.decoder.layers.1.fc2.weight"]
    save_file(tensors, path, metadata={"format": "pt"})
    assert "model.decoder.layers.1.fc2.weight" in refusal(merged_copy).detail


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '{"plan": 3}', '{"plan": null}', '{"plan": {}}', '{"plan": {"format": 9}}'],
)
def test_coalesce_json_that_carries_no_plan(merged_copy: Path, content: str) -> None:
    (merged_copy / "coalesce.json").write_text(content)
    assert "plan" in str(refusal(merged_copy)) or "coalesce.json" in str(refusal(merged_copy))


@pytest.mark.parametrize(
    ("field", "value"),
    [("method", "magic"), ("n_clusters", {"encoder.0.ffn": "x"}), ("seed", []), ("evil", "x")],
)
def test_plan_fields_that_make_no_sense(merged_copy: Path, field: str, value: object) -> None:
    path = merged_copy / "coalesce.json"
    content = json.loads(path.read_text())
    edit(path, plan=content["plan"] | {field: value})
    assert refusal(merged_copy).message


def test_a_plan_of_other_weights_is_noticed(merged_copy: Path) -> None:
    path = merged_copy / "coalesce.json"
    plan = json.loads(path.read_text())["plan"]
    edit(path, plan=plan | {"n_clusters": plan["n_clusters"] | {"encoder.1.ffn": 3}})
    fault = refusal(merged_copy)
    assert "encoder.1.ffn has 12 units, not 3" in fault.message


def test_generation_config_that_is_no_json(merged_copy: Path) -> None:
    (merged_copy / "generation_config.json").write_text("{")
    assert "configuration of merged-whisper" in refusal(merged_copy).message


def test_foreign_code_in_a_configuration_is_not_run(copy: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (copy / "evil.py").write_text(f"open({str(mark)!r}, 'w')\nclass Model: pass\n")
    edit(
        copy / "config.json",
        auto_map={"AutoModelForCTC": "evil.Model", "AutoConfig": "evil.Model"},
    )
    load(str(copy))
    assert not mark.exists()


# --- the hub -----------------------------------------------------------------------------------


def answer(monkeypatch: pytest.MonkeyPatch, what: object) -> list[tuple[str, str | None]]:
    """Let the hub answer with an object, or raise it."""
    asked: list[tuple[str, str | None]] = []

    def model_info(
        _self: object, repository: str, *, revision: str | None, timeout: float
    ) -> object:
        assert timeout <= 30
        asked.append((repository, revision))
        if isinstance(what, Exception):
            raise what
        return what

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    return asked


def http_error(kind: type[Exception]) -> Exception:
    response = SimpleNamespace(headers={}, request=None)
    return kind("from the hub", response=response)  # type: ignore[call-arg]


def test_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, ConnectionError("no route to host"))
    fault = refusal("someone/something")
    assert "cannot be reached for someone/something" in fault.message
    assert "bundled demo model" in fault.remedy
    assert "no route to host" in fault.detail


def test_hub_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, OfflineModeIsEnabled("offline mode"))
    assert "cannot be reached" in refusal("someone/something").message


@pytest.mark.parametrize("kind", [RepositoryNotFoundError, RevisionNotFoundError])
def test_not_on_the_hub(monkeypatch: pytest.MonkeyPatch, kind: type[Exception]) -> None:
    asked = answer(monkeypatch, http_error(kind))
    fault = refusal("someone/something", revision="v2")
    assert "someone/something@v2" in fault.message
    assert "spelling" in fault.remedy
    assert asked == [("someone/something", "v2")]


def test_gated_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, http_error(GatedRepoError))
    fault = refusal("someone/something")
    assert "gated" in fault.message
    assert "terms" in fault.remedy


@pytest.mark.parametrize("source", ["two words", "what?", "a/b@c", "--x", "x" * 97])
def test_what_no_hub_id_looks_like(source: str) -> None:
    fault = refusal(source)
    assert fault.message.startswith(("There is no", "The hub cannot"))


def siblings(*names: str) -> SimpleNamespace:
    files = [SimpleNamespace(rfilename=name) for name in names]
    return SimpleNamespace(sha="c0ffee", siblings=files)


def test_pickled_on_the_hub_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, siblings("config.json", "pytorch_model.bin"))
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: pytest.fail("fetched"))
    fault = refusal("someone/something")
    assert "pickled" in fault.message
    assert "safetensors" in fault.remedy


@pytest.mark.parametrize(
    ("names", "weights"),
    [
        (("model.safetensors", "pytorch_model.bin"), "model.safetensors"),
        (("model.safetensors.index.json", "model-00001-of-00002.safetensors"),
         "model-*.safetensors"),
    ],
)  # fmt: skip
def test_hub_checkpoints_load_at_the_commit_that_was_found(
    monkeypatch: pytest.MonkeyPatch, stock: Path, names: tuple[str, ...], weights: str
) -> None:
    fetched: list[dict[str, Any]] = []

    def snapshot(repository: str, **options: Any) -> str:
        fetched.append({"repository": repository, **options})
        return str(stock)

    answer(monkeypatch, siblings("config.json", "flax_model.msgpack", *names))
    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    model = load("someone/tiny", revision="main")
    assert (model.name, model.source, model.revision) == ("someone/tiny", "someone/tiny", "c0ffee")
    (request,) = fetched
    assert (request["repository"], request["revision"]) == ("someone/tiny", "c0ffee")
    assert request["allow_patterns"][-1] == weights
    assert not any("bin" in pattern or "*.py" in pattern for pattern in request["allow_patterns"])


def test_a_full_disk_while_fetching_is_called_that(monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot(_: str, *, local_files_only: bool = False, **__: Any) -> str:
        raise OSError(2 if local_files_only else 28, "No space left on device")

    answer(monkeypatch, siblings("config.json", "model.safetensors"))
    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    fault = refusal("someone/something")
    assert "disk is full" in fault.message


def test_offline_the_local_hub_cache_serves(
    monkeypatch: pytest.MonkeyPatch, stock: Path, tmp_path: Path
) -> None:
    commit = tmp_path / "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(stock, commit)

    def snapshot(_: str, *, local_files_only: bool = False, **__: Any) -> str:
        assert local_files_only
        return str(commit)

    answer(monkeypatch, ConnectionError("offline"))
    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    assert load("someone/tiny").revision == commit.name


def test_every_family_is_covered_by_a_tiny_model() -> None:
    assert len(BUILDERS) == 6
