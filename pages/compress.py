"""Compress: how much of the model goes, what that saves and costs, and the button that makes it."""

import streamlit as st

from analysis.compression.effort import listening_seconds
from analysis.compression.forecast import forecast
from analysis.figures.kept_units import kept_units_chart, kept_units_height
from analysis.figures.palette import variant_color
from analysis.models.footprint import predict_footprint
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import BY_TREES
from pages.exploring import preview
from pages.exploring.measurements import find_trees, tree_slot
from pages.frame.frame import run_page
from pages.planning import (
    budgets,
    group_choice,
    group_editor,
    group_views,
    headline,
    history,
    mode,
    presets,
    recipes,
    stock_switch,
)
from pages.planning.controls import draw_choices, draw_more, draw_repair, draw_sparsity
from pages.planning.draft import Draft
from pages.planning.settings import Settings, choose_n_clusters, read_settings
from pages.session.session import Session
from pages.session.shelves import footprint_of, tree_key, tree_shelf, variances_of
from pages.variants import making, save_panel
from pages.variants.comparison import draw_comparison
from pages.variants.drift import draw_drift_here
from pages.variants.table import draw_variants
from pages.widgets.basics import explain, figure, wide

SLIDER_WIDTH = 340
"""Pixels of the slider, beside which a button of half its width has room on a projector."""

CHART_WIDTH = 520
"""Pixels that the bars of all layers need; on a phone they are pushed sideways."""

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
    "**Ranks** lie inside heads. A head compares queries with keys in 32 or 64 dimensions, of which"
    " few decide; the default recipe keeps the K that move its scores most while the model listens"
    " to speech. Cutting them costs the words less than cutting whole heads.",
    "The paper calls the share of removed units **sparsity**. Heads come in small numbers (6, 16,"
    " 20), so 10 % of them is often none or one: the table shows what is **achieved**.",
)


def draw(session: Session, model: SpeechModel) -> None:
    """Draw the page."""
    mode.follow_link(model)
    settings = read_settings(model)
    groups = model.groups_for(settings.recipe.components)
    group_editor.take_edits(session, model, groups)
    settings = read_settings(model)
    recipe = settings.recipe
    base = footprint_of(model)
    at_hand = tree_shelf().find(tree_key(model, settings.trees)) is not None
    foreseen = 0.0 if at_hand else listening_seconds(model, base, recipe, settings.heard)
    trees = find_trees(session, model, settings.trees, foreseen=foreseen)
    by_weights = None
    if trees is None:
        by_weights = preview.find_preview(session, model, settings, tree_slot(settings.trees))
    variances = variances_of(model) if recipe.allocation.startswith("var") else None
    n_clusters = choose_n_clusters(
        groups, settings, trees, variances, session.n_clusters.get(model.weight_hash)
    )
    if by_weights is not None:
        n_clusters = preview.preview_n_clusters(model, settings, by_weights) or n_clusters
    n_clusters = _traded(session, model, settings) or n_clusters
    session.n_clusters[model.weight_hash] = n_clusters
    plan = settings.plan(model, n_clusters)
    waiting = trees is None and recipe.allocation in BY_TREES
    making.take_press(session, model, settings, None if waiting else plan)
    unknown = waiting and by_weights is None
    cost = None if unknown else predict_footprint(model, base, n_clusters)
    expected = forecast(trees, n_clusters, recipe.method, seed=recipe.seed) if trees else None
    if by_weights is not None:
        expected = forecast(by_weights, n_clusters, "cluster")

    # The same plan is the same model: it keeps its colour; a new one shows the colour it will get.
    made = [v for v in session.variants_of(model) if v.compression.plan == plan]
    twin = next((v for v in made if not v.is_int8), None)
    draft = Draft(
        session,
        model,
        groups=groups,
        settings=settings,
        n_clusters=n_clusters,
        trees=trees,
        expected=expected,
        color=twin.color if twin else variant_color(session.n_variants_made),
        made=twin.compression if twin else None,
    )

    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.title("Compress", width="content")
        expert = mode.draw(model) == mode.EXPERT
    st.markdown(headline.sentence(draft, base, cost, whole=expert))
    preview.draw_sources(
        model, settings, ready=trees is not None, preview=by_weights is not None, foreseen=foreseen
    )
    _how_much(draft)
    if expert:
        _plan_controls(draft)
    else:
        headline.draw_headline(draft, base, cost, preview=by_weights is not None)
        if settings.locked:
            group_views.draw_locks(draft)
    making.draw(draft, twin, named=expert)
    recipes.show_problem_of(session)
    if expert:
        headline.draw_metrics(draft, base, cost)
    _kept(draft, selects=expert)
    if expert:
        group_views.draw(draft)
        draw_variants(session, model, groups)
        if session.variants_of(model):
            draw_comparison(session, model)
            draw_drift_here(session, model)
            save_panel.draw(session, model)
    explain(EXPLANATION)


def _traded(session: Session, model: SpeechModel, settings: Settings) -> dict[str, int] | None:
    """K after the groups traded units, where a variant of these settings was made before."""
    if not settings.recipe.swaps:
        return None
    for variant in reversed(session.variants_of(model)):
        plan = variant.compression.plan
        if plan.recipe == settings.recipe and settings.locked.items() <= plan.n_clusters.items():
            return dict(plan.n_clusters)
    return None


def _how_much(draft: Draft) -> None:
    """How much goes: by the slider, or by what the result may cost."""
    grid = st.grid(3, min_column_width=SLIDER_WIDTH // 2, vertical_alignment="bottom")
    with grid.cell(column_span=2):
        draw_sparsity(draft.model)
    with grid.cell():
        budgets.draw(draft)


def _plan_controls(draft: Draft) -> None:
    """Everything that decides the plan but K by hand."""
    model = draft.model
    draw_choices(model)
    with st.container(horizontal=True, vertical_alignment="center"):
        presets.draw(model)
        draw_repair(model)
        draw_more(model)
        recipes.draw(model, draft.settings, draft.n_clusters, draft.session)
        history.draw(draft)
        stock_switch.draw(draft)


def _kept(draft: Draft, *, selects: bool) -> None:
    """What every layer keeps; with the table below it, a click selects the group."""
    model = draft.model
    chosen = group_choice.selected_group(model, draft.groups).id if selects else None
    options = {
        "on_select": lambda: group_choice.select_from_chart(model),
        "selection_mode": "points",
    }
    with wide(CHART_WIDTH):
        figure(
            kept_units_chart(draft.groups, draft.n_clusters, selected=chosen, color=draft.color),
            key=f"kept:{model.weight_hash[:16]}",
            alt="Units kept in every layer, in front of the units of the original model.",
            height=kept_units_height(draft.groups),
            **(options if selects else {}),
        )


run_page(draw)
