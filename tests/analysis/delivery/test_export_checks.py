"""An export that computes something else is not kept."""

import numpy as np
import pytest

from analysis.delivery.export_checks import compare_outputs
from analysis.errors import UserError


def test_a_wrong_export_is_not_kept() -> None:
    good = np.ones(4)
    assert compare_outputs("logits", good, good, "float32").error == 0
    with pytest.raises(UserError, match="not kept"):
        compare_outputs("logits", good * 1.01, good, "float32")
    with pytest.raises(UserError, match="not kept"):
        compare_outputs("logits", good * np.nan, good, "float32")
    assert compare_outputs("logits", good * 1.01, good, "int8").error == pytest.approx(0.01)
