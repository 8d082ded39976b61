"""The runs of one tab come one after the other."""

import tomllib

from analysis.files import PROJECT


def test_no_run_begins_beside_another_one_of_its_tab() -> None:
    # Two threads that write one session's state end in "dictionary changed size during iteration",
    # before anything of the next page is drawn.
    config = tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["runner"]["fastReruns"] is False
