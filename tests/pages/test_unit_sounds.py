"""What a unit hears and where a head looks, on Clusters and Variance: the numbers of the core."""

import base64
import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from streamlit.testing.v1 import AppTest

from analysis.compression.compress import compress
from analysis.inspection.moments import moments
from analysis.inspection.soundtrack import find_soundtrack
from analysis.models.speech_model import SpeechModel
from analysis.plan.recipe import complete
from analysis.speech.excitation import Excitation, speech_like
from analysis.speech.hearing import recipe_excitation
from pages.exploring.cluster_selection import (
    ALL_HEADS,
    ATTENTION,
    SIDE_KEY,
    SOUNDS,
    VIEW_KEY,
    k_key,
    units_key,
)
from pages.exploring.head_views import of_variant
from pages.exploring.unit_sounds import SLOT
from pages.session.jobs import Job
from pages.widgets.formatting import elide
from tests.helpers.endless import endless
from tests.helpers.streamlit_app import Visit, click, key, session_of, settle
from tests.helpers.tiny_models import group_of, make_plan


def look(app: AppTest, group: str, units: tuple[int, ...], side: str) -> None:
    model = session_of(app).model
    assert model is not None
    app.selectbox(key=key(app, "group")).set_value(group)
    app.session_state[units_key(model, group_of(model, group))] = units
    app.session_state[SIDE_KEY] = side
    settle(app)


def on_own_clips(visit: Visit) -> AppTest:
    """Clusters, with the sound of a clip that its visitor took."""
    app = visit("transcribe")
    box = next(box for box in app.selectbox if (box.key or "").startswith("bundled:"))
    box.set_value("digits.flac")
    settle(app)
    settle(app.switch_page("pages/clusters.py"))
    app.session_state["unit-sounds:sound"] = "My clips"
    return app


def figures(app: AppTest, words: str) -> list[dict[str, Any]]:
    specs = [json.loads(element.proto.spec) for element in app.get("plotly_chart")]
    titled = [spec for spec in specs if "title" in spec["layout"]]
    return [each for each in titled if words in each["layout"]["title"]["text"].replace("<br>", "")]


def numbers(packed: dict[str, str]) -> np.ndarray:
    """Numbers as they travel to the browser."""
    return np.frombuffer(base64.b64decode(packed["bdata"]), packed["dtype"])


def test_a_cluster_is_heard_and_heads_are_looked_at_beside_what_they_become(visit: Visit) -> None:
    app = visit("clusters")
    look(app, "encoder.0.ffn", (2, 3, 5), SOUNDS)
    model = session_of(app).model
    assert model is not None
    soundtrack = find_soundtrack(model, recipe_excitation(model, complete()))
    found = moments(model, soundtrack, group_of(model, "encoder.0.ffn"), [2, 3, 5])
    assert len(app.get("audio")) == len(found.moments) == 10
    said = [text.value for text in app.caption]
    for moment in found.moments:
        assert any(f"{moment.value:.3g} · clip {moment.clip + 1}" in text for text in said)
    [chart] = figures(app, "The merged unit follows its members")
    assert len(chart["data"]) == 4, "a spectrogram, three members, their sum and the merged unit"

    look(app, "decoder.1.ffn", (7,), SOUNDS)
    assert any("writes" in text.value for text in app.caption)
    assert figures(app, "One unit by itself")
    assert any("hardest at" in text.value and "tokens" in text.value for text in app.markdown)

    group = "decoder.1.cross_attention"
    app.session_state[k_key(model, group_of(model, group))] = 1  # all heads become one
    look(app, group, (0,), SOUNDS)
    app.segmented_control(key=SIDE_KEY).set_value(ATTENTION)
    settle(app)
    shown = figures(app, "near its own place")
    assert len(shown) == group_of(model, group).n_units + 1
    assert (
        sum("0, 1, 2, 3, 4, 5 merged" in chart["layout"]["title"]["text"] for chart in shown) == 1
    )
    assert len(shown[0]["data"]) == 2, "the spectrogram stands above the matrix"


