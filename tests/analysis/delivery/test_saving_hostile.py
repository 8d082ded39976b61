"""Checkpoints that mean harm: refused before memory is spent, and nothing leaves the folder."""

import contextlib
import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest

from analysis.compression.compress import compress
from analysis.delivery.saving import save
from analysis.errors import UserError
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from tests.helpers.tiny_models import make_plan

HUGE = 2**40
"""Of anything, more than a machine holds."""


@pytest.fixture(scope="module")
def folders(
    whisper: SpeechModel, hubert: SpeechModel, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    parent = tmp_path_factory.mktemp("good")
    merged = compress(whisper, make_plan(whisper)).model
    return {"whisper": save(merged, parent / "whisper"), "hubert": save(hubert, parent / "hubert")}


def tampered(source: Path, target: Path, file: str, fields: dict[str, Any]) -> str:
    """A copy in which some fields of a JSON file are others."""
    shutil.copytree(source, target)
    path = target / file
    content = json.loads(path.read_text())
    if file == "processor_config.json" and "feature_extractor" in content:
        content["feature_extractor"] |= fields
    else:
        content |= fields
    path.write_text(json.dumps(content))
    return str(target)


@pytest.mark.parametrize(
    ("family", "file", "field"),
    [
        *(
            ("whisper", "config.json", field)
            for field in ("d_model", "vocab_size", "max_source_positions", "num_mel_bins")
        ),
        *(("whisper", "config.json", f) for f in ("encoder_layers", "decoder_attention_heads")),
        *(("whisper", "processor_config.json", f) for f in ("feature_size", "n_fft")),
        *(("whisper", "processor_config.json", f) for f in ("chunk_length", "sampling_rate")),
        *(("hubert", "config.json", f) for f in ("hidden_size", "vocab_size", "num_hidden_layers")),
        ("hubert", "config.json", "num_conv_pos_embeddings"),
        ("hubert", "config.json", "conv_dim"),
        ("hubert", "config.json", "conv_kernel"),
    ],
)
def test_absurd_sizes_are_refused_before_anything_is_allocated(
    folders: dict[str, Path], tmp_path: Path, family: str, file: str, field: str
) -> None:
    of_layers = json.loads((folders[family] / "config.json").read_text()).get(field)
    value = [HUGE] * len(of_layers) if isinstance(of_layers, list) else HUGE
    folder = tampered(folders[family], tmp_path / "hostile", file, {field: value})
    with pytest.raises(UserError) as caught:
        load(folder)
    assert "hostile" in caught.value.message
    assert caught.value.remedy
    # what PyTorch and NumPy say when they were asked for it
    assert "allocate" not in caught.value.detail


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [HUGE, HUGE], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 4 * HUGE]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]},
        {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": "all", "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0, "4"]},
    ],
)
def test_headers_that_promise_what_is_not_there(
    folders: dict[str, Path], tmp_path: Path, entry: dict[str, object]
) -> None:
    folder = shutil.copytree(folders["hubert"], tmp_path / "hostile")
    header = json.dumps({"lm_head.weight": entry}).encode()
    content = struct.pack("<Q", len(header)) + header + b"\x00" * 4
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors is"):
        load(str(folder))


@pytest.mark.parametrize("file", ["config.json", "coalesce.json", "processor_config.json"])
@pytest.mark.parametrize("content", [b"[" * 200_000, b" " * 20_000_000, b"\xff\xfe{", b"NaN"])
def test_json_that_is_none(
    folders: dict[str, Path], tmp_path: Path, file: str, content: bytes
) -> None:
    folder = shutil.copytree(folders["whisper"], tmp_path / "hostile")
    (folder / file).write_bytes(content)
    with pytest.raises(UserError, match="hostile"):
        load(str(folder))


def test_an_endless_lineage_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    plan = json.loads((folders["whisper"] / "coalesce.json").read_text())["plan"]
    folder = tampered(
        folders["whisper"], tmp_path / "hostile", "coalesce.json", {"earlier_plans": [plan] * 1000}
    )
    with pytest.raises(UserError, match="carries no plan"):
        load(folder)


OUTWARDS: list[tuple[str, dict[str, Any]]] = [
    ("tokenizer_config.json", {"chat_template": [{"name": "../../evil", "template": "x"}]}),
    ("tokenizer_config.json", {"chat_template": {"../../evil": "x", "default": "y"}}),
    ("processor_config.json", {"chat_template": {"../../evil": "x", "default": "y"}}),
    ("tokenizer_config.json", {"vocab_file": "../evil", "filename_prefix": "../../evil"}),
    ("tokenizer_config.json", {"vocab_files_names": {"vocab_file": "../../evil"}}),
    ("config.json", {"_name_or_path": "../../evil", "custom_object_save": "../evil"}),
    ("config.json", {"auto_map": {"AutoModel": "../../evil--evil.Evil"}}),
]


@pytest.mark.parametrize(("file", "fields"), OUTWARDS)
@pytest.mark.parametrize("family", ["whisper", "hubert"])
def test_names_that_point_elsewhere_write_nothing_there(
    folders: dict[str, Path], tmp_path: Path, family: str, file: str, fields: dict[str, Any]
) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    folder = tampered(folders[family], inner / "hostile", file, fields)
    before = sorted(tmp_path.rglob("*"))
    with contextlib.suppress(UserError):  # refusing such a checkpoint is as good
        model = load(folder)
        save(compress(model, make_plan(model)).model, inner / "out")
    new = {path for path in tmp_path.rglob("*") if path not in before}
    assert all(path.is_relative_to(inner / "out") for path in new)


def test_what_is_no_regular_file_is_not_read(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["hubert"], tmp_path / "hostile")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("/dev/zero")
    with pytest.raises(UserError, match="holds no weights"):
        load(str(folder))
