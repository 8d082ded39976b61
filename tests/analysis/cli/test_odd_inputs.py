"""What people type by mistake: the true cause is said, in one line, and nothing is lost."""

import json
import os
import shutil
from pathlib import Path

import pytest

from analysis.cli import models as commands
from analysis.cli import parser as cli
from analysis.cli.terminal import printable
from tests.helpers.checkpoints import edit

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inspect", "CIRCLE"], "leads nowhere: Symlink loop"),
        (["inspect", "DEAD"], "is a link to gone, which is not there"),
        (["inspect", "FOLDER", "--dtype", "int8"], "In int8 a model transcribes only"),
        (["compress", "FOLDER", "FOLDER", "--overwrite"], "in its own place"),
        (
            ["export", "FOLDER", "FOLDER", "--overwrite", "--format", "onnx"],
            "the model's own place",
        ),
        (["compress", "FOLDER", "OUT", "--plan", "/dev/zero"], "cannot be read"),
        (["compress", "FOLDER", os.fsdecode(b"o\xff")], "not written in UTF-8"),
        (["transcribe", "FOLDER", "EMPTY"], "is a folder without a model"),
        (["transcribe", "FOLDER", "PIPE"], "no file that can be read twice"),
        (["transcribe", "FOLDER", "-"], "- is no file that can be read twice"),
        (["transcribe", "FOLDER", "--language", "en", "gone.wav"], "no audio file gone.wav"),
        (["sweep", "FOLDER", "--data", "EMPTY", "--out", "OUT", "--config", "/dev/zero"], "YAML"),
        (["sweep", "FOLDER", "--data", "EMPTY", "--out", "MINE"], "holds table.csv, and no result"),
        (["evaluate", "FOLDER", "--data", "EMPTY", "--out", "MINE"], "it would be replaced"),
    ],
)
@pytest.mark.timeout(60)
def test_the_true_cause_is_said(
    folder: Path, tmp_path: Path, capsys: Captured, arguments: list[str], said: str
) -> None:
    os.mkfifo(tmp_path / "PIPE")
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "MINE").mkdir()
    (tmp_path / "MINE" / "table.csv").write_text("mine")
    (tmp_path / "CIRCLE").symlink_to(tmp_path / "BACK")
    (tmp_path / "BACK").symlink_to(tmp_path / "CIRCLE")
    (tmp_path / "DEAD").symlink_to("gone")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    places = {name: tmp_path / name for name in ("PIPE", "EMPTY", "MINE", "CIRCLE", "DEAD", "OUT")}
    places["FOLDER"] = folder
    assert cli.main([str(places.get(argument, argument)) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"num_hidden_layers": 4}, r"lacks 32 tensors of 2 layers that its config.json announces"),
        ({"model_type": "wav2vec2"}, "calls it wav2vec2-CTC, and its tensors are those of HuBERT"),
    ],
)
def test_a_configuration_of_another_model_is_named(
    folder: Path, tmp_path: Path, capsys: Captured, fields: dict[str, object], said: str
) -> None:
    odd = shutil.copytree(folder, tmp_path / "odd")
    edit(odd / "config.json", **fields)
    assert cli.main(["inspect", str(odd)]) == 2
    assert said in capsys.readouterr().err


def test_a_clip_may_stand_behind_an_option(folder: Path, clip: Path, capsys: Captured) -> None:
    arguments = ["transcribe", str(folder), "--json", str(clip), "--normaliser", "basic", str(clip)]
    assert cli.main(arguments) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    with pytest.raises(SystemExit):
        cli.main(["transcribe", str(folder), str(clip), "--languag", "en", "--jsn"])
    assert "unrecognized arguments" in capsys.readouterr().err


def test_what_a_plan_merges_beside_its_components_is_counted(
    folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    made = ["compress", str(folder), str(tmp_path / "a"), "--sparsity", "0.5", "--json"]
    assert cli.main([*made, "--components", "ffn,heads"]) == 0
    whole = json.loads(capsys.readouterr().out)
    whole["plan"]["recipe"]["components"] = ["heads"]
    (tmp_path / "plan.json").write_text(json.dumps(whole["plan"]))
    odd = ["compress", str(folder), str(tmp_path / "b"), "--plan", str(tmp_path / "plan.json")]
    assert cli.main([*odd, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["achieved_sparsity"] == pytest.approx(whole["achieved_sparsity"])


def test_a_plan_may_come_through_a_pipe(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    assert cli.main(["compress", str(folder), str(tmp_path / "a"), "--json"]) == 0
    read, write = os.pipe()
    os.write(write, json.dumps(json.loads(capsys.readouterr().out)["plan"]).encode())
    os.close(write)
    out = tmp_path / "b"
    assert cli.main(["compress", str(folder), str(out), "--plan", f"/dev/fd/{read}"]) == 0
    os.close(read)
    assert (out / "config.json").is_file()


def test_a_folder_may_be_called_like_a_bundled_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["compress", "demo-hubert", "demo-hubert", "--method", "magnitude"]) == 0
    assert (tmp_path / "demo-hubert" / "model.safetensors").is_file()


def test_a_place_that_was_taken_meanwhile_costs_nobody_their_work(
    folder: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    examined = commands.examined

    def slow(*arguments: object, **named: object) -> object:
        if not out.exists():  # another process was faster
            out.mkdir()
            (out / "config.json").write_text("{}")
            (tmp_path / "out-2").mkdir()
        return examined(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(commands, "examined", slow)
    assert cli.main(["compress", str(folder), str(out)]) == 0
    assert f"{out} was taken meanwhile; see {out}-3" in capsys.readouterr().err
    assert (out / "config.json").read_text() == "{}"
    assert (tmp_path / "out-3" / "model.safetensors").is_file()


def test_a_terminal_obeys_no_file_name() -> None:
    assert printable("a\x1b[31m\x9b\x7f\r\tb\nç") == "a\\x1b[31m\\x9b\\x7f\\x0d\tb\nç"
