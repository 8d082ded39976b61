"""Nothing is lost: a reload, a second tab, a restarted server; and a visitor may be forgotten."""

import re
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from analysis.clustering.listening import statistics_folder
from analysis.errors import UserError
from analysis.plan.recipe import complete
from pages.listening.opening import CLIP_KEY, PERCENT_KEY
from pages.planning.hearing import find_excitation
from pages.planning.settings import widget_key
from pages.session import visit
from pages.session.session import Session, on_best_device
from pages.session.shelves import model_id
from pages.session.store import new_id, store_of
from tests.helpers.kept_sessions import MODEL, NAME, kept_items
from tests.helpers.places import ROOT
from tests.helpers.streamlit_app import pick, session_of, settle


@pytest.fixture
def kept() -> Iterator[str]:
    """The id of a session that is on disk and in no process."""
    session_id = new_id()
    for name, content in kept_items().items():
        store_of(session_id).write(name, content)
    yield session_id
    store_of(session_id).forget()


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
    text = "\n".join(element.value for element in found)
    return text.replace("\\", "").replace("\N{NO-BREAK SPACE}", " ")


def transcripts(session: Session) -> list[str]:
    return sorted(transcript.text for transcript in session.transcripts.values())


def shared_link(app: AppTest) -> dict[str, str]:
    """Parameters of the link that Copy link shows."""
    app.button(key="copy-link").click().run()
    [code] = [code.value for code in app.code if "model=" in code.value]
    return dict(part.split("=", 1) for part in code.split("?", 1)[1].split("&"))


def test_listen_comes_back_as_it_was_left_on_another_page(kept: str) -> None:
    app = open_address("listen", session=kept, clip="long.flac", sparsity="30")
    settle(app.switch_page("pages/variance.py"))
    restart_server()
    again = open_address("variance", session=kept)
    settle(again.switch_page("pages/listen.py"))
    assert again.selectbox(key=CLIP_KEY).value == "long.flac"
    assert again.slider(key=PERCENT_KEY).value == 30
    linked = open_address("listen", session=kept, clip="digits.flac", sparsity="60")
    assert linked.selectbox(key=CLIP_KEY).value == "digits.flac", "a link comes first"


def test_all_comes_back_into_every_tab_and_is_saved_on(kept: str) -> None:
    app = open_address(session=kept)
    session = session_of(app)
    model = session.model
    assert model is not None
    assert session.lost == []
    [variant] = session.variants  # made again by itself: it is small
    assert (variant.name, len(session.transcripts)) == (NAME, 2)
    assert {model_id(model), model_id(variant.model)} == {key[1] for key in session.transcripts}
    assert re.search(
        r"0\.0\s% WER \(original \d+\.\d\s%\) of \d+ words", sidebar(app)
    )  # of how few says how sure
    assert app.session_state[widget_key(model, "sparsity")] == 37
    assert app.query_params["session"] == kept

    second = open_address(session=kept)
    assert session_of(second) is session
    second.text_input(key=f"row-name:{variant.id}").set_value("From the second tab")
    settle(second)
    assert "From the second tab" in sidebar(settle(app))

    restart_server()
    again = session_of(open_address(session=kept))
    assert again is not session
    assert [each.name for each in again.variants] == ["From the second tab"]
    again.remove_variant(again.variants[0])
    visit.keep(again)
    restart_server()
    later = session_of(open_address(session=kept))
    assert (later.variants, later.waiting) == ([], [])
    assert len(later.transcripts) == 1


def test_the_tour_goes_on_where_it_was(kept: str) -> None:
    app = open_address("overview", session=kept)
    app.button(key="tour:begin").click().run()
    settle(app.switch_page("pages/listen.py"))

    def is_under_way(app: AppTest) -> bool:
        return any("Tour, step 1" in text.value for text in app.markdown)

    assert is_under_way(app)
    restart_server()
    again = open_address(session=kept)
    assert is_under_way(again)
    again.button(key="tour:end").click()
    assert not is_under_way(settle(again))
    restart_server()
    assert not is_under_way(open_address(session=kept))


def test_what_is_damaged_is_told_and_nothing_else_is_lost(kept: str) -> None:
    own = store_of(kept)
    [sound] = [name for name in own.names() if name.endswith(".sound")]
    own.write(sound, b"RIFF, but no more")
    app = open_address(session=kept)
    assert [variant.name for variant in session_of(app).variants] == [NAME]
    assert not session_of(app).clips
    assert "“Voice of a visitor” of this session is damaged" in sidebar(app)
    app.button(key="visit:read").click()
    assert "damaged" not in sidebar(settle(app))


def test_forgetting_ends_it_in_all_tabs_at_once(kept: str) -> None:
    app, second = open_address(session=kept), open_address("train", session=kept)
    assert "Deleted 7 days after your last visit" in sidebar(app)
    app.button(key="visit:forget").click()
    settle(app)
    assert not store_of(kept).folder.exists()
    settle(second)
    for tab in (app, second, open_address("train", session=kept)):
        assert session_of(tab).id != kept
        assert not session_of(tab).clips
    assert "Nothing is kept of the session" in sidebar(open_address("train", session=kept))
    assert not store_of(kept).exists


