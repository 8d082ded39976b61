"""Checkpoints that are tampered with, and how loading them is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.errors import UserError
from analysis.models.loading import load


def edit(path: Path, **fields: Any) -> None:
    """Replace fields of a JSON file; ... removes one."""
    values = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({k: v for k, v in values.items() if v is not ...}))


def refusal(folder: Path | str, **options: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        load(str(folder), **options)
    assert caught.value.message
    assert caught.value.remedy, "a refusal without a way out"
    return caught.value
