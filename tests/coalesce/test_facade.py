"""The notebook's way in: light, typed, and true to its examples."""

import doctest
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import coalesce
from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel

ROOT = Path(__file__).resolve().parents[2]


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, with only the clone's root to import from."""
    start = f"import sys; sys.path.append({str(ROOT)!r})\n"
    return subprocess.run(
        [sys.executable, "-c", start + code], cwd=folder, capture_output=True, text=True
    )


@pytest.mark.timeout(900)  # minutes where other processes want the same cores
def test_the_example_in_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- notebook example -->\n```python\n(.*?)```", readme, re.DOTALL)
    assert found is not None
    monkeypatch.chdir(tmp_path)
    exec(compile(found[1], "README.md", "exec"), {})
    said, wer = capsys.readouterr().out.splitlines()
    assert said == "five one six eight 0.0"
    assert float(wer) < 0.3
    assert coalesce.load("smaller").plan is not None
    assert (tmp_path / "kept.html").stat().st_size > 0


@pytest.mark.parametrize(
    "name", ["coalesce", "coalesce.facade", "coalesce.figures", "coalesce.inspecting"]
)
def test_every_docstring_example_is_true(name: str) -> None:
    tried = doctest.testmod(import_module(name))
    assert tried.attempted
    assert tried.failed == 0


def test_every_public_name_is_there_and_has_an_example() -> None:
    for name in coalesce.__all__:
        value = getattr(coalesce, name)
        assert name in dir(coalesce)
        if callable(value) and name != "UserError":
            assert ">>>" in (value.__doc__ or "") or name == "load", name
    with pytest.raises(AttributeError, match="no attribute 'unknown'"):
        _ = coalesce.unknown  # type: ignore[attr-defined]


def test_importing_loads_no_engine(tmp_path: Path) -> None:
    heavy = "{'torch', 'transformers', 'numpy', 'streamlit', 'plotly'}"
    done = python(f"import coalesce; print(sorted({heavy} & set(sys.modules)))", tmp_path)
    assert done.stdout == "[]\n", done.stderr


def test_a_foreign_analysis_is_named(tmp_path: Path) -> None:
    (tmp_path / "analysis.py").write_text("", encoding="utf-8")
    done = python("import analysis, coalesce", tmp_path)
    assert "ImportError: Coalesce's core is a package called `analysis`" in done.stderr
    assert str(tmp_path / "analysis.py") in done.stderr


def test_modules_of_the_person_keep_their_names(tmp_path: Path) -> None:
    """An `analysis` that nobody imported is no obstacle, and `app` and `demo` stay theirs."""
    for name in ("analysis", "app", "demo"):
        (tmp_path / f"{name}.py").write_text("WHOSE = 'mine'", encoding="utf-8")
    code = "import coalesce, app, demo, analysis.errors; print(app.WHOSE, demo.WHOSE)"
    done = python(code, tmp_path)
    assert done.stdout == "mine mine\n", done.stderr


def test_paths_may_be_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = coalesce.load("demo-hubert")
    clip = coalesce.CLIPS / "set.flac"
    heard = [coalesce.transcribe(model, each).text for each in (clip, str(clip))]
    assert heard[0] == heard[1]
    assert coalesce.save(model, "copy") == tmp_path / "copy"
    assert coalesce.load(Path("copy")).name == "copy"
    data = str(coalesce.HELDOUT)
    assert len(coalesce.evaluate(model, data, limit=2).scores) == 2


def test_what_is_odd_about_the_sound_is_noted() -> None:
    model = coalesce.load("demo-hubert")
    whole = (coalesce.CLIPS / "set.flac").read_bytes()
    transcript = coalesce.transcribe(model, whole[: len(whole) // 2])
    assert "cut short" in transcript.notes[0]
    assert coalesce.transcribe(model, whole).notes == ()


def test_own_clips_are_listened_to(tmp_path: Path) -> None:
    model = coalesce.load("demo-hubert")
    clip = coalesce.CLIPS / "set.flac"
    (tmp_path / clip.name).write_bytes(clip.read_bytes())
    plan = coalesce.plan(model, 0.1, calibrate=str(tmp_path))
    assert not plan.recipe.data_free
    with pytest.raises(coalesce.UserError):
        coalesce.compress(model, plan)
    smaller = coalesce.compress(model, plan, calibrate=tmp_path)
    assert isinstance(smaller, SpeechModel)
    assert smaller.plan == plan


def test_a_unit_may_be_a_number_of_numpy(hubert: SpeechModel) -> None:
    with pytest.raises(UserError, match="no such unit"):
        coalesce.moments(hubert, "encoder.0.ffn", np.int64(99))
