"""What leaves Compress: stock checkpoints, folders, archives; and what comes back from folders."""

from streamlit.testing.v1 import AppTest

from analysis.stock import level, stock_widths
from pages.common.models import groups_of
from tests.app.conftest import settle
from tests.app.test_compress_page import (
    compress,
    edit_table,
    k_slider,
    key,
    n_clusters,
    session_of,
)


def test_stock_switch_keeps_heads_and_one_width_per_stack(app: AppTest) -> None:
    model = session_of(app).model
    assert model is not None
    groups = groups_of(model)
    app.selectbox(key=key(app, "allocation")).select("distortion").run()
    free = dict(n_clusters(app))
    app.toggle(key=key(app, "stock")).set_value(True).run()
    held = dict(n_clusters(app))
    assert held == level(groups, held) != free
    # a hand on one layer moves its stack; heads stay, and the page says so
    app.selectbox(key=key(app, "group")).select("decoder.1.ffn").run()
    k_slider(app, "decoder.1.ffn").set_value(100).run()
    widths = {n_clusters(app)[g.id] for g in groups if g.id.endswith("ffn") and "decoder" in g.id}
    assert widths == {100}
    edit_table(app, 0, 3)
    assert n_clusters(app) == level(groups, n_clusters(app))
    assert any("Stock classes hold all heads" in error.value for error in app.error)
    settle(compress(app))
    (variant,) = session_of(app).variants
    assert stock_widths(variant.model) is not None
    app.toggle(key=key(app, "stock")).set_value(False).run()
    app.selectbox(key=key(app, "allocation")).select("distortion").run()
    assert n_clusters(app) == free
