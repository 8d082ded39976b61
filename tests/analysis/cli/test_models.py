"""The shell's commands on models, run in the process as a person would call them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from analysis.cli import parser as cli
from analysis.delivery.saving import save
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from tests.helpers.checkpoints import edit

Shell = Callable[..., str]


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    """Run a command that must succeed; gives what it printed."""

    def run(*arguments: str | Path) -> str:
        code = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out

    return run


def test_inspect_lists_every_group(shell: Shell, folder: Path) -> None:
    model = load(str(folder))
    facts = json.loads(shell("inspect", folder, "--json"))
    assert facts["family"] == "HuBERT-CTC"
    assert [row["id"] for row in facts["groups"]] == [g.id for g in model.groups]
    assert sum(row["parameters"] for row in facts["groups"]) == facts["mergeable_parameters"]
    text = shell("inspect", folder)
    assert all(group.id in text for group in model.groups)


def test_compressed_model_reloads_and_transcribes(
    shell: Shell, folder: Path, clip: Path, tmp_path: Path
) -> None:
    out = tmp_path / "smaller"
    facts = json.loads(shell("compress", folder, out, "--sparsity", "0.5", "--json"))
    assert facts["after"]["parameters"] < facts["before"]["parameters"]
    reloaded = load(str(out))
    named = reloaded.groups_for(facts["plan"]["recipe"]["components"])
    sizes = {group.id: group.n_units for group in named}
    assert sizes == facts["plan"]["n_clusters"]
    rows = json.loads(shell("transcribe", folder, out, clip, "--reference", "yes no", "--json"))
    assert [row["model"] for row in rows] == [str(folder), str(out)]
    for row in rows:
        assert row["audio"] == str(clip)
        assert row["words"] == 2
        assert row["real_time_factor"] > 0
        errors = row["substitutions"] + row["insertions"] + row["deletions"]
        assert row["wer"] == pytest.approx(errors / 2)


def test_no_reference_gives_no_score(shell: Shell, folder: Path, clip: Path) -> None:
    (row,) = json.loads(shell("transcribe", folder, clip, "--json"))
    assert "wer" not in row
    assert isinstance(row["text"], str)


def test_empty_reference_gives_null_not_nan(
    shell: Shell, folder: Path, clip: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("")
    (row,) = json.loads(shell("transcribe", folder, clip, "--reference", empty, "--json"))
    assert row["words"] == 0
    assert row["wer"] in (None, 0)


def test_plan_file_gives_the_same_weights(shell: Shell, folder: Path, tmp_path: Path) -> None:
    first = json.loads(
        shell("compress", folder, tmp_path / "a", "--method", "random", "--seed", "3", "--json")
    )
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(first["plan"]))
    shell("compress", folder, tmp_path / "b", "--plan", plan)
    bytes_a = (tmp_path / "a" / "model.safetensors").read_bytes()
    assert bytes_a == (tmp_path / "b" / "model.safetensors").read_bytes()


def test_components_leave_the_others_alone(shell: Shell, folder: Path, tmp_path: Path) -> None:
    facts = json.loads(shell("compress", folder, tmp_path / "a", "--components", "ffn", "--json"))
    before = {group.id: group for group in load(str(folder)).groups}
    for group_id, k in facts["plan"]["n_clusters"].items():
        if before[group_id].component != "ffn":
            assert k == before[group_id].n_units
    assert any(k < before[name].n_units for name, k in facts["plan"]["n_clusters"].items())


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that are sure of nothing, as untrained ones are, get a verdict too."""
    monkeypatch.setattr("analysis.compression.guard.FEWEST_SURE", 0)


