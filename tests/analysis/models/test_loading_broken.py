"""Checkpoint folders that are broken: each is refused with a reason and a remedy."""

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from tests.helpers.checkpoints import edit, refusal

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
