"""A checkpoint in an environment that has transformers and torch, but not Coalesce."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import HubertConfig

from analysis.compression.compress import compress
from analysis.delivery.saving import save
from analysis.models import modeling_merged_units
from analysis.models.architectures import ARCHITECTURES
from analysis.models.building import MERGED_RANKS, MERGED_UNITS
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from tests.helpers.places import ROOT
from tests.helpers.tiny_models import logits, make_plan

pytestmark = pytest.mark.slow

# Says in JSON what came out of each checkpoint: logits, class and text, or the error.
SCRIPT = """
import json, sys
sys.meta_path = [f for f in sys.meta_path if "editable" not in f"{f} {f.__class__.__module__}"]
sys.path = [path for path in sys.path if path.rstrip("/") != sys.argv[1]]
try:
    import analysis
except ImportError:
    pass
else:
    raise SystemExit("Coalesce is importable")
import numpy as np, torch, transformers
noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
results = []
for job in json.loads(sys.stdin.read()):
    folder, trust = job["folder"], job["trust"]
    try:
        auto = getattr(transformers, job["auto"])
        model = auto.from_pretrained(folder, trust_remote_code=trust).eval()
        inputs = {key: torch.tensor(value) for key, value in job["inputs"].items()}
        with torch.inference_mode():
            logits = model(**inputs).logits.tolist()
        recognise = transformers.pipeline(
            "automatic-speech-recognition", folder, trust_remote_code=trust, device="cpu"
        )
        text = recognise({"raw": noise, "sampling_rate": 16_000})["text"]
        kind, family = type(model).__name__, model.config.model_type
        results.append({"logits": logits, "class": kind, "type": family, "text": text})
    except Exception as error:
        results.append({"error": f"{type(error).__name__}: {error}"})
print(json.dumps(results))
"""


def fresh_python(tmp_path: Path, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Load checkpoints in an interpreter that finds installed packages, but not this project."""
    root = str(ROOT)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": str(tmp_path / "modules")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, root],
        input=json.dumps(jobs),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    results: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return results


@pytest.fixture
def every_family(
    whisper: SpeechModel,
    hubert: SpeechModel,
    wav2vec2: SpeechModel,
    wav2vec2_large: SpeechModel,
    data2vec_audio: SpeechModel,
) -> list[SpeechModel]:
    return [whisper, hubert, wav2vec2, wav2vec2_large, data2vec_audio]


def auto_class(model: SpeechModel) -> str:
    seq2seq = model.architecture.decoding == "seq2seq"
    return "AutoModelForSpeechSeq2Seq" if seq2seq else "AutoModelForCTC"


def job(model: SpeechModel, folder: Path, *, trust: bool) -> dict[str, Any]:
    """What `fresh_python` is asked: the input of `tests.helpers.tiny_models.logits`."""
    generator = torch.Generator().manual_seed(7)
    if model.architecture.decoding == "ctc":
        inputs = {"input_values": torch.randn(2, 8_000, generator=generator)}
    else:
        frames, config = 2 * model.config.max_source_positions, model.config
        inputs = {
            "input_features": torch.randn(2, config.num_mel_bins, frames, generator=generator),
            "decoder_input_ids": torch.randint(0, config.vocab_size, (2, 6), generator=generator),
        }
    values = {key: tensor.tolist() for key, tensor in inputs.items()}
    return {"folder": str(folder), "auto": auto_class(model), "trust": trust, "inputs": values}


def stock_sized(model: SpeechModel) -> SpeechModel:
    """Compressed to what stock classes hold: one FFN width in the encoder, one in the decoder."""
    sizes = {
        group.id: 11 if group.stack == "encoder" else 9
        for group in model.groups
        if group.component == "ffn"
    }
    return compress(model, make_plan(model, n_clusters=sizes)).model


@pytest.mark.slow
def test_merged_and_stock_checkpoints_in_a_fresh_environment(
    every_family: list[SpeechModel], tmp_path: Path
) -> None:
    """One interpreter for all, since starting it takes longest."""
    merged = [compress(model, make_plan(model)).model for model in every_family]
    everything = ("ffn", "heads", "ranks")
    merged += [compress(m, make_plan(m, components=everything)).model for m in every_family[:2]]
    stock = [stock_sized(model) for model in every_family]
    folders = [
        save(model, tmp_path / f"{kind}-{number}-{model.name}")
        for kind, models in (("merged", merged), ("stock", stock))
        for number, model in enumerate(models)
    ]
    jobs = [
        job(model, folder, trust=number < len(merged))
        for number, (model, folder) in enumerate(zip(merged + stock, folders, strict=True))
    ]
    refused = job(merged[1], folders[1], trust=False)
    *results, failure = fresh_python(tmp_path, [*jobs, refused])
    assert "mismatch" in failure["error"]
    for number, (model, result) in enumerate(zip(merged + stock, results, strict=True)):
        assert "error" not in result, f"{model.name}: {result['error']}"
        assert torch.equal(torch.tensor(result["logits"]), logits(model)), model.name
        prefix = "Merged" if number < len(merged) else ""
        assert result["class"] == prefix + model.architecture.model_class
        assert result["type"] == model.architecture.model_type
        assert isinstance(result["text"], str)


