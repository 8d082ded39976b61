"""Several visitors at once in Streamlit's simulated browser, each in a thread of its own."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar
from unittest.mock import MagicMock, patch

from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.runtime import Runtime
from streamlit.runtime.caching.storage.dummy_cache_storage import MemoryCacheStorageManager
from streamlit.runtime.dataframe_source_manager import DataframeSourceManager
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import app_test
from streamlit.testing.v1.local_script_runner import LocalScriptRunner
from streamlit.testing.v1.util import patch_config_options

T = TypeVar("T")
R = TypeVar("R")


class _Runner(LocalScriptRunner):
    """Of a tab with an id of its own; they are all called alike elsewhere."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._session_id = f"tab of {threading.current_thread().name}"


class _OneRuntime:
    """Stands for the class whose only instance each run of an `AppTest` replaces and takes away."""

    _instance: object = None


class _OneKind(PagesManager):
    """Takes what each run of an `AppTest` sets back for all."""


def at_once(visit: Callable[[T], R], visitors: Sequence[T]) -> list[R]:
    """What each visitor brings back, in their order; they come all at the same time.

    Parameters
    ----------
    visit : callable
        Opens an app and uses it.
    visitors : sequence
    """
    start = threading.Barrier(len(visitors))

    def come(visitor: T) -> R:
        start.wait()
        return visit(visitor)

    with _one_server(), ThreadPoolExecutor(len(visitors), thread_name_prefix="visitor") as pool:
        return list(pool.map(come, visitors))


@contextmanager
def _one_server() -> Iterator[None]:
    """Let all script runs share one runtime, as a server's do; a test's own would be swapped."""
    server = MagicMock(spec=Runtime)
    server.media_file_mgr = MediaFileManager(MemoryMediaFileStorage("/mock/media"))
    server.dataframe_source_mgr = DataframeSourceManager()
    server.cache_storage_manager = MemoryCacheStorageManager()
    server.bidi_component_registry = BidiComponentManager()
    server.bidi_component_registry.discover_and_register_components(start_file_watching=False)
    with (
        patch.object(Runtime, "_instance", server),
        patch.object(PagesManager, "uses_pages_directory", False),
        patch.object(app_test, "Runtime", _OneRuntime),
        patch.object(app_test, "PagesManager", _OneKind),
        patch.object(app_test, "LocalScriptRunner", _Runner),
        patch_config_options({"global.appTest": True}),
        patch.object(app_test, "patch_config_options", lambda _: nullcontext()),
    ):
        yield
