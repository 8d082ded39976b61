"""A model leaves as a folder or an archive; both hold the same checkpoint."""

import errno
import hashlib
import io
import zipfile
from pathlib import Path
from typing import IO

import pytest
import torch

from analysis.delivery.archive import FORMATS, archive, deliver, precisions
from analysis.errors import UserError
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from tests.helpers.measurements import MEASURED
from tests.helpers.tiny_models import logits


def test_an_archive_holds_one_folder_that_loads(variant: SpeechModel, tmp_path: Path) -> None:
    with archive(variant, "smaller", measured=MEASURED) as packed:
        content = packed.read()
        # the download button takes none of its read-and-write siblings
        assert isinstance(packed, io.BufferedReader)
        with zipfile.ZipFile(packed) as together:
            assert {name.split("/")[0] for name in together.namelist()} == {"smaller"}
            together.extractall(tmp_path)
    again = load(str(tmp_path / "smaller"))
    assert torch.equal(logits(again), logits(variant))
    assert again.plan == variant.plan
    assert "12.5" in (tmp_path / "smaller" / "README.md").read_text()
    with archive(variant, "smaller", measured=MEASURED) as packed:
        assert hashlib.sha256(packed.read()).digest() == hashlib.sha256(content).digest()


def test_an_archive_leaves_nothing_behind(
    variant: SpeechModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    archive(variant, "smaller").close()
    assert list(tmp_path.iterdir()) == []

    def full(folder: Path, name: str, packed: IO[bytes]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("analysis.delivery.archive._pack", full)
    with pytest.raises(UserError, match="archive cannot be written"):
        archive(variant, "smaller")
    assert list(tmp_path.iterdir()) == []


def test_every_format_is_written_or_refused_with_a_reason(
    variant: SpeechModel, tmp_path: Path
) -> None:
    assert load(str(deliver(variant, tmp_path / "plain", "transformers"))).plan == variant.plan
    with pytest.raises(UserError, match="CTranslate2 has no HuBERT"):
        deliver(variant, tmp_path / "ct2", "ctranslate2", "int8")
    with pytest.raises(UserError, match=", ".join(FORMATS)):
        deliver(variant, tmp_path / "x", "gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["plain"]
    assert all(isinstance(precisions(name), tuple) for name in FORMATS)