def test_a_budget_takes_the_place_of_a_sparsity(
    shell: Shell, folder: Path, tmp_path: Path, judged: None
) -> None:
    facts = json.loads(
        shell(
            *("compress", folder, tmp_path / "a", "--method", "magnitude", "--json"),
            *("--max-parameters", "85%", "--max-macs", "99%"),
        )
    )
    assert facts["after"]["parameters"] <= 0.85 * facts["before"]["parameters"]
    assert facts["plan"]["recipe"]["sparsity"] > 0.01
    carried = json.loads((tmp_path / "a" / "coalesce.json").read_text())
    assert carried["health"] == facts["health"]
    assert facts["health"]["verdict"] in ("sound", "strained", "broken")


def test_a_limit_of_the_size_is_one_of_what_is_saved(
    shell: Shell, folder: Path, tmp_path: Path
) -> None:
    half = save(load(str(folder)), tmp_path / "half", dtype="float16")
    flags = ("--method", "magnitude", "--max-size", "60kB", "--save-dtype", "float32", "--json")
    facts = json.loads(shell("compress", half, tmp_path / "a", *flags))
    assert 2 * facts["before"]["saved_bytes"] > 60_000
    assert facts["after"]["saved_bytes"] <= 60_000


def test_what_is_called_like_a_bundled_model_is_named_by_its_path(
    shell: Shell, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for out, typed in (("demo-hubert", "./demo-hubert"), ("my own", "'my own'")):
        said = shell("compress", folder, out, "--method", "magnitude")
        assert f"hear it: coalesce transcribe {typed} CLIP" in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--max-size", "50%", "--sparsity", "0.1"), "A budget decides the sparsity"),
        (("--max-wer-rise", "1"), "measured on clips"),
        (("--clips", "."), "measured on clips"),
        (("--max-size", "1B"), "nearest that can be met"),
        (("--max-macs", "some"), "is no amount"),
    ],
)
def test_a_budget_that_cannot_be_met_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str], said: str
) -> None:
    arguments = ["compress", str(folder), str(tmp_path / "a"), "--method", "magnitude", *flags]
    assert cli.main(arguments) == 2
    assert said in capsys.readouterr().err


def test_a_broken_model_is_saved_and_said_to_be_broken(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], judged: None
) -> None:
    arguments = ["compress", str(folder), str(tmp_path / "a"), "--method", "magnitude"]
    assert cli.main([*arguments, "--sparsity", "0.9"]) == 0
    captured = capsys.readouterr()
    carried = json.loads((tmp_path / "a" / "coalesce.json").read_text())
    broken = carried["health"]["verdict"] == "broken"
    assert ("is broken" in captured.err) == broken
    assert ("check: " in captured.out) != broken


def test_both_sizes_are_said_and_the_stored_dtype_is_kept(
    shell: Shell, hubert: SpeechModel, tmp_path: Path
) -> None:
    half = save(hubert, tmp_path / "half", dtype="float16")
    asked = ("--sparsity", "0.3", "--distance", "weights", "--method", "cluster")
    facts = json.loads(shell("compress", half, tmp_path / "out", *asked, "--json"))
    for name in ("before", "after"):
        assert facts[name]["bytes"] == 2 * facts[name]["saved_bytes"]
    assert (tmp_path / "out" / "model.safetensors").stat().st_size < (
        half / "model.safetensors"
    ).stat().st_size
    assert "MB in a file and" in shell("inspect", half)
    shell("compress", half, tmp_path / "whole", *asked, "--save-dtype", "float32")
    assert load(tmp_path / "whole").saved_dtype == torch.float32


def test_settings_that_cannot_be_saved_are_refused_before_anything_is_computed(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A tokenizer's template whose name points out of the folder."""
    shutil.copytree(folder, tmp_path / "odd")
    edit(
        tmp_path / "odd" / "tokenizer_config.json",
        chat_template=[
            {"name": "default", "template": "x"},
            {"name": "../../outside", "template": "x"},
        ],
    )
    monkeypatch.setattr("analysis.cli.models._plan", None)
    assert cli.main(["compress", str(tmp_path / "odd"), str(tmp_path / "out")]) == 2
    assert "cannot be saved" in capsys.readouterr().err
