"""Checkpoints as the field has them: tiny ones in the layouts of the last five years."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from analysis.models.speech_model import SpeechModel
from tests.helpers.checkpoints import edit
from tests.helpers.talking_models import LETTERS, SPECIAL, tiny_ctc, tiny_whisper

Build = Callable[[Path], Path]


def _write(model: SpeechModel, folder: Path) -> Path:
    """As `save_pretrained` of transformers writes it, without anything of ours."""
    model.model.save_pretrained(folder)
    model.processor.save_pretrained(folder)
    return folder


def _rewrite(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Path:
    path = folder / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in change(load_file(path)).items()}
    save_file(tensors, path, metadata={"format": "pt"})
    return folder


def _in_shards(folder: Path) -> Path:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    places: dict[str, str] = {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 0}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def _with_old_processor(folder: Path) -> Path:
    """Files of 2021: a preprocessor_config.json, and no processor_config.json."""
    path = folder / "processor_config.json"
    extractor = json.loads(path.read_text())["feature_extractor"]
    path.unlink()
    (folder / "preprocessor_config.json").write_text(json.dumps(extractor))
    return folder


def _with_slow_tokenizer(folder: Path) -> Path:
    """vocab.json and merges.txt, and the added tokens apart."""
    (folder / "tokenizer.json").unlink()
    letters = {letter: index for index, letter in enumerate(LETTERS)}
    end = len(LETTERS)
    (folder / "vocab.json").write_text(json.dumps(letters | {"<|endoftext|>": end}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    added = {token: end + 1 + index for index, token in enumerate(SPECIAL)}
    (folder / "added_tokens.json").write_text(json.dumps(added))
    marks = dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), "<|endoftext|>")
    (folder / "special_tokens_map.json").write_text(
        json.dumps({**marks, "additional_special_tokens": list(SPECIAL)})
    )
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "WhisperTokenizer", **marks})
    )
    return folder


def _half(folder: Path) -> Path:
    edit(folder / "config.json", dtype=..., torch_dtype="float16")
    return _rewrite(folder, lambda tensors: {name: t.half() for name, t in tensors.items()})


def _whisper(**settings: Any) -> Build:
    return lambda folder: _write(tiny_whisper(max_length=16, **settings), folder)


def _untied(folder: Path) -> Path:
    model = tiny_whisper(max_length=16)
    network: Any = model.model
    weight = network.get_input_embeddings().weight
    network.config.tie_word_embeddings = False
    other = weight + 0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(3))
    other[:, 0] = weight[:, 0]  # what keeps timestamps away
    network.proj_out.weight = torch.nn.Parameter(other, requires_grad=False)
    return _write(model, folder)


def _stored_twice(folder: Path) -> Path:
    """A tied output projection that is stored all the same."""
    name = "model.decoder.embed_tokens.weight"
    return _rewrite(
        _whisper()(folder), lambda tensors: {**tensors, "proj_out.weight": tensors[name].clone()}
    )


def _padded(folder: Path) -> Path:
    """More rows than words, for the sake of the hardware."""
    model = tiny_whisper(max_length=16)
    network: Any = model.model
    network.resize_token_embeddings(256, mean_resizing=False)
    network.get_output_embeddings().weight.data[len(model.processor.tokenizer) :] = 0
    return _write(model, folder)


def _without_generation_config(folder: Path) -> Path:
    """Files of 2022: what decoding needs stands in config.json."""
    _whisper()(folder)
    settings = json.loads((folder / "generation_config.json").read_text())
    kept = ("max_length", "suppress_tokens", "begin_suppress_tokens", "no_repeat_ngram_size")
    edit(folder / "config.json", **{name: settings[name] for name in kept})
    (folder / "generation_config.json").unlink()
    return folder


def _ctc(family: str, change: Callable[[Path], Path] = lambda folder: folder) -> Build:
    def build(folder: Path) -> Path:
        scratch = folder.with_name("scratch")
        scratch.mkdir()
        return change(_write(tiny_ctc(scratch, family), folder))

    return build


def _with_old_norm(folder: Path) -> Path:
    """Weight norm as it was called before torch 2.0."""
    new, old = "parametrizations.weight.original", ("weight_g", "weight_v")
    edit(folder / "config.json", transformers_version="4.8.0")
    return _rewrite(
        folder,
        lambda tensors: {
            name.replace(f"{new}0", old[0]).replace(f"{new}1", old[1]): tensor
            for name, tensor in tensors.items()
        },
    )


def _with_rows_to_spare(folder: Path) -> Path:
    """An output layer that is wider than the vocabulary."""
    edit(folder / "config.json", vocab_size=40)

    def wider(tensors: dict[str, Any]) -> dict[str, Any]:
        for name in ("lm_head.weight", "lm_head.bias"):
            rest = torch.full((40 - len(tensors[name]), *tensors[name].shape[1:]), -9.0)
            tensors[name] = torch.cat([tensors[name], 0 * rest if "weight" in name else rest])
        return tensors

    return _rewrite(folder, wider)


def _with_pretraining(folder: Path) -> Path:
    """Heads of the pretraining that nobody took out."""
    return _rewrite(
        folder,
        lambda tensors: {**tensors, "quantizer.codevectors": torch.ones(1, 4, 2)},
    )


LAYOUTS: dict[str, Build] = {
    "whisper, English": _whisper(),
    "whisper, untied": _untied,
    "whisper, tied and stored twice": _stored_twice,
    "whisper, in shards": lambda folder: _in_shards(_whisper()(folder)),
    "whisper, padded vocabulary": _padded,
    "whisper, 128 mels": _whisper(mels=128, multilingual=True),
    "whisper, 4 decoder layers": _whisper(decoder_layers=4, multilingual=True),
    "whisper, files of 2022": lambda folder: _with_old_processor(_whisper()(folder)),
    "whisper, slow tokenizer without timestamps": lambda folder: _with_slow_tokenizer(
        _with_old_processor(_whisper()(folder))
    ),
    "whisper, no generation config": _without_generation_config,
    "whisper, half precision": lambda folder: _half(_whisper()(folder)),
    "wav2vec2, files of 2021": _ctc("wav2vec2", lambda f: _with_old_norm(_with_old_processor(f))),
    "wav2vec2, rows to spare": _ctc("wav2vec2", _with_rows_to_spare),
    "wav2vec2, large, in shards": _ctc("wav2vec2, layer norm", _in_shards),
    "wav2vec2, pretraining": _ctc("wav2vec2", _with_pretraining),
    "hubert, old norm": _ctc("hubert", _with_old_norm),
    "data2vec, half precision": _ctc("data2vec", _half),
}
"""What it is, and what writes it into a folder."""
