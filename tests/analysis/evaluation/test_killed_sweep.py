"""A sweep that is killed, or finds no room, goes on where it was, and its table is the same."""

import dataclasses
from pathlib import Path

import pytest

from analysis.compression.compress import Compression, compress
from analysis.errors import UserError
from analysis.evaluation import sweep
from analysis.evaluation.corpora import Corpus
from analysis.evaluation.results import ResultStore
from analysis.evaluation.sweep import Row, Skipped
from analysis.evaluation.uploads import lay_out_upload
from analysis.models.speech_model import SpeechModel
from tests.helpers.doomed import die, done_without_room, killed
from tests.helpers.sounds import tone, written
from tests.helpers.sweeps import rows_of


def measured(rows: list[Row | Skipped]) -> list[object]:
    """All of the rows but the times."""
    return [
        dataclasses.replace(row.evaluation.total, alignment=()) if isinstance(row, Row) else row
        for row in rows
    ]


@pytest.mark.parametrize("moment", ["between two models", "in the midst of a line"])
def test_a_killed_sweep_goes_on(
    moment: str,
    hubert: SpeechModel,
    corpus: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = rows_of(hubert, corpus, sparsity="0.5")
    append, n_written = ResultStore.append, []

    def dying(self: ResultStore, run, results):  # type: ignore[no-untyped-def]
        append(self, run, results)
        n_written.append(run)
        if len(n_written) == 2:
            if moment == "in the midst of a line":
                newest = max(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
                newest.write_bytes(newest.read_bytes()[:-20])
            die()

    with monkeypatch.context() as patch:
        patch.setattr(ResultStore, "append", dying)
        killed(lambda: rows_of(hubert, corpus, ResultStore(tmp_path), sparsity="0.5"))
    made: list[str] = []

    def watched(model: SpeechModel, plan, **settings) -> Compression:  # type: ignore[no-untyped-def]
        made.append(plan.recipe.method)
        return compress(model, plan, **settings)

    monkeypatch.setattr(sweep, "compress", watched)
    again = rows_of(hubert, corpus, ResultStore(tmp_path), sparsity="0.5")
    assert measured(again) == measured(whole)
    assert ("magnitude" in made) == (moment == "in the midst of a line")
    made.clear()
    assert measured(rows_of(hubert, corpus, ResultStore(tmp_path), sparsity="0.5")) == measured(
        whole
    )
    assert not made, "all is there"


def test_a_full_disk_ends_it_with_a_sentence_and_keeps_what_was_heard(
    hubert: SpeechModel, corpus: Corpus, tmp_path: Path
) -> None:
    whole = rows_of(hubert, corpus, sparsity="0.5")

    def work() -> None:
        with pytest.raises(UserError, match="results cannot be written") as caught:
            rows_of(hubert, corpus, ResultStore(tmp_path), sparsity="0.5")
        assert "space" in caught.value.remedy

    done_without_room(work, 700)
    assert measured(rows_of(hubert, corpus, ResultStore(tmp_path), sparsity="0.5")) == measured(
        whole
    )


def test_an_upload_without_room_is_refused(tmp_path: Path) -> None:
    clip = written(tone(300.0, 16_000, 0.5), 16_000)

    def work() -> None:
        with pytest.raises(UserError, match=r"“one\.wav” of the upload cannot be written"):
            lay_out_upload([("one.wav", clip)], tmp_path)

    done_without_room(work, 1000)
