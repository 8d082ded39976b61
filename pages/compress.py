"""Compress: choose what to merge, see what it saves and costs at once, make the model."""

import math

import streamlit as st

from analysis.compression.allocation import achieved_sparsity
from analysis.compression.compress import Compression, compress
from analysis.compression.forecast import Forecast, forecast, measured_error
from analysis.compression.guard import examined
from analysis.compression.swaps import swap_budget
from analysis.figures.kept_units import KEPT_UNITS_HEIGHT, kept_units_chart
from analysis.figures.palette import variant_color
from analysis.models.footprint import Footprint, footprint, predict_footprint
from analysis.models.speech_model import SpeechModel
from analysis.plan.compression_plan import CompressionPlan
from analysis.progress import Watch
from pages.exploring.measurements import find_trees, tree_slot
from pages.frame.frame import run_page
from pages.planning import (
    budgets,
    group_choice,
    group_editor,
    group_views,
    history,
    presets,
    recipes,
    stock_switch,
)
from pages.planning.controls import draw_choices, draw_more, draw_repair, draw_sparsity
from pages.planning.draft import Draft
from pages.planning.settings import (
    BY_TREES,
    MANUAL,
    Settings,
    choose_n_clusters,
    read_settings,
    widget_key,
)
from pages.session.job_box import job_box, show_problem
from pages.session.jobs import Job
from pages.session.session import Session, Variant
from pages.session.shelves import footprint_of, load_trees, tree_shelf, variances_of
from pages.variants import save_panel
from pages.variants.comparison import draw_comparison
from pages.variants.drift import draw_drift_here
from pages.variants.health import VERDICT_ICONS
from pages.variants.table import draw_variants
from pages.widgets.basics import explain, figure, primary_button, swatch
from pages.widgets.formatting import count, error_percent, escape_markdown, percent, size

_VERBS = {
    "cluster": "Merge",
    "magnitude": "Drop the smallest",
    "surgeon": "Drop the most replaceable",
    "random": "Drop a random",
}
"""How the page's sentence begins; a method without a verb is named."""

SENTENCE_HEIGHT = 54
"""Two lines, in pixels: numbers that grow must not push the page down."""

EXPLANATION = (
    "A transformer layer is built from **units** that do the same kind of work side by side:"
    " attention heads, and channels of the feed-forward network (FFN). Units of one layer that"
    " are alike can share the work of one: similar units fall into **K clusters**, and each"
    " cluster becomes a single unit. Nothing is trained, no data is needed.",
    r"For a cluster $C$ of FFN channels the merged unit reads with the **mean** of the members'"
    r" input weights, $\bar w_1 = \frac{1}{|C|}\sum_{i \in C} w_{1,i}$, and writes with the **sum**"
    r" of their output weights, $\sum_{i \in C} w_{2,i}$, because equal channels add up:"
    r" $\sum_i w_{2,i}\,\mathrm{act}(w_{1,i}x+b_i)$.",
    "**Worked example.** Two channels both compute act(3·x); one writes 2 times that, the other 5"
    " times. One channel act(3·x) that writes 7 times it does exactly the same with half the"
    " parameters. Had they read 3·x and 5·x, the merged one would read 4·x: that difference is the"
    " **merge error**, the squared distance of the units to their cluster's mean relative to the"
    " squared norm of all units.",
    "The paper calls the share of removed units **sparsity**. Heads come in small numbers (6, 16,"
    " 20), so 10 % of them is often none or one: the table shows what is **achieved**.",
)


