"""The papers' table: every row on every test set, gone on with, each against its own baseline."""

from pathlib import Path

import pytest
import soundfile

from analysis.compression.compress import compress
from analysis.compression.planner import Planner
from analysis.delivery.saving import save
from analysis.evaluation.corpora import read_corpus
from analysis.evaluation.corpus_evaluation import compare_evaluations, evaluate
from analysis.models.loading import load
from analysis.plan.recipe import Recipe
from analysis.speech.audio import SAMPLING_RATE
from benchmarks import paper
from tests.helpers.talking_models import sound
from tests.helpers.tiny_models import BUILDERS
from tests.helpers.training_runs import WORDS

SETS = ("test-clean", "test-other")


def write_set(root: Path, name: str, texts: tuple[str, ...], seed: int) -> None:
    """Noise in LibriSpeech's layout, a chapter of one speaker."""
    folder = root / name / "7" / "1"
    folder.mkdir(parents=True)
    lines = []
    for index, text in enumerate(texts):
        utterance = f"7-1-{index:04}"
        path = folder / f"{utterance}.flac"
        soundfile.write(path, sound(1 + index / 4, seed + index), SAMPLING_RATE)
        lines.append(f"{utterance} {text}")
    (folder / "7-1.trans.txt").write_text("\n".join(lines))


@pytest.fixture
def librispeech(tmp_path: Path) -> Path:
    root = tmp_path / "LibriSpeech"
    for place, name in enumerate(SETS):
        write_set(root, name, ("one two", "three", "four five six"), 10 * place)
    return root


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return save(BUILDERS["hubert_large"](), tmp_path / "model")


def rows(text: str) -> list[list[str]]:
    """The cells of a table in Markdown, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_table_holds_the_papers_rows_and_ours_and_goes_on(
    librispeech: Path,
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    arguments = [str(source), "--librispeech", str(librispeech), "--out", str(out)]
    arguments += ["--normaliser", "none"]
    assert paper.main(arguments) == 0
    text = (out / "table.md").read_text()
    assert text in capsys.readouterr().out
    found = rows(text)
    assert [row[:2] for row in found] == [
        ["uncompressed", ""],
        ["magnitude", "uniform"],
        ["cluster", "uniform"],
        ["magnitude", "variance"],
        ["cluster", "variance"],
        ["magnitude at the K of Coalesce", "end-to-end"],
        ["Coalesce", "end-to-end"],
    ]
    model = load(str(source))
    prepared = Planner(model).prepare(Recipe(sparsity=0.5))
    made = compress(model, prepared.plan, trees=prepared.trees).model
    dropped = compress(model, Planner(model).prepare(Recipe(sparsity=0.5, method="magnitude")).plan)
    for place, name in enumerate(SETS):
        corpus = read_corpus(librispeech / name)
        tested, original, magnitude = (
            evaluate(m, corpus, normaliser="none") for m in (made, model, dropped.model)
        )
        wer, to_original, to_magnitude = found[2][4 + 3 * place : 7 + 3 * place]
        assert wer.startswith(f"{100 * tested.total.wer:.2f} [")
        for cell, other in ((to_original, original), (to_magnitude, magnitude)):
            delta = compare_evaluations(tested, other).difference.delta
            assert cell.startswith(f"{100 * delta:+.2f} (p ")
    assert found[0][5:7] == ["", ""]
    assert found[1][6] == ""

    def refuse(*arguments: object, **settings: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr("analysis.evaluation.corpus_evaluation.transcribe_batch", refuse)
    assert paper.main(arguments) == 0
    assert (out / "table.md").read_text() == text


@pytest.mark.slow
def test_what_is_trained_stands_beside_what_is_not(
    librispeech: Path, source: Path, tmp_path: Path
) -> None:
    write_set(librispeech, "train-clean-100", 2 * WORDS, 100)
    write_set(librispeech, "dev-clean", ("one", "two"), 200)
    out = tmp_path / "out"
    arguments = [str(source), "--librispeech", str(librispeech), "--out", str(out)]
    arguments += ["--normaliser", "none", "--fine-tune", "--limit", "2"]
    assert paper.main(arguments) == 0
    found = rows((out / "table.md").read_text())
    names = [row[0] for row in found]
    compressed = names[1:7]
    assert names[7:] == [f"{name}, 3 epochs" for name in compressed]
    for plain, trained in zip(found[1:7], found[7:], strict=True):
        assert trained[1:4] == plain[1:4]
        assert (trained[6] == "") == trained[0].startswith("magnitude")
    record = load(str(out / "models" / "coalesce-end-to-end-trained")).training[-1]
    assert (record.settings["epochs"], record.utterances) == (3, 16)


def test_a_folder_without_test_sets_is_named(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(source), "--librispeech", str(tmp_path), "--out", str(tmp_path / "out")]
    assert paper.main(arguments) == 2
    assert "neither test-clean nor test-other" in capsys.readouterr().err
    assert paper.main([*arguments, "--fine-tune"]) == 2
    assert "no train-clean-100" in capsys.readouterr().err
