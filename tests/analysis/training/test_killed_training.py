"""A training run that is killed goes on from its last epoch, and what it kept is whole."""

from pathlib import Path

import pytest

from analysis.evaluation.corpora import Corpus
from analysis.models.speech_model import SpeechModel
from analysis.training.callbacks import COMPLETE
from analysis.training.log import TrainingLog, read_log
from analysis.training.run import train
from tests.helpers.doomed import die, killed
from tests.helpers.training_runs import assert_same, task_of


@pytest.fixture(scope="module")
def whole(
    hubert: SpeechModel,
    corpus: Corpus,
    validation: Corpus,
    tmp_path_factory: pytest.TempPathFactory,
) -> SpeechModel:
    """What comes of a run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("runs")
    return train(hubert, task_of(hubert, corpus, validation), folder / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["in an epoch", "while a checkpoint is marked as whole"])
def test_a_killed_run_goes_on(
    moment: str,
    whole: SpeechModel,
    hubert: SpeechModel,
    corpus: Corpus,
    validation: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = task_of(hubert, corpus, validation)

    def progress(done: int, total: int, note: str) -> None:
        if done == 3 and moment == "in an epoch":
            die()

    write = Path.write_bytes

    def half(self: Path, content: bytes) -> int:
        if COMPLETE in self.name and moment != "in an epoch":
            self.touch()
            die()
        return write(self, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", half)
        killed(lambda: train(hubert, task, tmp_path / "parts", progress=progress))
    assert_same(train(hubert, task, tmp_path / "parts"), whole)
    assert [row["step"] for row in read_log(tmp_path / "parts").steps] == [1, 2, 3, 4]


def test_a_line_that_a_kill_cut_off_takes_no_other_with_it(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path)
    log.write("start", {"n_steps": 2})
    log.write("step", {"step": 1, "loss": 1.0})
    path = tmp_path / "log.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    TrainingLog(tmp_path).write("step", {"step": 2, "loss": 0.5})
    assert [row["step"] for row in read_log(tmp_path).steps] == [2]