def draw(session: Session, model: SpeechModel) -> None:
    """Draw the page."""
    groups = model.groups
    group_editor.take_edits(session, model, groups)
    settings = read_settings(model)
    trees = find_trees(session, model, settings.trees)
    variances = variances_of(model) if settings.recipe.allocation.startswith("var") else None
    n_clusters = choose_n_clusters(
        groups, settings, trees, variances, session.n_clusters.get(model.weight_hash)
    )
    n_clusters = _traded(session, model, settings) or n_clusters
    session.n_clusters[model.weight_hash] = n_clusters
    plan = settings.plan(model, n_clusters)
    waiting = trees is None and settings.recipe.allocation in BY_TREES
    if st.session_state.pop(widget_key(model, "pressed"), False):
        # here and not in the button's callback: a lock pressed just before it counts, too
        _compress(session, model, settings, None if waiting else plan)
        st.rerun()  # the sidebar may have a new variant to show
    base = footprint_of(model)
    cost = None if waiting else predict_footprint(model, base, n_clusters)
    expected = (
        forecast(trees, n_clusters, settings.recipe.method, seed=settings.recipe.seed)
        if trees
        else None
    )
    achieved = achieved_sparsity(groups, n_clusters)

    # The same plan is the same model: it keeps its colour; a new one shows the colour it will get.
    made = [v for v in session.variants_of(model) if v.compression.plan == plan]
    twin = next((v for v in made if not v.is_int8), None)
    color = twin.color if twin else variant_color(session.n_variants_made)
    compression = twin.compression if twin else None
    draft = Draft(
        session,
        model,
        groups=groups,
        settings=settings,
        n_clusters=n_clusters,
        trees=trees,
        expected=expected,
        color=color,
        made=compression,
    )

    st.title("Compress")
    with st.container(height=SENTENCE_HEIGHT, border=False):
        st.markdown(_sentence(draft, base, cost, achieved))
    left, right = st.columns([3, 1], gap="large")
    with left:
        _plan_controls(draft)
    with right:
        _compress_controls(draft, twin)
        _job_area(draft, twin)
    recipes.show_problem_of(session)
    _metrics(base, cost, expected, achieved)
    chosen = group_editor.selected_group(model, groups)
    figure(
        kept_units_chart(groups, n_clusters, selected=chosen.id, color=color),
        key=f"kept:{model.weight_hash[:16]}",
        alt="Units kept in every layer, in front of the units of the original model.",
        height=KEPT_UNITS_HEIGHT,
        on_select=lambda: group_choice.select_from_chart(model),
        selection_mode="points",
    )
    group_views.draw(draft)
    draw_variants(session, model, groups)
    if session.variants_of(model):
        draw_comparison(session, model)
        draw_drift_here(session, model)
        save_panel.draw(session, model)
        if st.button(
            "Next: listen to what it did", icon=":material/arrow_forward:", icon_position="right"
        ):
            st.switch_page("pages/transcribe.py")
    explain(EXPLANATION)


def _traded(session: Session, model: SpeechModel, settings: Settings) -> dict[str, int] | None:
    """K after the groups traded units, where a variant of these settings was made before."""
    if not settings.recipe.swaps:
        return None
    made = (variant.compression.plan for variant in reversed(session.variants_of(model)))
    return next((dict(p.n_clusters) for p in made if p.recipe == settings.recipe), None)


def _plan_controls(draft: Draft) -> None:
    """Everything that decides the plan but K by hand."""
    model = draft.model
    slider, steps = st.columns([1.4, 1.5], vertical_alignment="bottom")
    with slider:
        draw_sparsity(model)
    with steps.container(horizontal=True, horizontal_alignment="right"):
        budgets.draw(draft)
        history.draw(draft)
    draw_choices(model)
    preset, repair, more, recipe = st.columns(4)
    with preset:
        presets.draw(model)
    with repair:
        draw_repair(model)
    with more:
        draw_more(model)
    with recipe:
        recipes.draw(model, draft.settings, draft.n_clusters, draft.session)
    stock_switch.draw(draft)


def _sentence(draft: Draft, base: Footprint, cost: Footprint | None, achieved: float) -> str:
    """The page's answer, which writes itself; without a cost K is still being computed."""
    settings, expected = draft.settings, draft.expected
    verb = _VERBS.get(settings.recipe.method, f"Remove by {settings.recipe.method}")
    amount = (
        f"the units set by hand, {percent(achieved)} of all,"
        if settings.recipe.allocation == MANUAL
        else percent(settings.recipe.sparsity, 0)
    )
    names = {"ffn": "channels", "heads": "heads"}
    kinds = " and ".join(names[name] for name in reversed(settings.recipe.components)) or "nothing"
    error = error_percent(expected.error) if expected else "being computed"
    return (
        f"{verb} {amount} of {kinds} ({settings.recipe.allocation} allocation, distance:"
        f" {settings.recipe.distance}): "
        f"**{count(base.parameters)} → {count(cost.parameters) if cost else '…'} parameters**, "
        f"predicted merge error **{error}**."
    )


