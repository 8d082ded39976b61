"""Seconds of every stage of listening beside what was foreseen, and the factors fitted to them.

    python -m benchmarks.effort MODEL [MODEL …] [--level quick] [--device cuda] [--dtype float16]

Each stage of the default recipe is timed with an empty cache, which is deleted afterwards; on a CPU
in seconds of CPU, which other work on the machine disturbs least (set OMP_NUM_THREADS=1). The
factors of `analysis.compression.effort.SLOWER` and its `BLOCK_SECONDS` are fitted by non-negative
least squares of the relative errors of all stages.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Mapping

import numpy as np
from scipy.optimize import nnls

from analysis.clustering.contributions import group_moments
from analysis.clustering.influence import influence_root
from analysis.clustering.listening import prepare
from analysis.clustering.trees import build_trees
from analysis.clustering.unit_space import UnitSpace
from analysis.compression.divergence import check_clips
from analysis.compression.effort import SLOWER, machine_rate, stages
from analysis.compression.sensitivity import measure_sensitivity
from analysis.models.footprint import footprint
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import INFLUENCE, LEVELS
from analysis.plan.recipe import Recipe, complete
from analysis.speech.hearing import recipe_excitation


def measured(model: SpeechModel, recipe: Recipe) -> dict[str, float]:
    """Seconds of every stage, nothing being kept from before."""
    heard = recipe_excitation(model, recipe)
    space = UnitSpace(INFLUENCE, excitation=heard)

    def units() -> None:
        influence_root(model, heard, model.groups[0])
        for group in model.groups:
            group_moments(model, heard, group)

    def words() -> None:
        prepare(model, heard)
        check_clips(model)

    work: Mapping[str, Callable[[], object]] = {
        "words": words,
        "units": units,
        "orders": lambda: build_trees(model, space, removal=True),
        "worth": lambda: measure_sensitivity(model, build_trees(model, space, removal=True), heard),
    }
    clock = time.process_time if model.device.type == "cpu" else time.perf_counter
    taken = {}
    for name, step in work.items():
        began = clock()
        step()
        taken[name] = clock() - began
    return taken


def main() -> None:
    """Time every stage, print it beside what was foreseen, and fit the factors anew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.effort", description=__doc__)
    parser.add_argument("model", nargs="+")
    parser.add_argument("--level", choices=tuple(LEVELS), default="quick")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype")
    options = parser.parse_args()
    recipe = complete(level=options.level)
    rows, seconds = [], []
    for source in options.model:
        model = load(source, device=options.device, dtype=options.dtype)
        rate = machine_rate(model.device)
        counted = stages(model, footprint(model), recipe)
        with tempfile.TemporaryDirectory() as folder:
            os.environ["COALESCE_CACHE"] = folder
            found = measured(model, recipe)
        print(f"{model.name}, {options.level}: {rate / 1e9:.1f} G multiply-accumulates per second")
        for name, taken in found.items():
            own = [stage for stage in counted if stage.name == name]
            foreseen = sum(stage.seconds(rate) for stage in own)
            print(f"  {name:<10}{taken:8.1f} s measured{foreseen:8.1f} s foreseen", flush=True)
            row = [sum(s.work.get(kind, 0.0) for s in own) / rate for kind in SLOWER]
            rows.append([*row, sum(stage.blocks for stage in own) / 1000])
            seconds.append(taken)
        whole = sum(stage.seconds(rate) for stage in counted)
        print(f"  {'all':<10}{sum(found.values()):8.1f} s measured{whole:8.1f} s foreseen")
    # a stage of a moment tells nothing
    weights = 1 / np.maximum(seconds, 1.0)
    factors, _ = nnls(np.array(rows) * weights[:, None], np.array(seconds) * weights)
    names = (*SLOWER, "milliseconds per block")
    print("fitted:", ", ".join(f"{n} {f:.2g}" for n, f in zip(names, factors, strict=True)))


if __name__ == "__main__":
    main()
