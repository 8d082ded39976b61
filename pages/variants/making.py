"""The button that makes a variant of the plan; once it is made, the way to its sound."""

import streamlit as st

from analysis.compression.compress import Compression, compress
from analysis.compression.forecast import measured_error
from analysis.compression.swaps import STEPS, swap_budget
from analysis.models.footprint import Footprint, footprint
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import MANUAL
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import DEFAULT_NAME, complete, recipe_name
from analysis.progress import Watch
from pages.exploring.measurements import tree_slot
from pages.listening.bundled import first_clip
from pages.listening.clips import take_bundled
from pages.planning import budgets
from pages.planning.draft import Draft
from pages.planning.settings import Settings, choose_n_clusters, widget_key
from pages.session.job_box import job_box, show_problem
from pages.session.jobs import Job
from pages.session.session import Session, Variant
from pages.session.shelves import load_trees, share_compression, tree_shelf
from pages.variants import checking
from pages.variants.health import brief_verdict
from pages.widgets.basics import primary_button, swatch
from pages.widgets.formatting import escape_markdown, percent

SLOT = "compress"

BUTTON_WIDTH = 200

_STAGES = 2  # groups, repair


def take_press(
    session: Session, model: SpeechModel, settings: Settings, plan: CompressionPlan | None
) -> None:
    """Start the job where the button was pressed; called before anything is drawn.

    Here and not in the button's callback: a lock pressed just before it counts, too. Without a
    plan the allocation waits for the trees, and the job makes the plan, too.
    """
    if st.session_state.pop(widget_key(model, "pressed"), False):
        _start(session, model, settings, plan)
        st.rerun()  # the sidebar may have a new variant to show


def draw(draft: Draft, twin: Variant | None, *, named: bool) -> None:
    """The button, in one place with what follows it; below it progress and errors.

    Parameters
    ----------
    draft : Draft
    twin : Variant or None
        What was made of just this plan.
    named : bool
        Whether the new variant can be given a name.
    """
    session, model = draft.session, draft.model
    with st.container(horizontal=True, vertical_alignment="center"):
        if twin is not None:
            if primary_button("Listen to it", "hearing", key="listen", width=BUTTON_WIDTH):
                _listen(session, twin)
        else:
            primary_button(
                "Compress",
                "compress",
                key="compress",
                width=BUTTON_WIDTH,
                on_click=_press,
                args=(model,),
                disabled=session.jobs.running(SLOT) is not None,
            )
        if named and twin is None:
            st.text_input(
                "Name of the new variant",
                key=widget_key(model, "name"),
                label_visibility="collapsed",
                placeholder="Name, if it needs its own",
                max_chars=60,
                width=260,
            )
    slot = tree_slot(draft.settings.trees)
    show_problem(session.jobs, slot, "Build them now")
    show_problem(session.jobs, SLOT)
    show_problem(session.jobs, budgets.SLOT)
    slots = [SLOT, budgets.SLOT, slot]
    if twin is not None:
        show_problem(session.jobs, checking.slot_of(twin))
        slots.append(checking.slot_of(twin))
    job_box(session.jobs, slots, lambda: _idle(twin), wide=True)


def _idle(twin: Variant | None) -> None:
    text = "Makes a new model; the original stays as it is."
    if twin is not None:
        text = f"Made: {swatch(twin.color)} the variant in the sidebar has these settings."
        if health := twin.model.health:
            text += f" Checked: {brief_verdict(health)}."
    st.markdown(f":small[{text}]")


def _press(model: SpeechModel) -> None:
    st.session_state[widget_key(model, "pressed")] = True


def _listen(session: Session, twin: Variant) -> None:
    """Go where it can be heard; who has no clip yet gets a bundled one."""
    session.hidden_variants.discard(twin.id)
    if not session.clips:
        take_bundled(session, first_clip())
    st.switch_page("pages/transcribe.py")


def _start(
    session: Session, model: SpeechModel, settings: Settings, plan: CompressionPlan | None
) -> None:
    name_key = widget_key(model, "name")
    typed = " ".join(str(st.session_state.get(name_key, "")).split())
    st.session_state[name_key] = ""
    name = typed or _suggestion(settings)
    shelf = tree_shelf()
    earlier = session.variants_of(model)
    reuse = earlier[-1].compression if earlier else None

    def work(watch: Watch) -> tuple[Compression, Footprint, float]:
        trees = load_trees(shelf, model, settings.trees, watch)
        groups = model.groups_for(settings.recipe.components)
        chosen = plan or settings.plan(
            model, choose_n_clusters(groups, settings, trees, None, None)
        )
        if settings.recipe.swaps:
            locked = settings.locked
            chosen = swap_budget(model, chosen, trees, settings.heard, locked=locked, watch=watch)

        def make(watch: Watch) -> Compression:
            return compress(
                model, chosen, trees=trees, reuse=reuse, excitation=settings.heard, watch=watch
            )

        compression = share_compression(model, chosen, make, watch)
        return compression, footprint(compression.model), measured_error(trees, compression)

    def deliver(made: tuple[Compression, Footprint, float]) -> None:
        variant = session.add_variant(name, *made)
        whose = "" if session.model is model else f" of {escape_markdown(model.name)}"
        st.toast(f"Compressed: {escape_markdown(variant.name)}{whose}", icon=":material/check:")
        checking.start(session, model, variant, settings)

    job = Job(
        f"Compressing {typed}".strip(),
        work,
        deliver,
        stages=_STAGES + len(STEPS) * settings.recipe.swaps,
        after=session.jobs.running(tree_slot(settings.trees)),
    )
    session.jobs.start(SLOT, job)


def _suggestion(settings: Settings) -> str:
    """What a variant is called that nobody gives a name."""
    recipe = settings.recipe
    by_hand = recipe.allocation == MANUAL
    parts = [recipe_name(recipe), "by hand" if by_hand else percent(recipe.sparsity, 0)]
    usual = complete(method=recipe.method, distance=recipe.distance).allocation
    if recipe_name(recipe) != DEFAULT_NAME or recipe.allocation != usual:
        parts += [] if by_hand else [recipe.allocation]
    return " ".join(parts)
