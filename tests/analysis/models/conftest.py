"""Checkpoint folders as they were saved, and copies that a test may break."""

import shutil
from pathlib import Path

import pytest

from analysis.compression.compress import compress
from analysis.delivery.saving import save
from analysis.models.speech_model import SpeechModel
from tests.helpers.tiny_models import make_plan


@pytest.fixture(scope="module")
def stock(hubert: SpeechModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(hubert, tmp_path_factory.mktemp("stock") / "tiny-hubert")


@pytest.fixture(scope="module")
def merged(whisper: SpeechModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = compress(whisper, make_plan(whisper)).model
    return save(model, tmp_path_factory.mktemp("merged") / "merged-whisper")


@pytest.fixture
def copy(stock: Path, tmp_path: Path) -> Path:
    """A stock HuBERT folder of the test's own."""
    return Path(shutil.copytree(stock, tmp_path / "tiny-hubert"))


@pytest.fixture
def merged_copy(merged: Path, tmp_path: Path) -> Path:
    """A compressed Whisper folder of the test's own."""
    return Path(shutil.copytree(merged, tmp_path / "merged-whisper"))
