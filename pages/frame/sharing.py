"""Copy link: whoever opens it sees this view, and gets nothing else of the session.

The link carries the page and its settings; on Transcribe the variants on show as recipes and the
clip, on Evaluate all variants as recipes, on Compress the plan that is being edited. A recipe is
all that it takes to make the same model. An uploaded clip is named by its hash, for as long as this
server keeps it.
"""

import json

import streamlit as st

from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import CALIBRATED
from analysis.plan.tokens import LONGEST_TOKEN, NamedPlan, from_token, to_token
from pages.listening.bundled import bundled_clips, title_of
from pages.listening.clips import take_bundled
from pages.planning import recipes
from pages.planning.settings import read_settings
from pages.session import link, records, store, visit
from pages.session.job_box import show_problem
from pages.session.session import KeptVariant, Session, Variant
from pages.session.shelves import origin_id
from pages.widgets.formatting import escape_markdown

RECIPES, PLAN, CLIP = "recipes", "plan", "clip"
"""Parameters of a link."""

COMPARING, PLANNING, EVALUATING = "Transcribe", "Compress", "Evaluate"
"""Titles of the pages whose links carry more than what stands in the address."""

SHOW_VARIANTS = (COMPARING, PLANNING, EVALUATING)
"""Titles of the pages that show the variants."""

_BY_HAND = "Point at the address, and press the button that appears at its right end."

_WANTED = "link:wanted"
_FOLLOWED = "link:followed"
_PROBLEM = "link"


def draw_button() -> None:
    """The button; the dialog comes when the page has been drawn, and its view is known."""
    if st.button("Copy link", icon=":material/link:", width="stretch", key="copy-link"):
        st.session_state[_WANTED] = True


def follow(session: Session, model: SpeechModel, page: str) -> None:
    """Set up what an opened link carries, before its page is drawn; and say where that failed.

    Parameters
    ----------
    session : Session
    model : SpeechModel
        The one in use; a link made with another one waits for that.
    page : str
        Title of the page.
    """
    show_problem(session.jobs, _PROBLEM)
    given = link.opened()
    if page not in SHOW_VARIANTS or given is st.session_state.get(_FOLLOWED):
        return
    is_of_another = given.get(link.MODEL, model.source) != model.source
    if is_of_another or given.keys() & {RECIPES, PLAN, CLIP}:
        link.follow(model, {})  # which says so, where it waits for another model
    if is_of_another:
        return
    st.session_state[_FOLLOWED] = link.opened()
    try:
        if page != PLANNING and RECIPES in given:
            _add_variants(session, model, given[RECIPES])
        if page == COMPARING and CLIP in given:
            _choose_clip(session, given[CLIP])
        if page == PLANNING and PLAN in given:
            _take_plan(session, model, given[PLAN])
    except UserError as error:
        session.jobs.problems[_PROBLEM] = error
        st.rerun()


def draw_dialog(session: Session, model: SpeechModel, page: str) -> None:
    """The link to the view on show, if somebody asked for it; after the page."""
    if st.session_state.pop(_WANTED, False):
        more, left_out = _carried(session, model, page)
        _dialog(link.to_share(more), left_out)


@st.dialog("Copy link", icon=":material/link:")
def _dialog(address: str, left_out: list[str]) -> None:
    st.code(address, language=None)
    _copy(address)
    st.caption(
        "Whoever opens it sees this page of the same model, with what is chosen on it. It does not"
        " open your session, as the address in your browser does."
    )
    for sentence in left_out:
        st.markdown(f":small[:material/info: {sentence}]")


def _copy(address: str) -> None:
    """Put the address where a person pastes from; a browser forbids it to pages of plain http.

    Parameters
    ----------
    address : str
        Its parameters are percent-encoded, so that it holds no markup.
    """
    text = json.dumps(address).replace("<", r"\u003c")
    st.html(
        f"<p id='link-copied'>{_BY_HAND}</p><script>navigator.clipboard?.writeText({text}).then("
        "() => {document.getElementById('link-copied').textContent = 'It is copied: paste it where"
        " you like.'})</script>",
        unsafe_allow_javascript=True,
    )


