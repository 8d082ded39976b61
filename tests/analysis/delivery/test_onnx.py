"""Exports to ONNX compute what the torch model computes."""

from pathlib import Path

import pytest

from analysis.delivery.export_checks import TOLERANCE
from analysis.delivery.onnx import export_onnx, graph_name
from analysis.errors import UserError
from tests.helpers.changed_models import narrower

pytest.importorskip("onnxruntime")


@pytest.mark.slow
@pytest.mark.parametrize("family", ["hubert", "wav2vec2_large", "demo_whisper"])
def test_onnx_computes_the_same(
    family: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model = narrower(request.getfixturevalue(family), uneven_heads=True)
    made = export_onnx(model, tmp_path / "out")
    assert len(made.checks) == 2
    assert all(check.error <= TOLERANCE for check in made.checks)
    assert (tmp_path / "out" / graph_name(model)).is_file()
    with pytest.raises(UserError, match="already"):
        export_onnx(model, tmp_path / "out")
