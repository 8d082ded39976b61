"""The log of a run is read while it grows, and forgets what a killed process logged too much."""

import json
from pathlib import Path

from analysis.training.log import TrainingLog, read_log


def test_a_log_is_read_while_it_grows(tmp_path: Path) -> None:
    assert read_log(tmp_path).steps == []
    log = TrainingLog(tmp_path)
    log.write("start", {"n_steps": 3})
    for step in (1, 2, 3):
        log.write("step", {"step": step, "loss": 1 / step})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"event": "step", "st')
    curves = read_log(tmp_path)
    assert curves.start["n_steps"] == 3
    assert [row["step"] for row in curves.steps] == [1, 2, 3]
    assert curves.ended is None


def test_what_a_killed_process_logged_too_much_is_forgotten(tmp_path: Path) -> None:
    rows = [{"event": "start", "n_steps": 3, "seconds": 0.0}]
    rows += [{"event": "step", "step": s, "loss": 1.0, "seconds": 10.0 * s} for s in (1, 2, 3)]
    rows += [{"event": "resume", "step": 2, "seconds": 0.0}]
    rows += [{"event": "step", "step": 3, "loss": 0.5, "seconds": 7.0}]
    rows += [{"event": "finished", "step": 3, "seconds": 9.0}]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    curves = read_log(tmp_path)
    assert [(row["loss"], row["seconds"]) for row in curves.steps] == [(1, 10), (1, 20), (0.5, 27)]
    assert curves.seconds == 29
    assert curves.ended == "finished"


def test_lines_of_another_kind_are_passed_over(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path)
    log.write("start", {"n_steps": 1})
    log.write("step", {"step": 1, "loss": 1.0})
    with (tmp_path / "log.jsonl").open("a") as file:
        for line in (
            "[1]",
            '{"event": "step"}',
            '{"event": []}',
            '{"event": "stopped", "seconds": 1%s}' % ("0" * 400),
            '{"event": "resume"}',
            "[" * 9999,
        ):
            file.write(f"{line}\n")
    assert [row["step"] for row in read_log(tmp_path).steps] == [1]