def _carried(session: Session, model: SpeechModel, page: str) -> tuple[dict[str, str], list[str]]:
    """Parameters beside those in the address; and what could not be among them."""
    more: dict[str, str] = {}
    notes: list[str] = []
    if page == PLANNING:
        settings = read_settings(model)
        if settings.recipe.excitation == CALIBRATED and settings.recipe.listens:
            notes.append("The settings listen to a clip of your own, so they are not in the link.")
        elif settings.recipe.components:
            plan = settings.plan(model, session.n_clusters[model.weight_hash])
            more[PLAN] = to_token([NamedPlan("plan", plan)])
    if page in (COMPARING, EVALUATING):
        everything = session.variants_of(model)
        hidden = session.hidden_variants if page == COMPARING else ()
        notes += _carry_recipes([v for v in everything if v.id not in hidden], more)
    if page == COMPARING:
        notes += _carry_clip(session, more)
    if page == EVALUATING:
        notes.append("Results are not in the link: whoever opens it evaluates anew.")
    return more, notes


def _carry_recipes(shown: list[Variant], more: dict[str, str]) -> list[str]:
    """Name variants by their recipes."""
    able = [variant for variant in shown if _fits_a_link(variant)]
    notes = [
        f"**{escape_markdown(variant.name)}** is more than its recipe, so it is not in the"
        " link: save it and send the folder."
        for variant in shown
        if variant not in able
    ]
    token = to_token([NamedPlan(v.name, v.compression.plan, v.is_int8) for v in able])
    if able and len(token) <= LONGEST_TOKEN:
        more[RECIPES] = token
    elif able:
        notes.append("So many variants fit no link; share fewer of them.")
    return notes


def _fits_a_link(variant: Variant) -> bool:
    recipe = variant.compression.plan.recipe
    listened = recipe.listens and recipe.excitation == CALIBRATED
    return variant.folder is None and not listened


def _carry_clip(session: Session, more: dict[str, str]) -> list[str]:
    """Name the clip on show: a bundled one by its file, an upload by its hash."""
    clip = session.clips.get(session.current_clip or "")
    if clip is None:
        return []
    bundled = {title_of(each): each.path.name for each in bundled_clips()}
    if clip.origin == "bundled" and clip.audio.name in bundled:
        more[CLIP] = bundled[clip.audio.name]
        return []
    clip.is_shared = True
    visit.keep(session)
    if records.clip_file(clip.id) not in session.saved:
        return ["This server does not keep the clip, so it is not in the link."]
    more[CLIP] = clip.id
    return [
        f"Whoever has the link can hear **{escape_markdown(clip.audio.name)}**, until you forget"
        f" this session or do not come back to it for {store.days_kept():g} days."
    ]


def _add_variants(session: Session, model: SpeechModel, token: str) -> None:
    """Let the variants of a link wait to be made, but for those that are here already."""
    here = [(v.compression.plan, v.is_int8) for v in session.variants_of(model)]
    here += [(kept.plan, kept.is_int8) for kept in session.waiting_of(model)]
    for named in from_token(token):
        model.check_plan(named.plan)
        if (named.plan, named.is_int8) in here:
            continue
        session.waiting.append(
            KeptVariant(
                id=session.free_id(),
                name=session.free_name(named.name, origin_id(model)),
                error=None,
                base=origin_id(model),
                color=session.next_color(),
                folder=None,
                plan=named.plan,
                is_int8=named.is_int8,
                health=None,
            )
        )
        session.n_variants_made += 1


def _choose_clip(session: Session, name: str) -> None:
    """Take a bundled clip, one of the session, or one that somebody of this server shares."""
    bundled = next((each for each in bundled_clips() if each.path.name == name), None)
    if bundled is not None:
        take_bundled(session, bundled)
        return
    if name not in session.clips:
        found = store.stores_with(records.clip_file(name))
        clips = (records.read_clip(own, records.clip_file(name)) for own in found)
        clip = next((clip for clip in clips if clip.is_shared), None)
        if clip is None:
            raise UserError(
                "The clip of this link is not kept on this server any more.",
                "Ask who sent the link for the sound itself.",
            )
        clip.is_shared = False
        session.clips[clip.id] = clip
    session.current_clip = name


def _take_plan(session: Session, model: SpeechModel, token: str) -> None:
    """Edit the plan of a link from here on."""
    [named] = from_token(token) or (None,)
    if named is None:
        return
    model.check_plan(named.plan)
    recipes.take_over(session, model, named.plan)
