"""What waiting costs and what is kept: told beside the levels, cleared from Overview."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from analysis import cache
from analysis.plan.choices import LEVELS
from pages.widgets.formatting import size
from tests.helpers.streamlit_app import Visit, click, key, settle


def captions(app: AppTest) -> str:
    return "\n".join(caption.value for caption in app.caption)


def test_levels_stand_with_their_times_where_something_listens(app: AppTest) -> None:
    assert "From nothing" not in captions(app)
    app.selectbox(key=key(app, "repair")).select("refit")
    settle(app)
    [line] = [text for text in captions(app).splitlines() if "From nothing" in text]
    assert all(f"{level} a" in line for level in LEVELS)  # "a few seconds", "about …"
    assert "Now: " in line
    app.selectbox(key=key(app, "excitation")).select("sounds")
    settle(app)
    assert "From nothing" not in captions(app)


def test_what_is_kept_is_told_and_cleared(
    visit: Visit, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = visit("compress")
    monkeypatch.setenv("COALESCE_CACHE", str(tmp_path))
    monkeypatch.setenv("COALESCE_CACHE_LIMIT", "500 MB")
    path = cache.cache_folder("trees") / "a.npz"
    cache.write_arrays(path, {"x": np.zeros(300_000)})
    settle(app.switch_page("pages/overview.py"))
    used = sum(kind.bytes for kind in cache.usage() if kind.is_computed)
    assert any(f"**{size(used)}** of 500 MB" in text.value for text in app.markdown)
    click(app, "clear-kept")
    assert not path.exists()
    monkeypatch.setenv("COALESCE_CACHE_LIMIT", "much")
    settle(app)
    assert any("which is no size" in error.value.replace("\\", "") for error in app.error)
