"""Models of the hub: what is fetched, and why something is not."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub.errors import (
    GatedRepoError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from analysis.models import loading as hub
from analysis.models.loading import load
from tests.helpers.checkpoints import refusal


def answer(monkeypatch: pytest.MonkeyPatch, what: object) -> list[tuple[str, str | None]]:
    """Let the hub answer with an object, or raise it."""
    asked: list[tuple[str, str | None]] = []

    def model_info(
        _self: object, repository: str, *, revision: str | None, timeout: float
    ) -> object:
        assert timeout <= 30
        asked.append((repository, revision))
        if isinstance(what, Exception):
            raise what
        return what

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    return asked


def http_error(kind: type[Exception]) -> Exception:
    response = SimpleNamespace(headers={}, request=None)
    return kind("from the hub", response=response)  # type: ignore[call-arg]


def test_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, ConnectionError("no route to host"))
    fault = refusal("someone/something")
    assert "cannot be reached for someone/something" in fault.message
    assert "bundled demo model" in fault.remedy
    assert "no route to host" in fault.detail


def test_hub_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, OfflineModeIsEnabled("offline mode"))
    assert "cannot be reached" in refusal("someone/something").message


@pytest.mark.parametrize("kind", [RepositoryNotFoundError, RevisionNotFoundError])
def test_not_on_the_hub(monkeypatch: pytest.MonkeyPatch, kind: type[Exception]) -> None:
    asked = answer(monkeypatch, http_error(kind))
    fault = refusal("someone/something", revision="v2")
    assert "someone/something@v2" in fault.message
    assert "spelling" in fault.remedy
    assert asked == [("someone/something", "v2")]


def test_gated_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, http_error(GatedRepoError))
    fault = refusal("someone/something")
    assert "gated" in fault.message
    assert "terms" in fault.remedy


@pytest.mark.parametrize("source", ["two words", "what?", "a/b@c", "--x", "x" * 97])
def test_what_no_hub_id_looks_like(source: str) -> None:
    fault = refusal(source)
    assert fault.message.startswith(("There is no", "The hub cannot"))


def siblings(*names: str) -> SimpleNamespace:
    files = [SimpleNamespace(rfilename=name) for name in names]
    return SimpleNamespace(sha="c0ffee", siblings=files)


def test_pickled_on_the_hub_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, siblings("config.json", "pytorch_model.bin"))
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: pytest.fail("fetched"))
    fault = refusal("someone/something")
    assert "pickled" in fault.message
    assert "safetensors" in fault.remedy


@pytest.mark.parametrize(
    ("names", "weights"),
    [
        (("model.safetensors", "pytorch_model.bin"), "model.safetensors"),
        (("model.safetensors.index.json", "model-00001-of-00002.safetensors"),
         "model-*.safetensors"),
    ],
)  # fmt: skip
def test_hub_checkpoints_load_at_the_commit_that_was_found(
    monkeypatch: pytest.MonkeyPatch, stock: Path, names: tuple[str, ...], weights: str
) -> None:
    fetched: list[dict[str, Any]] = []

    def snapshot(repository: str, **options: Any) -> str:
        fetched.append({"repository": repository, **options})
        return str(stock)

    answer(monkeypatch, siblings("config.json", "flax_model.msgpack", *names))
    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    model = load("someone/tiny", revision="main")
    assert (model.name, model.source, model.revision) == ("someone/tiny", "someone/tiny", "c0ffee")
    (request,) = fetched
    assert (request["repository"], request["revision"]) == ("someone/tiny", "c0ffee")
    assert request["allow_patterns"][-1] == weights
    assert not any("bin" in pattern or "*.py" in pattern for pattern in request["allow_patterns"])


def test_a_full_disk_while_fetching_is_called_that(monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot(_: str, *, local_files_only: bool = False, **__: Any) -> str:
        raise OSError(2 if local_files_only else 28, "No space left on device")

    answer(monkeypatch, siblings("config.json", "model.safetensors"))
    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    fault = refusal("someone/something")
    assert "disk is full" in fault.message


def test_offline_the_local_hub_cache_serves(
    monkeypatch: pytest.MonkeyPatch, stock: Path, tmp_path: Path
) -> None:
    commit = tmp_path / "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(stock, commit)

    def snapshot(_: str, *, local_files_only: bool = False, **__: Any) -> str:
        assert local_files_only
        return str(commit)

    answer(monkeypatch, ConnectionError("offline"))
    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    assert load("someone/tiny").revision == commit.name
