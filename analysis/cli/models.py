"""The shell's commands on one model: inspect, compress, transcribe."""

import argparse
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from analysis.cli.flags import read_flags
from analysis.cli.terminal import (
    place_for,
    print_json,
    progress_bar,
    require_other_place,
    say_notes,
)
from analysis.clustering.merge_tree import MergeTree
from analysis.clustering.trees import build_trees
from analysis.compression.allocation import achieved_sparsity
from analysis.compression.budget import fit
from analysis.compression.compress import compress as compress_model
from analysis.compression.effort import WORTH_SAYING, about, listening_seconds, trading_seconds
from analysis.compression.guard import examined
from analysis.compression.planner import Planner
from analysis.compression.stock import level, require_whole_heads, stock_widths
from analysis.compression.tree_choice import TreeChoice
from analysis.delivery.saving import check_settings, check_target, in_dtype, save
from analysis.errors import UserError
from analysis.evaluation.corpora import read_corpus
from analysis.evaluation.corpus_evaluation import wer_rise
from analysis.files import read_settings
from analysis.models.footprint import Footprint, footprint
from analysis.models.loading import DEMO_MODELS, load
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import group_variances
from analysis.models.unit_groups import UnitGroup
from analysis.plan.budget import Budget
from analysis.plan.choices import CALIBRATED, STOCK_COMPONENTS, UNBUDGETED
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe, complete
from analysis.progress import Watch
from analysis.speech.excitation import (
    Excitation,
    default_excitation,
    read_calibration,
)
from analysis.speech.hearing import recipe_excitation


def inspect(options: argparse.Namespace) -> None:
    """Print a model's unit groups, their sizes and how redundant they are."""
    model = _load(options.model, options)
    with progress_bar("merge trees") as progress:
        trees = build_trees(model, watch=Watch(progress))
    variances = group_variances(model)
    cost = footprint(model)
    groups = [_describe_group(g, cost, trees[g.id], variances[g.id]) for g in model.groups]
    facts = {
        "model": model.name,
        "family": model.architecture.title,
        "dtype": str(model.dtype).removeprefix("torch."),
        "revision": model.revision,
        "weight_hash": model.weight_hash,
        "compressed_from": model.plan.origin.model if model.plan else None,
        **asdict(cost),
    }
    if options.json:
        print_json({**facts, "groups": groups})
        return
    print(f"{model.name}: {model.architecture.title}, {_cost_line(cost)}")
    mergeable = cost.mergeable_parameters / cost.parameters
    print(f"{mergeable:.1%} of the parameters belong to attention heads and FFN channels")
    print(f"{'group':<28}{'n':>6}{'unit':>8}{'share':>8}{'variance':>11}{'-10 %':>9}{'-30 %':>9}")
    for row in groups:
        print(
            f"{row['id']:<28}{row['n_units']:>6}{row['unit_dim']:>8}{row['share']:>8.1%}"
            f"{row['variance']:>11.2e}{row['error_at_10_percent']:>9.2%}"
            f"{row['error_at_30_percent']:>9.2%}"
        )
    print(
        "-10 %, -30 %: squared merge error, relative, when that share of the units is merged away"
    )


