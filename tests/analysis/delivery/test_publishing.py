"""A model leaves as a repository, or the hub says why not."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub.errors import HfHubHTTPError

from analysis.delivery.publishing import can_publish, publish
from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from tests.helpers.measurements import MEASURED


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
