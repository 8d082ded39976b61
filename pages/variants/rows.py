"""The variants in the sidebar: one row each, with what is known of it and what can be done."""

import streamlit as st

from analysis.compression.allocation import achieved_sparsity
from analysis.models.speech_model import SpeechModel
from analysis.wording import number_of
from pages.session.job_box import show_problem
from pages.session.session import Session, Variant
from pages.session.shelves import origin_id
from pages.variants import deleting, remaking, save_panel
from pages.variants.measured_wer import measure_wer
from pages.widgets.basics import swatch, unseen
from pages.widgets.formatting import escape_markdown, percent, size

FEWEST_WORDS = 3
"""In references, of which the sidebar shows a word error rate."""

NAME_LENGTH = 60


def draw(session: Session, model: SpeechModel) -> None:
    """The rows of the model in use, then what waits for other models."""
    variants, waiting = session.variants_of(model), session.waiting_of(model)
    st.markdown("**Variants**")
    for variant in variants:
        _row(session, model, variant)
    show_problem(session.jobs, save_panel.ROW_SLOT)
    remaking.draw_rows(session, model)
    if not (deleting.draw_undo(session, model) or variants or waiting):
        st.caption("None yet: Compress makes one.")
    _elsewhere(session, model)


def rename(session: Session, variant: Variant, wanted: str) -> None:
    """Give a variant another name; one that is taken gets a number."""
    name = " ".join(wanted.split())[:NAME_LENGTH]
    if name and name != variant.name:
        variant.name = session.free_name(name, variant.base)


def _row(session: Session, model: SpeechModel, variant: Variant) -> None:
    # A narrow column and not a wide one's rest: a long name must not push the button away.
    words, button = st.columns([4, 1.2], vertical_alignment="center", gap="xsmall")
    with words:
        st.markdown(
            f"{swatch(variant.color)} {escape_markdown(variant.name)}  \n"
            f":small[:gray[{' · '.join(_facts(session, model, variant))}]]"
        )
    label = unseen(f"Actions for {variant.name}")
    with button, st.popover(label, icon=":material/more_vert:", key=f"row:{variant.id}"):
        _actions(session, model, variant)


def _facts(session: Session, model: SpeechModel, variant: Variant) -> list[str]:
    """One line: size, what is gone, and what was measured."""
    removed = achieved_sparsity(model.groups, variant.compression.plan.n_clusters)
    facts = [size(variant.footprint.bytes), f"−{percent(removed, 0)} units"]
    # training after pinching lets zeros grow again
    zeros = [record.sparsity for record in variant.model.training[-1:]]
    facts += [f"{percent(share)} zeros, unstructured" for share in zeros if share is not None]
    measured = measure_wer(session, variant.model)
    # by hand it is often a word or two, and a normaliser makes one of several numbers
    for own in (one for one in measured if one.words >= FEWEST_WORDS):
        before = own.original_wer
        beside = "" if before is None else f" (original {percent(before)})"
        facts.append(f"{percent(own.wer)} WER{beside} of {number_of(own.words, 'word')}")
    return [fact.replace(" %", "\N{NO-BREAK SPACE}%") for fact in facts]


def _actions(session: Session, model: SpeechModel, variant: Variant) -> None:
    if st.button(
        "Listen", icon=":material/hearing:", key=f"row-listen:{variant.id}", width="stretch"
    ):
        listen(session, model, variant)
    key = f"row-name:{variant.id}"
    st.text_input(
        "Name",
        value=variant.name,
        key=key,
        max_chars=NAME_LENGTH,
        on_change=lambda: rename(session, variant, st.session_state[key]),
    )
    save_panel.draw_quickly(session, variant)
    st.button(
        "Delete",
        icon=":material/delete:",
        key=f"row-delete:{variant.id}",
        width="stretch",
        on_click=deleting.delete,
        args=(session, variant),
    )


def listen(session: Session, model: SpeechModel, variant: Variant) -> None:
    """Go to Transcribe with the original and this variant alone."""
    variants = session.variants_of(model)
    session.hidden_variants = {each.id for each in variants if each is not variant}
    # its pills would otherwise go on showing what was chosen before
    st.session_state.pop(f"compare:{','.join(each.id for each in variants)}", None)
    st.switch_page("pages/transcribe.py")


def _elsewhere(session: Session, model: SpeechModel) -> None:
    """What comes back with a model that was left."""
    bases = {
        **{each.base: each.compression.plan for each in session.variants},
        **{each.base: each.plan for each in session.waiting},
    }
    for base, plan in bases.items():
        if base == origin_id(model):
            continue
        n = len([variant for variant in session.variants if variant.base == base])
        n += len([kept for kept in session.waiting if kept.base == base])
        name = escape_markdown(plan.origin.model.rstrip("/").split("/")[-1])
        st.caption(f"{number_of(n, 'variant')} of **{name}** will be back when that is loaded.")