def compress(options: argparse.Namespace) -> None:
    """Compress a model, save it, and say what became of it."""
    out = Path(options.out)
    check_target(out, overwrite=options.overwrite)
    model = _load(options.model, options)
    require_other_place(out, model, "the model's copy in its own")
    check_settings(model)
    groups = model.groups
    if options.stock:
        require_whole_heads(groups, model.config.hidden_size)
    # a limit of the size is one of what is saved
    to_save = in_dtype(model, options.save_dtype)
    plan, trees, excitation = _plan(to_save, groups, options)
    with progress_bar("compress") as progress:
        result = compress_model(
            model, plan, trees=trees, excitation=excitation, watch=Watch(progress)
        )
        result = examined(result, model, trees, watch=Watch(progress))
    smaller = in_dtype(result.model, options.save_dtype)
    folder = save(smaller, place_for(out, options), overwrite=options.overwrite)
    before, after = footprint(model), footprint(smaller)
    named = model.groups_for(plan.recipe.components)
    merged = {group.component for group in named if plan.n_clusters[group.id] < group.n_units}
    achieved = achieved_sparsity(named, plan.n_clusters, (*plan.recipe.components, *merged))
    stock = stock_widths(result.model) is not None
    health = result.model.health
    if health is not None and health.verdict == "broken":
        print(f"coalesce compress: {options.out} is {health.sentence}", file=sys.stderr)
    if options.json:
        print_json(
            {
                "model": model.name,
                "out": str(folder),
                "achieved_sparsity": achieved,
                "before": asdict(before),
                "after": asdict(after),
                "errors": {g: r.error for g, r in result.groups.items()},
                "stock": stock,
                "health": health.to_dict() if health else None,
                "plan": plan.to_dict(),
            }
        )
        return
    print(f"before: {_cost_line(before)}")
    print(f"after:  {_cost_line(after)}")
    whole, recipe = 1 - after.parameters / before.parameters, plan.recipe
    print(
        f"asked for {recipe.sparsity:.1%} ({recipe.allocation}); removed {achieved:.1%} of the "
        f"mergeable parameters, {whole:.1%} of the whole model"
    )
    if health is not None and health.verdict != "broken":
        print(f"check: {health.sentence}")
    how = "plain from_pretrained" if stock else "trust_remote_code=True"
    print(f"saved in {folder}, which loads with {how}")
    print(f"hear it: coalesce transcribe {_as_typed(options.out)} CLIP")


def _load(source: str, options: argparse.Namespace) -> SpeechModel:
    model = load(source, revision=options.revision, device=options.device, dtype=options.dtype)
    say_notes(model)
    return model


def _plan(
    model: SpeechModel, groups: tuple[UnitGroup, ...], options: argparse.Namespace
) -> tuple[CompressionPlan, Mapping[str, MergeTree], Excitation | None]:
    """The plan of a file or of the options, checked before any tree is built, and its trees.

    With them the excitation, where the plan listens to one.
    """
    if options.plan:
        given = [
            name.replace("_", "-")
            for name in (read_flags(options, Recipe) | read_flags(options, Budget))
        ]
        if given:
            raise UserError(
                f"A plan decides --{given[0]} already.", f"Leave out --{given[0]} or --plan."
            )
        try:
            text = read_settings(Path(options.plan))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"The plan {options.plan} cannot be read.", "Check the path.", str(error)
            ) from error
        plan = CompressionPlan.from_json(text)
        named = model.groups_for(plan.recipe.components)
        model.check_plan(plan)
        if options.stock and level(named, plan.n_clusters) != plan.n_clusters:
            raise UserError(
                "This plan removes heads or ranks, or its FFN widths differ within a stack.",
                "Leave out --stock, or make a new plan with it.",
            )
        excitation = _excitation(model, plan.recipe, options)
        _announce(model, plan.recipe.changed(swaps=False), excitation)  # they are in the plan
        return plan, _trees(model, plan, excitation), excitation
    recipe, budget = _recipe(options), _budget(options)
    excitation = _excitation(model, recipe, options)
    _announce(model, recipe, excitation)
    with progress_bar("merge trees") as progress:
        planner, watch = Planner(model, excitation), Watch(progress)
        if not budget.is_open:
            recipe = fit(
                model,
                recipe,
                budget,
                planner,
                arrange=partial(level, groups) if options.stock else dict,
                wer_rise=wer_rise(model, read_corpus(options.clips)) if options.clips else None,
                watch=watch,
            )
        prepared = planner.prepare(recipe, watch=watch)
    plan = prepared.plan
    if options.stock:
        plan = plan.with_clusters(level(groups, plan.n_clusters))
    return plan, prepared.trees, prepared.excitation


def _as_typed(folder: str) -> str:
    """A folder as a shell takes it, and not for the bundled model that may have its name."""
    return shlex.quote(f"./{folder}" if folder in DEMO_MODELS else folder)


