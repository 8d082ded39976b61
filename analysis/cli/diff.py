"""The shell's command that compares the parameters of two models."""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from analysis.cli.terminal import print_json, say_notes
from analysis.errors import UserError
from analysis.files import replace_bytes
from analysis.models.loading import load
from analysis.models.parameter_difference import (
    GroupDifference,
    TensorDifference,
    group_differences,
    group_table,
    tensor_differences,
    tensor_table,
    unit_table,
    unmatched,
)
from analysis.tables import FORMATS


def diff(options: argparse.Namespace) -> None:
    """Print the tensors of two models that differ, and on request their unit groups."""
    one, other = (
        load(source, revision=options.revision, device=options.device, dtype=options.dtype)
        for source in (options.model, options.other)
    )
    for model in (one, other):
        say_notes(model)
    tensors = tensor_differences(one, other)
    # those take long, and tell nothing that is not wanted where all tensors have counterparts
    wants_groups = options.units or options.json or options.out
    fits = all(one.shape == one.other_shape for one in tensors)
    groups = [] if fits and not wants_groups else group_differences(one, other)
    if options.out:
        _keep(Path(options.out), tensors, groups)
    if options.json:
        print_json(
            {
                "tensors": [asdict(one) for one in tensors],
                "groups": [asdict(one) for one in groups],
            }
        )
        return
    counts = Counter(one.status for one in tensors)
    print(", ".join(f"{n} {status}" for status, n in counts.items()))
    for sentence in unmatched(one, other, tensors, groups):
        print(sentence)
    for tensor in tensors:
        if tensor.status != "same":
            print(_tensor_line(tensor))
    for group in groups if options.units else ():
        print(_group_line(group))


def _keep(
    folder: Path, tensors: Sequence[TensorDifference], groups: Sequence[GroupDifference]
) -> None:
    """Write the differences as tables, each in two formats.

    Raises
    ------
    UserError
        Where the folder cannot be written.
    """
    tables = {
        "tensors": tensor_table(tensors),
        "groups": group_table(groups),
        "units": unit_table(groups),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            for kind in ("csv", "parquet"):
                replace_bytes(folder / f"{name}.{kind}", FORMATS[kind].write(table))
    except OSError as error:
        raise UserError(
            f"The tables cannot be written to {folder}.", "Choose another folder.", str(error)
        ) from error


def _tensor_line(one: TensorDifference) -> str:
    norm = "" if one.relative_norm is None else f"{one.relative_norm:.3g}"
    shapes = _shape(one.shape)
    if one.shape != one.other_shape:
        shapes = f"{_shape(one.shape) or '–'} → {_shape(one.other_shape) or '–'}"
    return f"{one.status:<9}{one.name:<64}{shapes:>26}{norm:>10}"


def _group_line(one: GroupDifference) -> str:
    counts = f"{one.n_units} → {one.other_n_units} units"
    if not one.n_units or not one.other_n_units:
        return f"{one.id:<32}{counts}"
    if not one.norms:
        return f"{one.id:<32}{counts}, of another size"
    changed = f"{one.n_changed} of {len(one.norms)} changed, by {max(one.norms):.3g} at most"
    if one.n_units == one.other_n_units:
        return f"{one.id:<32}{changed}"
    return f"{one.id:<32}{counts}; of the pairs {changed}"


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
