"""What a checkpoint stores and a class does not read: refused, carried along, or named."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertTokenizer

from analysis.delivery.saving import save
from analysis.models.loading import DEMO_MODELS, load
from tests.helpers.checkpoints import edit, refusal

Tensors = dict[str, torch.Tensor]
FC = "hubert.encoder.layers.0.feed_forward.intermediate_dense"


def _rewrite(folder: Path, change: Callable[[Tensors], Tensors]) -> Path:
    path = folder / "model.safetensors"
    tensors = {key: tensor.clone() for key, tensor in change(load_file(path)).items()}
    save_file(tensors, path, metadata={"format": "pt"})
    return folder


def _with(name: str, tensors: Tensors) -> Tensors:
    return {**tensors, name: torch.ones(2, 32)}


CHANGES: dict[str, tuple[Callable[[Tensors], Tensors], str, str]] = {
    "lora": (
        lambda tensors: {**tensors, f"{FC}.lora_A.default.weight": torch.ones(2, 32)},
        "adapter (LoRA) that is not merged",
        "merge_and_unload",
    ),
    **{
        f"adapter, {added}": (
            partial(_with, f"{FC}.{added}"),
            "adapter (LoRA) that is not merged",
            "merge_and_unload",
        )
        for added in ("lora.down.weight", "lokr_w1", "oft_r.default", "weight_magnitude")
    },
    "base layers of lora": (
        lambda tensors: {
            key.replace(FC, f"{FC}.base_layer"): tensor for key, tensor in tensors.items()
        },
        "adapter (LoRA) that is not merged",
        "merge_and_unload",
    ),
    "bitsandbytes": (
        lambda tensors: {
            **tensors,
            f"{FC}.weight": torch.ones(24, 32, dtype=torch.int8),
            f"{FC}.SCB": torch.ones(24),
        },
        "are quantised",
        "dequantize",
    ),
    "integers": (
        lambda tensors: {**tensors, f"{FC}.weight": torch.ones(24, 32, dtype=torch.int8)},
        "is stored as I8",
        "dequantize",
    ),
    "eight bits": (
        lambda tensors: {**tensors, f"{FC}.weight": torch.ones(24, 32).to(torch.float8_e4m3fn)},
        "is stored as F8",
        "dequantize",
    ),
    "parallel": (
        lambda tensors: {f"module.{key}": tensor for key, tensor in tensors.items()},
        "“module.” stands before",
        "save_pretrained",
    ),
    "compiled": (
        lambda tensors: {f"_orig_mod.{key}": tensor for key, tensor in tensors.items()},
        "“_orig_mod.” stands before",
        "save_pretrained",
    ),
    "lightning": (
        lambda tensors: {f"model.{key}": tensor for key, tensor in tensors.items()},
        "“model.” stands before",
        "save_pretrained",
    ),
    "not a number": (
        lambda tensors: {**tensors, f"{FC}.weight": torch.full((24, 32), torch.nan)},
        f"(NaN or infinite): {FC}.weight",
        "earlier checkpoint",
    ),
    "infinite": (
        lambda tensors: {**tensors, f"{FC}.bias": torch.full((24,), -torch.inf)},
        f"(NaN or infinite): {FC}.bias",
        "earlier checkpoint",
    ),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_makes_another_model_is_refused_by_its_name(copy: Path, kind: str) -> None:
    change, message, remedy = CHANGES[kind]
    fault = refusal(_rewrite(copy, change))
    assert message in fault.message
    assert remedy in fault.remedy


def test_numbers_that_the_dtype_cannot_hold_are_refused(copy: Path) -> None:
    _rewrite(copy, lambda tensors: {**tensors, f"{FC}.bias": torch.full((24,), 1e6)})
    assert f"{FC}.bias" in refusal(copy, dtype="float16").message
    load(copy)


def test_double_precision_is_no_quantisation(copy: Path) -> None:
    wanted = load(copy).model.state_dict()
    _rewrite(copy, lambda tensors: {key: tensor.double() for key, tensor in tensors.items()})
    found = load(copy).model.state_dict()
    assert all(torch.equal(found[key].float(), tensor) for key, tensor in wanted.items())


def test_any_other_tensor_is_named(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _rewrite(copy, lambda tensors: {**tensors, "quantizer.codevectors": torch.ones(3)})
    [note] = load(copy).notes
    assert "quantizer.codevectors" in note
    assert "1 stored tensor is not used" in note


def test_an_adapter_beside_the_weights_is_refused(copy: Path) -> None:
    (copy / "adapter_config.json").write_text('{"base_model_name_or_path": "openai/whisper-tiny"}')
    assert "not merged into its weights" in refusal(copy).message
    (copy / "model.safetensors").rename(copy / "adapter_model.safetensors")
    (copy / "config.json").unlink()
    fault = refusal(copy)
    assert "is an adapter (LoRA) of openai/whisper-tiny" in fault.message
    assert "merge_and_unload" in fault.remedy


def test_what_belongs_to_a_model_is_saved_with_it(copy: Path, tmp_path: Path) -> None:
    """Adapters of other languages (MMS), and the language model of a CTC processor."""
    save_file({"lm_head.weight": torch.ones(2)}, copy / "adapter.fra.safetensors")
    (copy / "language_model").mkdir()
    (copy / "language_model" / "5gram.bin").write_bytes(b"words")
    (copy / "alphabet.json").write_text("{}")
    model = load(copy)
    assert any("adapters of 1 languages" in note for note in model.notes)
    assert any("language model is saved with it and not used" in note for note in model.notes)
    saved = save(model, tmp_path / "saved")
    for name in ("adapter.fra.safetensors", "language_model/5gram.bin", "alphabet.json"):
        assert (saved / name).read_bytes() == (copy / name).read_bytes()


def test_links_out_of_a_checkpoint_are_not_saved_with_it(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    (copy / "adapter.fra.safetensors").symlink_to(tmp_path / "secret" / "key")
    (copy / "language_model").symlink_to(tmp_path / "secret", target_is_directory=True)
    assert load(copy).companions == ()


FOREIGN: dict[str, tuple[dict[str, bytes], str]] = {
    "CTranslate2": ({"model.bin": b"\6\0\0\0", "vocabulary.json": b"[]"}, "CTranslate2"),
    "ONNX": ({"encoder.onnx": b"\x08"}, "ONNX"),
    "GGML": ({"ggml-tiny.bin": b"lmgg0000"}, "GGML"),
    "GGUF": ({"tiny.gguf": b"GGUF0000"}, "GGML"),
    "openai": ({"tiny.pt": b"PK\3\4"}, "pickled"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_other_formats_are_recognised(copy: Path, kind: str) -> None:
    contents, message = FOREIGN[kind]
    (copy / "model.safetensors").unlink()
    for name, content in contents.items():
        (copy / name).write_bytes(content)
        assert message in refusal(copy).message or len(contents) > 1
    assert message in refusal(copy).message
    (copy / "config.json").unlink()
    assert message in refusal(copy).message
    if len(contents) == 1 and kind != "ONNX":
        assert message in refusal(copy / next(iter(contents))).message


def test_settings_that_ask_for_what_is_not_here_say_so(copy: Path) -> None:
    for field, value, message in (
        ("quantization_config", {"quant_method": "bitsandbytes"}, "quantised (bitsandbytes)"),
        ("attn_implementation", "flash_attention_2", "flash attention"),
    ):
        edit(copy / "config.json", **{field: value})
        assert message in refusal(copy).message
        edit(copy / "config.json", **{field: ...})
    load(copy)


def test_two_blanks_are_refused(copy: Path) -> None:
    edit(copy / "config.json", pad_token_id=5)
    fault = refusal(copy)
    assert "config.json says 5" in fault.message
    assert "the tokenizer says 0" in fault.message


def test_another_sampling_rate_is_refused(copy: Path) -> None:
    path = copy / "processor_config.json"
    content = json.loads(path.read_text())
    edit(path, feature_extractor=content["feature_extractor"] | {"sampling_rate": 8000})
    assert "trained on audio of 8000 Hz" in refusal(copy).message


DAMAGED: dict[str, list[dict[str, Any]]] = {
    "config.json": [
        {"is_encoder_decoder": False},
        {"dropout": float("inf")},
        {"init_std": float("nan")},
        {"init_std": 10**400},
        {"vocab_size": 10**400},
        {"pad_token_id": -5},
        {"decoder_start_token_id": 10**6},
    ],
    "generation_config.json": [
        {"max_length": "448"},
        {"max_length": 10**400},
        {"is_multilingual": "no"},
        {"no_timestamps_token_id": 10**6},
        {"lang_to_id": {"<|en|>": 10**6}},
        {"suppress_tokens": "1,2"},
        {"eos_token_id": "2"},
        {"eos_token_id": 10**6},
        {"max_length": -5},
        {"max_time": 0},
        {"decoder_start_token_id": -1},
        {"language": "klingon"},
        {"language": ["english", "french"]},
        {"task": "sing"},
        {"forced_decoder_ids": [[1, 2], [3, 4]]},
        {"forced_decoder_ids": [[1, 10**6]]},
        {"forced_decoder_ids": 7},
        {"num_beams": 1.5},
        {"num_beams": 0},
        {"num_beams": 10**6},
        {"num_return_sequences": 3},
        {"repetition_penalty": -1.0},
        {"stop_strings": ["stop"]},
        {"prompt_lookup_num_tokens": 3},
        {"alignment_heads": [[0, 99]]},
        {"sequence_bias": {"1": 2}},
    ],
    "processor_config.json": [
        {"sampling_rate": "16000"},
        {"padding_value": float("inf")},
        {"padding_value": "0"},
        {"hop_length": "160"},
        {"n_fft": None},
    ],
}


@pytest.mark.parametrize("file", DAMAGED)
def test_damaged_settings_are_refused_on_loading(merged_copy: Path, file: str) -> None:
    path = merged_copy / file
    whole = path.read_text()
    for fields in DAMAGED[file]:
        if file == "processor_config.json":
            fields = {"feature_extractor": json.loads(whole)["feature_extractor"] | fields}
        edit(path, **fields)
        fault = refusal(merged_copy)
        assert "merged-whisper" in fault.message, fields
        [named] = fields
        assert named in fault.message or named == "feature_extractor", fields
        path.write_text(whole)
    load(merged_copy)


def test_tokens_that_two_files_name_differently_are_refused(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(DEMO_MODELS["demo-whisper"], tmp_path / "whisper"))
    edit(copy / "generation_config.json", task_to_id={"transcribe": 765, "translate": 766})
    fault = refusal(copy)
    assert "<|transcribe|> is token 765, which is <|translate|>" in fault.message
    edit(copy / "generation_config.json", task_to_id={"transcribe": 766, "translate": 765})
    load(copy)


def test_only_the_tokens_are_asked_of_decoding(merged_copy: Path) -> None:
    edit(merged_copy / "generation_config.json", return_dict_in_generate=True, output_scores=True)
    model = load(merged_copy)
    [note] = model.notes
    assert "return_dict_in_generate, output_scores" in note
    assert not model.model.generation_config.output_scores


def test_a_limit_by_time_is_noted(merged_copy: Path) -> None:
    edit(merged_copy / "generation_config.json", max_time=2.5)
    [note] = load(merged_copy).notes
    assert "after 2.5 s" in note


def test_noise_in_what_is_heard_is_noted(merged_copy: Path) -> None:
    path = merged_copy / "processor_config.json"
    settings = json.loads(path.read_text())
    settings["feature_extractor"]["dither"] = 0.1
    path.write_text(json.dumps(settings))
    [note] = load(merged_copy).notes
    assert note.startswith("processor_config.json adds noise")


def test_settings_that_could_not_be_saved_are_dropped_before_anything_is_computed(
    merged_copy: Path, tmp_path: Path
) -> None:
    edit(
        merged_copy / "generation_config.json",
        temperature=0.0, top_p=0.5, length_penalty=0.5, early_stopping=True,
    )  # fmt: skip
    model = load(merged_copy)
    [note] = model.notes
    assert "temperature, top_p, early_stopping, length_penalty" in note
    save(model, tmp_path / "saved")
    edit(merged_copy / "generation_config.json", cache_implementation="nothing")
    assert refusal(merged_copy).message


def test_our_own_export_is_recognised(copy: Path, tmp_path: Path) -> None:
    """CTranslate2 writes a config.json, too."""
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "config.json").write_text('{"alignment_heads": [], "lang_ids": []}')
    for name in ("model.bin", "vocabulary.json", "preprocessor_config.json"):
        (folder / name).write_bytes(b"{}")
    assert "CTranslate2" in refusal(folder).message
    shutil.rmtree(folder)


def test_a_tokenizer_of_word_pieces_is_refused_for_ctc(copy: Path, tmp_path: Path) -> None:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces))
    for old in ("vocab.json", "tokenizer_config.json", "special_tokens_map.json"):
        (copy / old).unlink(missing_ok=True)
    BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(copy)
    assert "is a BertTokenizer, and a CTC model writes letters" in refusal(copy).message
