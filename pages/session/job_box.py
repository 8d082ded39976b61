"""A background job on the page: its progress, Cancel, and what went wrong."""

from collections.abc import Callable, Sequence

import streamlit as st

from pages.session.jobs import CancelNote, Jobs
from pages.widgets.basics import sentence_of, show_error
from pages.widgets.ticking import tick


@st.fragment
def watch(jobs: Jobs, slot: str, n_parts: int, wide: bool) -> None:
    """Draw a running job's progress and its Cancel button.

    Reruns the page when the job has finished, or has more parts ready than `n_parts`. Where there
    is room (`wide`), the button stands beside the bar.
    """
    job = jobs.running(slot)
    if job is None or job.finished or job.parts.n_ready > n_parts:
        st.rerun()
        return
    with st.container(horizontal=wide, vertical_alignment="bottom"):
        st.progress(job.fraction, text=job.describe())
        cancelled = st.button("Cancel", key=f"cancel:{slot}")
        tick(f"tick:{slot}")
    if cancelled:
        jobs.stop(slot)
        st.rerun()


JOB_HEIGHT = 140

WIDE_JOB_HEIGHT = 62
"""Room kept for a progress bar, in pixels, so that nothing moves when a job starts."""


def show_problem(jobs: Jobs, slot: str, button: str = "Dismiss") -> None:
    """What the last job of a slot ended in without a result, until the button is pressed."""
    error = jobs.problems.get(slot)
    if error is None:
        return
    if isinstance(error, CancelNote):
        st.info(sentence_of(error), icon=":material/info:")
    else:
        show_error(error)

    def dismiss() -> None:
        jobs.problems.pop(slot, None)

    st.button(button, key=f"dismiss:{slot}", on_click=dismiss)


def job_slot(jobs: Jobs, slot: str, idle: str = "") -> None:
    """A box of fixed height: a job's progress and Cancel button, or a line of text."""
    job_box(jobs, (slot,), lambda: st.markdown(f":small[{idle}]") if idle else None)


def job_box(
    jobs: Jobs, slots: Sequence[str], idle: Callable[[], object], *, wide: bool = False
) -> None:
    """A box of fixed height: the progress of the first job that runs, or what `idle` draws."""
    height = WIDE_JOB_HEIGHT if wide else JOB_HEIGHT
    with st.container(height=height, border=False, key=f"job-{slots[0]}"):
        for slot in slots:
            job = jobs.running(slot)
            if job is not None:
                watch(jobs, slot, job.parts.n_ready, wide)
                return
        idle()


def job_line(jobs: Jobs, slot: str) -> None:
    """A job's progress while it runs; nothing, and no room kept, while it does not."""
    job = jobs.running(slot)
    if job is not None:
        watch(jobs, slot, job.parts.n_ready, wide=False)