def _announce(model: SpeechModel, recipe: Recipe, excitation: Excitation | None) -> None:
    """Say beforehand, on stderr, how long it listens where that is worth waiting for."""
    if excitation is None:
        return
    cost = footprint(model)
    seconds = listening_seconds(model, cost, recipe, excitation)
    if seconds >= WORTH_SAYING:
        print(
            f"listening to {model.name} takes {about(seconds)} here; what was heard is kept",
            file=sys.stderr,
        )
    seconds = trading_seconds(model, cost, recipe)
    if seconds >= WORTH_SAYING:
        print(
            f"trades of units, where they pay, take {about(seconds)} more; --no-swaps leaves them"
            " out",
            file=sys.stderr,
        )


def _recipe(options: argparse.Namespace) -> Recipe:
    """What the flags say, and what is measured to be best where they say nothing."""
    given = read_flags(options, Recipe)
    if options.calibrate:
        given["excitation"] = CALIBRATED
    given.setdefault("excitation", default_excitation())
    if options.stock:
        named = given.get("components", STOCK_COMPONENTS)
        if not set(named) & set(STOCK_COMPONENTS):
            raise UserError(
                "Stock classes hold all heads, and --components names nothing else.",
                "Leave out --stock or --components.",
            )
        given["components"] = STOCK_COMPONENTS
        given.setdefault("swaps", False)
    recipe = complete(**given)
    if recipe.swaps and options.stock:
        raise UserError(
            "Groups that trade units have widths of their own, which stock classes cannot hold.",
            "Leave out --stock or --swaps.",
        )
    if options.budget == "literal":
        if recipe.allocation != "variance":
            raise UserError(
                "--budget literal is a formula of the variance allocation.",
                "Add --allocation variance.",
            )
        recipe = recipe.changed(allocation=UNBUDGETED)
    return recipe


def _budget(options: argparse.Namespace) -> Budget:
    """What the flags limit, checked before anything is computed for it."""
    budget = Budget(**read_flags(options, Budget))
    if not budget.is_open and options.sparsity is not None:
        raise UserError(
            "A budget decides the sparsity.", "Leave out --sparsity, or all limits (--max-…)."
        )
    if (budget.max_wer_rise is None) != (options.clips is None):
        raise UserError(
            "--max-wer-rise is measured on clips, and --clips are for nothing else.",
            "Give both, or neither.",
        )
    return budget


def _excitation(
    model: SpeechModel, recipe: Recipe, options: argparse.Namespace
) -> Excitation | None:
    """What a recipe listens to, if it does."""
    if options.calibrate and recipe.excitation != CALIBRATED:
        raise UserError("The plan listens to no clips of yours.", "Leave out --calibrate.")
    if not recipe.listens:
        if options.calibrate:
            raise UserError(
                "With these options nothing listens to the clips of --calibrate.",
                "Add --distance influence or --repair refit.",
            )
        return None
    if recipe.excitation != CALIBRATED:
        return recipe_excitation(model, recipe)
    if not options.calibrate:
        raise UserError(
            "This plan listened to somebody's own clips.", "Name their folder with --calibrate."
        )
    return read_calibration(Path(options.calibrate))


def _trees(
    model: SpeechModel, plan: CompressionPlan, excitation: Excitation | None
) -> Mapping[str, MergeTree]:
    with progress_bar("merge trees") as progress:
        return TreeChoice.of(plan.recipe, excitation).build(model, watch=Watch(progress))


def _describe_group(
    group: UnitGroup, cost: Footprint, tree: MergeTree, variance: float
) -> dict[str, Any]:
    def error(sparsity: float) -> float:
        k = max(1, round(group.n_units * (1 - sparsity)))
        return tree.inertia(k) / tree.total if tree.total else 0.0

    return {
        "id": group.id,
        "kind": group.block,
        "layer": group.layer,
        "n_units": group.n_units,
        "unit_dim": group.unit_dim,
        "parameters": group.n_parameters,
        "share": group.n_parameters / cost.parameters,
        "variance": variance,
        "error_at_10_percent": error(0.1),
        "error_at_30_percent": error(0.3),
    }


def _cost_line(cost: Footprint) -> str:
    return (
        f"{cost.parameters / 1e6:.2f} M parameters, {cost.saved_bytes / 1e6:.1f} MB in a file and "
        f"{cost.bytes / 1e6:.1f} MB in memory, {cost.macs / 1e6:.0f} M MAC per second of audio"
    )
