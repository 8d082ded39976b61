"""A model leaves as a folder, an archive or a repository; all hold the same checkpoint."""

import errno
import hashlib
import io
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest
import torch
from huggingface_hub.errors import HfHubHTTPError

from analysis.compression.compress import compress
from analysis.delivery.archive import FORMATS, archive, deliver, precisions
from analysis.delivery.archive import archive as delivery
from analysis.delivery.model_card import Measurement
from analysis.delivery.publishing import can_publish, publish
from analysis.errors import UserError
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from tests.helpers.tiny_models import logits, make_plan

MEASURED = (Measurement("three clips", 3, 40, 0.125, "whisper-english", 0.1),)


@pytest.fixture(scope="module")
def variant(hubert: SpeechModel) -> SpeechModel:
    return compress(hubert, make_plan(hubert)).model


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

    monkeypatch.setattr(delivery, "_pack", full)
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


# --- the hub -----------------------------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A hub that keeps what it is sent; `status` makes it refuse."""
    state = SimpleNamespace(repositories={}, files={}, status=None, text="")

    class Api:
        def __init__(self, token: str) -> None:
            assert token == "secret"

        def create_repo(self, name: str, *, private: bool, exist_ok: bool) -> None:
            taken = 409 if name in state.repositories and not exist_ok else None
            status = state.status or taken
            if status:
                response = SimpleNamespace(headers={}, request=None, status_code=status)
                raise HfHubHTTPError("refused", response=response)  # type: ignore[arg-type]
            state.repositories[name] = private

        def upload_folder(self, *, repo_id: str, folder_path: Path, commit_message: str) -> str:
            state.files = {path.name for path in folder_path.iterdir()}
            state.text = (folder_path / "README.md").read_text()
            return f"https://hub.example/{repo_id}/commit/1"

    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setattr("analysis.delivery.publishing.HfApi", Api)
    return state


def test_publishing_sends_the_whole_checkpoint(variant: SpeechModel, hub: SimpleNamespace) -> None:
    assert publish(variant, "me/smaller", measured=MEASURED).endswith("me/smaller/commit/1")
    assert hub.repositories == {"me/smaller": True}
    assert {"config.json", "model.safetensors", "coalesce.json", "README.md"} <= hub.files
    assert "three clips" in hub.text
    with pytest.raises(UserError, match="on the hub already"):
        publish(variant, "me/smaller")
    publish(variant, "me/smaller", update=True, private=False)


def test_a_hub_that_refuses_is_told_apart(variant: SpeechModel, hub: SimpleNamespace) -> None:
    hub.status = 403
    with pytest.raises(UserError, match="refused") as caught:
        publish(variant, "someone/else")
    assert "HF_TOKEN" in caught.value.remedy
    assert "secret" not in str(caught.value) + caught.value.detail


def test_without_a_token_nothing_is_published(
    variant: SpeechModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert not can_publish()
    with pytest.raises(UserError, match="HF_TOKEN"):
        publish(variant, "me/smaller")
