"""A server that others can reach: what is not allowed is not on the screen, and is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from analysis.cache import cache_root
from analysis.compression.compress import compress
from analysis.errors import UserError
from analysis.evaluation.sweep_spec import SweepSpec
from analysis.models.footprint import footprint
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import complete
from analysis.plan.training_settings import SYNTHESISED
from analysis.serving import VARIABLE, Serving
from pages.frame.model_choice import _bundled
from pages.listening.clips import read
from pages.runs import sweeps, training
from pages.runs.training import may_train_on
from pages.session import shelves, store
from pages.session.session import Session, on_best_device
from pages.session.shelves import ModelKey, require_source
from pages.variants import save_panel
from pages.variants.more import read_checkpoint
from tests.helpers.sounds import tone
from tests.helpers.sounds import written as sound
from tests.helpers.streamlit_app import session_of, settle

RATE = 16_000

Serve = Callable[..., None]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Have the process serve with other settings."""
    return lambda **settings: monkeypatch.setenv(VARIABLE, Serving(**settings).model_dump_json())


def wav(seconds: float) -> bytes:
    return sound(tone(440.0, RATE, seconds), RATE)


def written(app: AppTest) -> str:
    """All words on the page, those of controls and helps, too."""
    nodes = [*app.main, *app.sidebar, *app.get("dialog")]
    return "\n".join(str(node.proto) for node in nodes if getattr(node, "proto", None))


def test_an_open_server_neither_shows_nor_takes_folders_and_the_hub(
    serve: Serve, app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_server")
    session = session_of(app)
    _add_a_variant(session)
    settle(app)
    ways = ("Folder on the server", "Push to the hub", "Add a saved checkpoint", str(Path.home()))
    for name in ways:
        assert name in written(app)
    session.jobs.problems["load"] = UserError("It failed.", "Try again.", "at /srv/secret/x.py")
    settle(app)
    assert "/srv/secret" in written(app)
    serve(host="0.0.0.0")
    settle(app)
    assert "It failed" in written(app)
    for name in (*ways, "/srv/secret", str(cache_root())):
        assert name not in written(app)
    for page in ("evaluate", "train"):
        settle(app.switch_page(f"pages/{page}.py"))
        for name in ("Folder", "Path or id"):
            assert name not in written(app), page
    next(button for button in app.button if button.label == "Change model").click().run()
    assert "load:demo" in {radio.key for radio in app.radio}
    assert "load:kind" not in written(app)
    _refuse_forged(session, tmp_path)


def _add_a_variant(session: Session) -> None:
    """One that keeps all units, which takes no time."""
    model = session.model
    assert model is not None
    recipe = complete(method="random", distance="weights", allocation="manual")
    n_clusters = {group.id: group.n_units for group in model.groups}
    plan = CompressionPlan(origin=model.origin, recipe=recipe, n_clusters=n_clusters)
    made = compress(model, plan)
    session.add_variant("everything", made, footprint(made.model), None)


def _refuse_forged(session: Session, tmp_path: Path) -> None:
    """Whoever calls what stands behind the controls gets no further."""
    model, variant, jobs = session.model, session.variants[0], session.jobs
    assert model is not None
    save_panel._save(session, variant, str(tmp_path / "out"), "checkpoint", "stored", True)
    assert "not open to visitors" in jobs.problems[save_panel._SLOT].message
    save_panel._push(session, variant, "somebody/model", True, False)
    assert "may not fetch from the hub" in jobs.problems[save_panel._SLOT].message
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="not open to visitors"):
        read_checkpoint(model, str(tmp_path))
    for data in (str(tmp_path), "openslr/librispeech_asr:clean:test"):
        spec = SweepSpec.read({"model": ("demo-whisper",), "data": data})
        sweeps.start(session, model, spec, {}, None)
        assert jobs.running(sweeps.SLOT) is None
        assert "isitors" in jobs.problems.pop(sweeps.SLOT).message
        assert not may_train_on(data)
    choices = training.Choices(
        "Fine-tuning", str(tmp_path), None, 1, 1e-4, 1, 0.0, False, "basic", None
    )
    training.start_training(session, model, None, choices)
    assert "may not train" in jobs.problems[training.SLOT].message
    assert session.training == {}


def test_a_model_elsewhere_is_refused_whether_it_is_there_or_not(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COALESCE_MODEL", raising=False)
    root = tmp_path / "root"
    (root / "model").mkdir(parents=True)

    def refusal(source: str) -> str:
        with pytest.raises(UserError) as caught:
            shelves.load_model(shelves.model_shelf(), ModelKey(source, None, "cpu", "float32"))
        return f"{caught.value}{caught.value.detail}"

    serve(host="0.0.0.0", roots=(str(root),))
    sources = (str(tmp_path), str(tmp_path / "no"), "/etc", "~root", "openai/whisper-tiny", "")
    assert len({refusal(source) for source in sources}) == 1
    require_source("demo-hubert")
    require_source(str(root / "model"))
    assert _bundled() == ["demo-whisper", "demo-hubert"]
    monkeypatch.setenv("COALESCE_MODEL", "/srv/models/own")  # whoever serves it has chosen it
    require_source("/srv/models/own")
    assert _bundled()[0] == "/srv/models/own"
    serve(host="0.0.0.0", allow_downloads=True)
    require_source("openai/whisper-tiny")
    assert refusal("../whisper/tiny") == refusal("/etc")


def test_long_clips_are_refused_and_bundled_ones_are_not(serve: Serve, app: AppTest) -> None:
    serve(host="0.0.0.0", max_clip=1.0)
    session = session_of(app)
    read(session, [(wav(2.0), "long.wav", "", "upload"), (wav(0.5), "short.wav", "", "upload")])
    settle(app.switch_page("pages/transcribe.py"))
    assert [clip.audio.name for clip in session.clips.values()] == ["short.wav"]
    assert "limit of 1 s" in session.file_problems[0].message
    assert "up to 1 s each" in written(app)


def test_a_demonstration_keeps_nothing_and_does_not_train(
    serve: Serve, open_app: Callable[[], AppTest], tmp_path: Path
) -> None:
    serve(demo=True)
    assert store.days_kept() == 0
    app = open_app()
    session = session_of(app)
    read(session, [(wav(0.5), "short.wav", "", "upload")])
    settle(app)
    assert session.clips
    assert session.saved == {}
    assert not store.store_of(session.id).exists
    assert not may_train_on(SYNTHESISED)
    assert not may_train_on("")
    settle(app.switch_page("pages/evaluate.py"))
    assert "Upload" not in written(app)


def test_a_restored_session_does_not_open_what_is_shut(serve: Serve) -> None:
    serve(host="0.0.0.0")
    session = Session(on_best_device("/etc"))
    session.use(session.key)
    while session.jobs.running("load") is not None:
        session.jobs.collect()
    assert session.model is None
    assert "not open to visitors" in session.jobs.problems["load"].message