def test_own_clips_can_be_listened_to(visit: Visit) -> None:
    app = on_own_clips(visit)
    look(app, "encoder.1.self_attention", (1,), SOUNDS)
    [clip] = session_of(app).clips.values()
    told = [text.value for text in app.caption if text.value.startswith("**")]
    assert told
    assert all(f"· {elide(clip.audio.name, 24)}, " in text for text in told)


def test_numbers_of_all_heads_are_a_table_and_colours(visit: Visit) -> None:
    app = visit("variance")
    click(app, "measure-heads")
    model = session_of(app).model
    assert model is not None
    heads = [group for group in model.groups if group.component == "heads"]
    [table] = [frame.value for frame in app.dataframe if "entropy" in frame.value]
    assert len(table) == sum(group.n_units for group in heads)
    app.session_state[VIEW_KEY] = ALL_HEADS
    app.session_state["clusters:head-color"] = "Entropy"
    settle(app.switch_page("pages/clusters.py"))
    [chart] = figures(app, "All ")
    colors = np.concatenate([numbers(trace["marker"]["color"]) for trace in chart["data"]])
    np.testing.assert_allclose(np.sort(colors), np.sort(table["entropy"]), atol=1e-3)


def test_a_head_of_all_is_looked_at_beside_their_map(open_app: Callable[..., AppTest]) -> None:
    link = {"view": "heads", "group": "decoder.1.self_attention", "units": "2", "side": "attention"}
    app = settle(open_app(model="demo-whisper", **link).switch_page("pages/clusters.py"))
    assert figures(app, "All ")
    assert "**Decoder 1 · self-attention heads, head 2**" in [text.value for text in app.markdown]
    [chart] = figures(app, "near its own place")
    assert "Head 2" in chart["layout"]["title"]["text"], "by itself, with none that merges with it"
    given = {name: "".join(text) for name, text in app.query_params.items()}
    assert given.items() >= link.items()
    next(button for button in app.button if button.label == "Open its layer").click()
    settle(app)
    assert app.selectbox(key=key(app, "group")).value == "decoder.1.self_attention"
    assert figures(app, "near its own place"), "it is still looked at"


def test_all_heads_are_coloured_while_one_is_heard_on_an_own_clip(visit: Visit) -> None:
    app = on_own_clips(visit)
    look(app, "encoder.1.self_attention", (1,), ATTENTION)
    app.session_state["clusters:head-color"] = "Entropy"
    app.session_state[VIEW_KEY] = ALL_HEADS
    settle(app)
    assert figures(app, "All ")
    assert figures(app, "near its own place")
    assert not app.exception
    assert not app.error


def test_what_became_of_heads_in_a_variant(whisper: SpeechModel) -> None:
    heard = Excitation("sounds", (speech_like(np.random.default_rng(0), 1.2),))
    track = find_soundtrack(whisper, heard).tracks[0]
    group = group_of(whisper, "encoder.1.self_attention")
    made = compress(whisper, make_plan(whisper, n_clusters={group.id: 2}))
    labels = made.groups[group.id].labels
    views = of_variant(made.model, "mine", track, group, [0, 1, 2, 3], labels)
    assert len(views) == 2
    assert {view.head for view in views} == {0, 1}
    for view in views:
        members = ", ".join(str(head) for head in np.flatnonzero(labels == view.head))
        assert view.name == f"“mine”, from {members}"
        assert view.patterns.weights.shape[0] == 2


def test_whoever_looks_elsewhere_ends_what_they_waited_for(visit: Visit) -> None:
    app = visit("clusters")
    jobs, started, ended = session_of(app).jobs, threading.Event(), threading.Event()
    work = endless(started, ended)
    jobs.start(SLOT, Job("Listening", work, lambda nothing: None), lane="test")
    assert started.wait(5)
    assert jobs.running(SLOT) is not None
    look(app, "encoder.0.self_attention", (1,), ATTENTION)
    assert jobs.running(SLOT) is None
    assert ended.wait(5)