def test_forgetting_deletes_what_models_made_of_the_visitors_sound(kept: str) -> None:
    app = open_address(session=kept)
    session, model = session_of(app), session_of(app).model
    assert model is not None
    sound = find_excitation(session, model, complete(excitation="calibrated"))
    shipped = find_excitation(session, model, complete())
    assert sound is not None
    assert shipped is not None
    own, others = statistics_folder(model, sound), statistics_folder(model, shipped)
    for folder in (own, others):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "made-of-it.npz").write_bytes(b"words")
    visit.keep(session)
    restart_server()
    app = open_address(session=kept)
    app.button(key="visit:forget").click()
    settle(app)
    assert not own.exists()
    assert (others / "made-of-it.npz").is_file()
    (others / "made-of-it.npz").unlink()


def test_a_new_visit_is_offered_the_last_session(
    kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit, "_cookie", lambda: kept)
    app = open_address("train")
    assert session_of(app).id != kept
    assert "1 variant, 1 clip" in sidebar(app)
    app.button(key="visit:restore").click()
    settle(app)
    assert session_of(app).id == kept
    assert "Your last session" not in sidebar(app)


def test_a_disk_that_refuses_is_told_and_stops_nothing(
    kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise UserError("This session cannot be saved.", "Make room.")

    app = open_address(session=kept)
    monkeypatch.setattr("pages.session.store.Store.write", refuse)
    pick(app, "number.flac")
    assert len(session_of(app).clips) == 2
    assert any("cannot be saved" in error.value for error in settle(app).error)


def test_large_models_wait_to_be_asked(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.variants.remaking.QUICK_PARAMETERS", 0)
    app = open_address(session=kept)
    session = session_of(app)
    assert not session.variants
    assert "kept as its recipe" in sidebar(app)
    app.button(key="remake:all").click()
    settle(app)
    [variant] = session.variants

    session.use(on_best_device("demo-whisper"))  # its variants come back with the model
    settle(app)
    assert f"1 variant of **{MODEL}** will be back" in sidebar(app)
    assert NAME not in sidebar(app)
    session.use(on_best_device(MODEL))
    assert NAME in sidebar(settle(app))

    copy = session.duplicate_variant(variant)
    settle(app)
    app.button(key=f"row-listen:{copy.id}").click()
    settle(app)
    assert session.hidden_variants == {variant.id}
    app.button(key=f"row-delete:{variant.id}").click()
    settle(app)
    assert session.variants == [copy]
    app.button(key=f"undelete:{variant.id}").click()
    settle(app)
    assert [kept.id for kept in session.waiting] == [variant.id]
    assert not [button for button in app.button if (button.key or "").startswith("undelete")]
    written = dict(session.transcripts.items())
    app.button(key=f"row-delete:{copy.id}").click()
    settle(app)
    assert 0 < len(session.transcripts) < len(written)
    app.button(key=f"undelete:{copy.id}").click()
    settle(app)
    assert dict(session.transcripts.items()) == written


def test_a_link_to_a_comparison_opens_it_for_somebody_else(kept: str) -> None:
    app = open_address(session=kept)
    sender = session_of(app)
    [clip] = sender.clips
    refused = open_address(clip=clip, model=MODEL)  # nobody has shared it yet
    assert not session_of(refused).clips
    assert any("not kept" in error.value for error in refused.error)

    link = shared_link(app)
    assert sorted(link) == ["clip", "model", "recipes"]
    assert kept not in "".join(link.values())
    guest = open_address(**link)
    session = session_of(guest)
    assert session is not sender
    [variant] = session.variants
    assert variant.compression.plan == sender.variants[0].compression.plan
    assert variant.name == NAME
    assert list(session.clips) == [clip]
    assert transcripts(session) == transcripts(sender)
    assert len(session_of(settle(guest)).variants) == 1  # it is followed once

    visit.forget(sender)
    broken = open_address(**{**link, "recipes": link["recipes"][:-20]})
    assert any("cannot be read" in error.value for error in broken.error)
    gone = open_address(clip=clip, model=MODEL)
    assert not session_of(gone).clips


def test_a_link_to_evaluate_brings_the_variants_to_evaluate(kept: str) -> None:
    app = open_address("evaluate", session=kept)
    link = shared_link(app)
    assert sorted(link) == ["mode", "model", "recipes"]
    assert any("evaluates anew" in text.value for text in app.markdown)
    [variant] = session_of(open_address("evaluate", **link)).variants
    assert variant.compression.plan == session_of(app).variants[0].compression.plan


@pytest.mark.parametrize("components", [["ffn", "heads"], ["ffn", "heads", "ranks"]])
def test_a_link_to_compress_brings_its_plan(kept: str, components: list[str]) -> None:
    app = open_address("compress", session=kept)
    own = session_of(app).model
    assert own is not None
    app.session_state[widget_key(own, "components")] = components
    link = shared_link(settle(app))
    assert sorted(link) == ["mode", "model", "plan"]
    guest = open_address("compress", **link)
    model = session_of(guest).model
    assert model is not None
    assert not guest.error
    for name in ("sparsity", "distance", "method", "components"):
        key = widget_key(model, name)
        assert guest.session_state[key] == app.session_state[key]
    assert session_of(guest).n_clusters == session_of(app).n_clusters
