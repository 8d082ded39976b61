"""Nothing is lost: a reload, a second tab, a restarted server; and a visitor may be forgotten."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from analysis.errors import UserError
from pages.planning.settings import widget_key
from pages.session import store, visit
from pages.session.records import sound_file
from pages.session.session import Session
from pages.session.store import HEAD, store_of
from tests.helpers.places import ROOT
from tests.helpers.streamlit_app import compress, key, pick, session_of, settle


def open_address(page: str = "transcribe", **address: str) -> AppTest:
    """A new tab with this address."""
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60)
    for name, text in address.items():
        app.query_params[name] = text
    return settle(app.switch_page(f"pages/{page}.py"))


def restart_server() -> None:
    """Let the process forget every session; what is on disk stays."""
    visit._live().clear()


def sidebar(app: AppTest) -> str:
    found = [*app.sidebar.markdown, *app.sidebar.caption]
    return "\n".join(element.value for element in found).replace("\\", "")


def transcripts(session: Session) -> list[str]:
    return sorted(transcript.text for transcript in session.transcripts.values())


@pytest.fixture
def app(open_app: Callable[[], AppTest]) -> AppTest:
    """A visitor with a variant, which heard a clip."""
    app = open_app()
    app.session_state[key(app, "sparsity")] = 37
    compress(settle(app))
    pick(settle(app.switch_page("pages/transcribe.py")), "digits.flac")
    assert len(session_of(app).transcripts) == 2
    return app


def test_a_second_tab_has_the_same_session(app: AppTest) -> None:
    session = session_of(app)
    second = open_address(session=session.id)
    assert session_of(second) is session
    second.text_input(key=f"row-name:{session.variants[0].id}").set_value("From the second tab")
    settle(second)
    assert "From the second tab" in sidebar(settle(app))


def test_all_comes_back_after_a_restart_and_is_saved_on(app: AppTest) -> None:
    before = session_of(app)
    before.variants[0].name = "Mine"
    settle(app)
    restart_server()
    back = open_address(session=before.id)
    session = session_of(back)
    assert session is not before
    assert session.lost == []
    assert [v.name for v in session.variants] == ["Mine"]  # made again by itself: it is small
    assert session.variants[0].compression.plan == before.variants[0].compression.plan
    assert session.variants[0].model.weight_hash == before.variants[0].model.weight_hash
    assert transcripts(session) == transcripts(before)
    assert session.current_clip == before.current_clip
    assert back.session_state[key(back, "sparsity")] == 37
    assert back.query_params["session"] == before.id
    back.button(key=f"row-delete:{session.variants[0].id}").click()
    settle(back)
    restart_server()
    assert not session_of(open_address(session=before.id)).variants


def test_what_is_damaged_is_told_and_nothing_else_is_lost(app: AppTest) -> None:
    before = session_of(app)
    own = store_of(before.id)
    [clip] = before.clips
    own.write(sound_file(clip), b"RIFF, but no more")
    restart_server()
    back = open_address(session=before.id)
    assert [v.name for v in session_of(back).variants] == [v.name for v in before.variants]
    assert not session_of(back).clips
    assert any("A digit string" in toast.value for toast in back.toast)


def test_a_session_that_is_too_old_is_not_found(app: AppTest) -> None:
    before = session_of(app)
    restart_server()
    store_of(before.id).delete(HEAD)
    back = open_address(session=before.id)
    assert session_of(back).id != before.id
    assert not session_of(back).variants
    assert any("Nothing is kept" in toast.value for toast in back.toast)


def test_forgetting_ends_it_in_all_tabs_at_once(app: AppTest) -> None:
    before = session_of(app)
    second = open_address(session=before.id)
    own = store_of(before.id)
    assert own.exists
    assert f"{store.days_kept()} days" in sidebar(app)
    app.button(key="visit:forget").click()
    settle(app)
    assert not own.folder.exists()
    assert session_of(app).id != before.id
    assert not session_of(app).clips
    settle(second)
    assert session_of(second).id != before.id
    assert not own.exists
    assert session_of(open_address(session=before.id)).id != before.id


def test_a_new_visit_is_offered_the_last_session(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = session_of(app)
    cookies = SimpleNamespace(cookies={visit.COOKIE: before.id})
    monkeypatch.setattr("pages.session.visit.st.context", cookies, raising=False)
    fresh = open_address("overview")
    assert session_of(fresh).id != before.id
    assert "1 variant, 1 clip" in sidebar(fresh)
    fresh.button(key="visit:restore").click()
    settle(fresh)
    assert session_of(fresh).id == before.id
    assert "Your last session" not in sidebar(fresh)


def test_a_disk_that_refuses_is_told_and_stops_nothing(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise UserError("This session cannot be saved.", "Make room.")

    monkeypatch.setattr("pages.session.store.Store.write", refuse)
    pick(app, "number.flac")
    assert len(session_of(app).clips) == 2
    assert any("cannot be saved" in error.value for error in settle(app).error)


def test_variants_come_back_with_the_model_that_was_left(app: AppTest) -> None:
    session = session_of(app)
    [variant] = session.variants
    first = session.key
    session.use(visit.on_best_device("demo-hubert"))
    settle(app)
    assert "1 variant of **demo-whisper** will be back" in sidebar(app)
    assert variant.name not in sidebar(app)
    session.use(first)
    settle(app)
    assert f"{variant.name}" in sidebar(app)


def test_a_row_tells_and_does(app: AppTest) -> None:
    session = session_of(app)
    [first] = session.variants
    settle(app.switch_page("pages/compress.py"))
    second = session.duplicate_variant(first)
    settle(app)
    assert "% WER" in sidebar(app).replace("\N{NO-BREAK SPACE}", " ")
    app.button(key=f"row-listen:{second.id}").click().run()
    assert app.title[0].value == "Transcribe"
    assert session.hidden_variants == {first.id}
    app.switch_page("pages/transcribe.py")
    app.text_input(key=f"row-name:{second.id}").set_value(first.name)
    settle(app)
    assert second.name == f"{first.name} (2)"


def test_large_models_wait_to_be_asked(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    before = session_of(app)
    restart_server()
    monkeypatch.setattr("pages.variants.remaking.QUICK_PARAMETERS", 0)
    back = open_address(session=before.id)
    assert not session_of(back).variants
    assert "kept as its recipe" in sidebar(back)
    back.button(key="remake:all").click()
    settle(back)
    assert len(session_of(back).variants) == 1


def shared_link(app: AppTest) -> dict[str, str]:
    """Parameters of the link that Copy link shows."""
    app.button(key="copy-link").click().run()
    [code] = [code.value for code in app.code if "model=" in code.value]
    return dict(part.split("=", 1) for part in code.split("?", 1)[1].split("&"))


def test_a_link_to_a_comparison_opens_it_for_somebody_else(app: AppTest) -> None:
    sender = session_of(app)
    link = shared_link(app)
    assert sorted(link) == ["clip", "model", "recipes"]
    assert sender.id not in "".join(link.values())
    guest = open_address(**link)
    session = session_of(guest)
    assert session is not sender
    assert session.clips.keys() == sender.clips.keys()
    [variant] = session.variants
    assert variant.compression.plan == sender.variants[0].compression.plan
    assert variant.name == sender.variants[0].name
    assert transcripts(session) == transcripts(sender)
    settle(guest)
    assert len(session.variants) == 1  # it is followed once


def test_an_upload_is_heard_by_whoever_has_the_link_until_it_is_forgotten(app: AppTest) -> None:
    sender = session_of(app)
    [clip] = sender.clips.values()
    clip.origin = "upload"
    settle(app)
    refused = open_address(clip=clip.id, model="demo-whisper")  # nobody has shared it
    assert not session_of(refused).clips
    assert any("not kept" in error.value for error in refused.error)
    link = shared_link(app)
    assert link["clip"] == clip.id
    assert clip.id in session_of(open_address(**link)).clips
    visit.forget(sender)
    assert not session_of(open_address(**link)).clips


def test_a_link_to_compress_brings_its_plan(open_app: Callable[[], AppTest]) -> None:
    app = open_app()
    app.session_state[key(app, "sparsity")] = 42
    link = shared_link(settle(app))
    guest = open_address("compress", **link)
    model = session_of(guest).model
    assert model is not None
    assert guest.session_state[widget_key(model, "sparsity")] == 42
    assert guest.session_state[widget_key(model, "distance")] == "weights"
    assert session_of(guest).n_clusters == session_of(app).n_clusters


def test_a_broken_link_says_so(app: AppTest) -> None:
    link = shared_link(app)
    guest = open_address(**{**link, "recipes": link["recipes"][:-20]})
    assert any("cannot be read" in error.value for error in guest.error)
    assert not session_of(guest).variants
