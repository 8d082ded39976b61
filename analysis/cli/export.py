"""The shell's command that takes a model to another runtime."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from analysis.cli.terminal import require_other_place
from analysis.delivery.ctranslate2 import export_ctranslate2
from analysis.delivery.export_checks import TOLERANCE, Export
from analysis.delivery.onnx import export_onnx
from analysis.errors import UserError
from analysis.models.loading import load


def export(options: argparse.Namespace) -> None:
    """Export a model, and say how far its outputs are from torch's."""
    if options.format == "onnx" and options.precision != "float32":
        raise UserError("ONNX is exported in float32 only.", "Leave --precision out.")
    model = load(options.model, revision=options.revision)
    out = Path(options.out)
    require_other_place(out, model, "the export in the model's own")
    if options.format == "onnx":
        made = export_onnx(model, out, overwrite=options.overwrite)
    else:
        made = export_ctranslate2(
            model, out, precision=options.precision, overwrite=options.overwrite
        )
    if options.json:
        print(json.dumps(asdict(made) | {"folder": str(made.folder)}, indent=2))
    else:
        print(describe(made))


def describe(made: Export) -> str:
    """Lines on an export for people."""
    lines = [f"{made.format}, {made.precision}: {made.bytes / 1e6:.1f} MB in {made.folder}"]
    for check in made.checks:
        bar = f" (at most {TOLERANCE:.0e})" if check.precision == "float32" else ""
        lines.append(
            f"  {check.output} in {check.precision}: relative error {check.error:.1e}{bar}"
        )
    return "\n".join(lines)