def _metrics(
    base: Footprint, cost: Footprint | None, expected: Forecast | None, achieved: float
) -> None:
    """What the plan saves and costs; without a cost K is still being computed."""
    columns = st.columns(4)
    for column, label, name, text, help_text in (
        (
            columns[0],
            "Parameters",
            "parameters",
            count,
            "Unique parameters of the whole model; tied ones count once.",
        ),
        (columns[1], "Size", "bytes", size, "Bytes of the weights, in their dtype."),
        (
            columns[2],
            "MACs/s of audio",
            "macs",
            count,
            "Multiply-accumulates, encoder and decoder, at a usual rate of speech.",
        ),
    ):
        before = getattr(base, name)
        now = getattr(cost, name) if cost else math.nan
        column.metric(
            label,
            text(now) if cost else "…",
            percent(now / before - 1).replace("-", "−"),
            delta_color="off",
            delta_arrow="off",
            delta_description=f"from {text(before)}",
            border=True,
            help=help_text,
        )
    columns[3].metric(
        "Predicted merge error",
        error_percent(expected.error) if expected else "…",
        percent(achieved if cost else math.nan),
        delta_color="off",
        delta_arrow="off",
        delta_description="removed",
        border=True,
        help=(
            "Squared distance of all units to what replaces them, over the squared norm of all"
            " units, under the chosen distance: of weights, or of what units add to the residual"
            " stream; from the merge trees, before anything is compressed. Below it: the achieved"
            " sparsity, the share of the heads' and channels' parameters that is removed."
        ),
    )


def _job_area(draft: Draft, twin: Variant | None) -> None:
    """Progress of trees and compression in one place; errors where they stopped."""
    session, settings = draft.session, draft.settings
    slot = tree_slot(settings.trees)
    show_problem(session.jobs, slot, "Build them now")
    show_problem(session.jobs, "compress")
    show_problem(session.jobs, budgets.SLOT)

    def idle() -> None:
        text = "Makes a new model; the original stays as it is."
        if twin is not None:
            name = escape_markdown(twin.name)
            text = f"Made: {swatch(twin.color)} **{name}** has these settings."
            if health := twin.model.health:
                text += f" Checked: {VERDICT_ICONS[health.verdict]} **{health.verdict}**."
        st.markdown(f":small[{text}]")

    job_box(session.jobs, ("compress", budgets.SLOT, slot), idle)


def _compress_controls(draft: Draft, twin: Variant | None) -> None:
    """The new variant's name, and the button that makes it."""
    session, model = draft.session, draft.model
    name_key = widget_key(model, "name")
    st.text_input(
        "Name of the new variant",
        key=name_key,
        placeholder=_suggestion(session, draft.settings),
        max_chars=60,
        help="Left empty, it is named after its settings.",
    )

    def press() -> None:
        st.session_state[widget_key(model, "pressed")] = True

    primary_button(
        "Compress",
        "compress",
        key="compress",
        width="stretch",
        on_click=press,
        disabled=twin is not None or session.jobs.running("compress") is not None,
    )


def _suggestion(session: Session, settings: Settings) -> str:
    """What a variant is called that nobody gives a name."""
    recipe = settings.recipe
    share = "by hand" if recipe.allocation == MANUAL else percent(recipe.sparsity, 0)
    return session.free_name(f"{recipe.method} {share} {recipe.allocation}")


def _compress(
    session: Session, model: SpeechModel, settings: Settings, plan: CompressionPlan | None
) -> None:
    """Start the job that makes a variant; the box for its name is not drawn yet.

    Without a plan, the allocation waits for the trees, and the job makes the plan, too.
    """
    name_key = widget_key(model, "name")
    name = " ".join(st.session_state[name_key].split()) or _suggestion(session, settings)
    st.session_state[name_key] = ""
    shelf = tree_shelf()
    earlier = session.variants_of(model)
    reuse = earlier[-1].compression if earlier else None

    def work(watch: Watch) -> tuple[Compression, Footprint, float]:
        trees = load_trees(shelf, model, settings.trees, watch)
        groups = model.groups
        chosen = plan or settings.plan(
            model, choose_n_clusters(groups, settings, trees, None, None)
        )
        if settings.recipe.swaps:
            locked = settings.locked
            chosen = swap_budget(model, chosen, trees, settings.heard, locked=locked, watch=watch)
        compression = compress(
            model,
            chosen,
            trees=trees,
            reuse=reuse,
            excitation=settings.heard,
            watch=watch,
        )
        compression = examined(compression, model, trees, watch=watch)
        return compression, footprint(compression.model), measured_error(trees, compression)

    def deliver(made: tuple[Compression, Footprint, float]) -> None:
        variant = session.add_variant(name, *made)
        health = variant.model.health
        icon = VERDICT_ICONS[health.verdict] if health else ":material/check:"
        said = f", {health.verdict}" if health else ""
        st.toast(f"Compressed: {variant.name}{said}", icon=icon)

    session.jobs.start("compress", Job(f"Compressing {name}", work, deliver))


run_page(draw)