@pytest.mark.parametrize("trust", [None, False])
def test_stock_classes_never_take_merged_weights(
    speech_model: SpeechModel, tmp_path: Path, trust: bool | None
) -> None:
    """However few units one group lost: an error, not a model with weights drawn at random."""
    for group in speech_model.groups[:3]:
        plan = make_plan(speech_model, n_clusters={group.id: group.n_units - 1})
        folder = save(compress(speech_model, plan).model, tmp_path / group.id)
        auto = getattr(transformers, auto_class(speech_model))
        stock = getattr(transformers, speech_model.architecture.model_class)
        for load_it in (
            lambda f=folder, a=auto: a.from_pretrained(f, trust_remote_code=trust),
            lambda f=folder, s=stock: s.from_pretrained(f),
            lambda f=folder: transformers.pipeline(
                "automatic-speech-recognition", str(f), trust_remote_code=trust
            ),
        ):
            with pytest.raises((RuntimeError, ValueError), match=r"(?is)mismatch"):
                load_it()


def test_the_modelling_file_knows_what_the_families_know() -> None:
    """It repeats where units live, for it must stand alone."""
    for family in ARCHITECTURES.values():
        merged = getattr(modeling_merged_units, f"Merged{family.model_class}")
        assert merged.__mro__[1] is getattr(transformers, family.model_class)


def test_groups_of_the_modelling_file_are_those_of_the_engine(
    speech_model: SpeechModel, tmp_path: Path
) -> None:
    sizes = {group.id: max(1, group.n_units - 1) for group in speech_model.groups}
    model = compress(speech_model, make_plan(speech_model, n_clusters=sizes)).model
    again = load(str(save(model, tmp_path / "all")))
    assert {group.id: group.n_units for group in again.groups} == sizes


def test_load_runs_no_code_of_the_folder(hubert: SpeechModel, tmp_path: Path) -> None:
    folder = save(compress(hubert, make_plan(hubert)).model, tmp_path / "hostile")
    (folder / "modeling_merged_units.py").write_text("raise SystemExit('foreign code ran')")
    assert torch.equal(logits(load(str(folder))), logits(compress(hubert, make_plan(hubert)).model))


def test_code_of_the_original_is_not_passed_on(hubert: SpeechModel, tmp_path: Path) -> None:
    folder = save(hubert, tmp_path / "original")
    for name in ("config.json", "tokenizer_config.json", "processor_config.json"):
        content = json.loads((folder / name).read_text())
        content["auto_map"] = {"AutoConfig": "someone/else--configuration.Evil"}
        (folder / name).write_text(json.dumps(content))
    model = load(str(folder))
    merged = save(compress(model, make_plan(model)).model, tmp_path / "merged")
    for path in merged.glob("*.json"):
        assert "someone/else" not in path.read_text(), path.name
    plain = save(model, tmp_path / "plain")
    for path in plain.glob("*.json"):
        assert "auto_map" not in path.read_text(), path.name


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"encoder.0.ffn": 0}, "encoder.0.ffn"),
        ({"encoder.0.ffn": 10**9}, "encoder.0.ffn"),
        ({"encoder.0.ffn": True}, "encoder.0.ffn"),
        ({"encoder.0.ffn": "12"}, "encoder.0.ffn"),
        ({"encoder.7.ffn": 1}, "encoder.7.ffn"),
        ({"encoder.-1.ffn": 1}, "encoder.-1.ffn"),
        ({"pooler": 1}, "pooler"),
        (["encoder.0.ffn"], "list"),
    ],
)
def test_the_modelling_file_refuses_sizes_that_make_no_sense(
    hubert: SpeechModel, field: object, said: str
) -> None:
    config = HubertConfig.from_dict(hubert.config.to_dict())
    setattr(config, MERGED_UNITS, field)
    with pytest.raises(ValueError, match=said), torch.device("meta"):
        modeling_merged_units.MergedHubertForCTC(config)


@pytest.mark.parametrize("table", [{"encoder.0.self_attention": 9}, {"encoder.0.ffn": 2}, [1]])
def test_the_modelling_file_refuses_ranks_that_make_no_sense(
    hubert: SpeechModel, table: object
) -> None:
    """Its heads have 8 ranks, its channels none."""
    config = HubertConfig.from_dict(hubert.config.to_dict())
    setattr(config, MERGED_RANKS, table)
    with pytest.raises(ValueError, match=MERGED_RANKS), torch.device("meta"):
        modeling_merged_units.MergedHubertForCTC(config)


def test_a_stock_checkpoint_names_no_code(speech_model: SpeechModel, tmp_path: Path) -> None:
    model = stock_sized(speech_model)
    folder = save(model, tmp_path / "stock")
    assert not list(folder.glob("*.py"))
    text = (folder / "config.json").read_text()
    assert "auto_map" not in text
    assert "merged_units" not in text
    again = load(str(folder))
    assert again.weight_hash == model.weight_hash
    assert again.plan == model.plan


def test_tensors_that_a_hostile_file_adds_are_left_alone(
    hubert: SpeechModel, tmp_path: Path
) -> None:
    model = compress(hubert, make_plan(hubert)).model
    folder = save(model, tmp_path / "more")
    tensors = load_file(folder / "model.safetensors")
    tensors["hubert.encoder.layers.0.extra.weight"] = torch.zeros(3)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert torch.equal(logits(load(str(folder))), logits(model))
