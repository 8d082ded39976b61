"""Fixtures that all tests share: tiny read-only models, an own cache, no network."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # read by huggingface_hub when it is imported
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
# One thread: tiny matrices gain nothing from more, and on a busy machine each operation would wait
# for the slowest thread (measured: 20 times as long). Read when NumPy, PyTorch and Numba are
# imported; Numba, for UMAP, would give PyTorch as many threads as itself, and a forked child of
# such a process waits for threads that were not forked.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["NUMBA_NUM_THREADS"] = "1"

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from analysis.compression import divergence
from analysis.models.loading import DEMO_MODELS, load
from analysis.models.speech_model import SpeechModel
from analysis.speech import excitation
from tests.helpers.tiny_models import BUILDERS, hash_weights

torch.set_num_threads(1)

_WHOLE_LEVELS = dict(excitation.LEVEL_SECONDS)
_WHOLE_CHECK = divergence.CHECK_SECONDS

# The same examples in every run: a test that fails fails again. More are tried with
# `pytest --hypothesis-profile=long`.
settings.register_profile("short", max_examples=25, derandomize=True, database=None, deadline=None)
settings.register_profile("long", max_examples=500, database=None, deadline=None)
settings.load_profile("short")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the person's own cache out of the tests, and the tests out of it.

    Processes that test side by side share one, as those of a person do.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COALESCE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def short_speech() -> Iterator[None]:
    """Let models listen for less than a minute, which tells as much about the code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(excitation.LEVEL_SECONDS, "quick", 20.0)
        patch.setitem(excitation.LEVEL_SECONDS, "standard", 40.0)
        patch.setattr(divergence, "CHECK_SECONDS", 20.0)
        yield


@pytest.fixture
def whole_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let models listen for as long as they do for people."""
    for level, seconds in _WHOLE_LEVELS.items():
        monkeypatch.setitem(excitation.LEVEL_SECONDS, level, seconds)
    monkeypatch.setattr(divergence, "CHECK_SECONDS", _WHOLE_CHECK)


def _read_only(build: Callable[[], SpeechModel]) -> Iterator[SpeechModel]:
    """A model for the whole session, and the proof that no test wrote to it."""
    model = build()
    before = hash_weights(model.model)
    yield model
    assert hash_weights(model.model) == before, f"a test changed {model.name}"


def _fixture_of(name: str) -> object:
    @pytest.fixture(scope="session", name=name)
    def model() -> Iterator[SpeechModel]:
        yield from _read_only(BUILDERS[name])

    return model


for name in BUILDERS:  # a fixture of each tiny model, under its name
    globals()[f"tiny_{name}"] = _fixture_of(name)


@pytest.fixture(scope="session", params=list(BUILDERS))
def speech_model(request: pytest.FixtureRequest) -> SpeechModel:
    """Every family in turn."""
    model: SpeechModel = request.getfixturevalue(request.param)
    return model


@pytest.fixture(scope="session", params=list(DEMO_MODELS))
def demo_model(request: pytest.FixtureRequest) -> Iterator[SpeechModel]:
    """Both bundled models in turn, in float32."""
    folder = DEMO_MODELS[request.param]
    if not (folder / "model.safetensors").is_file():
        pytest.skip(f"the bundled model {request.param} has not been built")
    yield from _read_only(lambda: load(request.param))
