"""Undo and redo on Compress: every edit of the plan is a step, whatever widget it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import streamlit as st

from analysis.plan.choices import MANUAL
from pages.planning.draft import Draft
from pages.planning.settings import Settings, restore, widget_key

MOST_STEPS = 200
"""Edits that can be undone."""


@dataclass(frozen=True, slots=True)
class PlanEdit:
    """The plan as an edit left it."""

    settings: Settings
    n_clusters: Mapping[str, int]


@dataclass(slots=True)
class History:
    """The plans of one model, in the order in which they were on show."""

    past: list[PlanEdit] = field(default_factory=list)
    present: PlanEdit | None = None
    future: list[PlanEdit] = field(default_factory=list)

    def record(self, edit: PlanEdit) -> None:
        """Take note of the plan on show; nothing happens where it is the one before."""
        if edit == self.present:
            return
        # K that change under the same settings are no edit: merge trees have arrived
        arrived = (
            self.present is not None
            and edit.settings == self.present.settings
            and edit.settings.recipe.allocation != MANUAL
        )
        if self.present is not None and not arrived:
            self.past = [*self.past, self.present][-MOST_STEPS:]
            self.future.clear()
        self.present = edit

    def undo(self) -> PlanEdit:
        """Go one edit back."""
        assert self.present is not None
        self.future.append(self.present)
        self.present = self.past.pop()
        return self.present

    def redo(self) -> PlanEdit:
        """Make the edit again that was undone last."""
        assert self.present is not None
        self.past.append(self.present)
        self.present = self.future.pop()
        return self.present


def draw(draft: Draft) -> None:
    """Record the plan on show; two buttons, for back and forth."""
    history = _history(draft)
    history.record(PlanEdit(draft.settings, dict(draft.n_clusters)))
    for label, icon, steps, move in (
        ("Undo", "undo", history.past, history.undo),
        ("Redo", "redo", history.future, history.redo),
    ):
        st.button(
            label,
            icon=f":material/{icon}:",
            key=widget_key(draft.model, label.lower()),
            disabled=not steps,
            on_click=lambda move=move: _show(draft, move()),
            help=f"{label} a change of K, of a lock or of a setting; {len(steps)} possible.",
        )


def _show(draft: Draft, edit: PlanEdit) -> None:
    """Callback: set everything as it was."""
    restore(draft.model, edit.settings)
    draft.session.n_clusters[draft.model.weight_hash] = dict(edit.n_clusters)


def _history(draft: Draft) -> History:
    key = widget_key(draft.model, "history")
    history: History = st.session_state.setdefault(key, History())
    return history
