"""Listen: one clip, the words of three models beside each other, and one slider that breaks them.

Title and player above it are drawn by `pages.listening.opening`, before this page can be.
"""

import math
from collections.abc import Mapping

import streamlit as st

from analysis.evaluation.ladder import PERCENTS, SIDES, Heard, Side
from analysis.evaluation.scoring import Score, score
from analysis.figures.marked_words import legend, marked_transcript, scrolling
from analysis.figures.palette import NEUTRAL, ORIGINAL, variant_color
from analysis.models.loading import DEMO_MODELS
from analysis.models.speech_model import SpeechModel
from analysis.serving import serving
from analysis.wording import number_of
from pages.frame import tour
from pages.frame.frame import run_page
from pages.frame.model_choice import (
    SMALL_WHISPER,
    SMALL_WHISPER_BYTES,
    choose_model,
    suggest_whisper,
)
from pages.listening.bundled import BundledClip
from pages.listening.opening import (
    CLIP_PARAMETER,
    FIRST_PERCENT,
    PERCENT_KEY,
    PERCENT_PARAMETER,
    clip_on_show,
)
from pages.listening.rehearsal import (
    DEMO_KEY,
    NORMALISER,
    SLOT,
    Rehearsal,
    model_on_show,
    server_rehearsal,
)
from pages.session import link
from pages.session.job_box import show_problem
from pages.session.session import Session, on_best_device
from pages.widgets.basics import explain, keep_in_sight, swatch
from pages.widgets.choices import held
from pages.widgets.formatting import count, escape_markdown, percent, size
from pages.widgets.presented import scaled
from pages.widgets.ticking import tick

WORDS_HEIGHT = 9.375
"""Of each model's words at most, in units of the page's type (rem)."""
_LINE, _WORDS_IN_A_LINE = 1.9, 4
"""Height of a line in the same units, and words that surely fit on it on a projector."""

DOOR_WIDTH = 230

_NAMES: Mapping[Side, str] = {"original": "Original", "merged": "Merged", "pruned": "Pruned"}
_HELP: Mapping[Side, str] = {
    "original": "The model as it was loaded.",
    "merged": "Units of like weights have become one.",
    "pruned": "The units of the smallest weights are gone; as many stay as in the merged model.",
}
_TITLES = {"demo-whisper": "Whisper", "demo-hubert": "HuBERT"}
_COLORS: Mapping[Side, str] = {
    "original": ORIGINAL,
    "merged": variant_color(0),
    "pruned": NEUTRAL,  # as in every chart of Evaluate: the baseline
}

RECIPE_LINE = (
    "Recipe: units of like weights are merged, the cheapest merges first; pruning drops the"
    " smallest and keeps as many in each layer. No data, no training. Word error rates (WER) after"
    f" the normaliser “{NORMALISER}”."
)

EXPLANATION = (
    "A transformer layer is built from **units**: attention heads, and channels of its feed-forward"
    " network. The slider takes that share of them away. **Merged**: units of one layer whose"
    " weights are alike fall into clusters, and each cluster becomes one unit; the cheapest merges"
    " of the whole model come first. **Pruned**: every layer keeps as many units, those of the"
    " largest weights; the others are dropped. So both are equally small and have the same work to"
    " do. Neither is trained, and neither has seen any data.",
    "All words here were written by the loaded weights, compressed on this server; they are made"
    " beforehand and kept, so that the slider does not have to wait. **What the slider does not"
    " say**: the number of units per layer is chosen for merging, and magnitude pruning gets the"
    " same one. Compress has every method with every choice, and the recipe there by default first"
    " listens to synthesised speech, which takes longer. And one clip is an example: Evaluate has"
    " error rates over many, with intervals.",
    r"**Word error rate.** $\mathrm{WER} = \frac{S + I + D}{N}$: words substituted (S, underlined),"
    " inserted (I, boxed) and deleted (D, struck through), over the $N$ words that are said."
    " Example: *remove milk and eight* for *remove milk and cheese from my list* has one word"
    " substituted and three missing, 4 of 7: 57 %.",
)


def draw(session: Session, model: SpeechModel) -> None:
    """Draw the page below the player."""
    link.follow(model, {PERCENT_PARAMETER: (PERCENT_KEY, _percent_of)})
    rehearsal, clip = server_rehearsal(), clip_on_show()
    shown = model_on_show(session)
    done, total = rehearsal.n_made(shown, clip.path.name)
    waiting = done < total
    # A fragment: the slider draws its words again and nothing else of the page.
    if session.coming.source not in DEMO_MODELS:
        _say_whose_words(model)
    live = st.fragment(_words)
    live(session, model, rehearsal, shown, clip, waiting)
    _doors(session, model)
    explain(EXPLANATION)


def _percent_of(text: str) -> int | None:
    return int(text) if text in map(str, PERCENTS) else None


def _words(
    session: Session,
    model: SpeechModel,
    rehearsal: Rehearsal,
    shown: str,
    clip: BundledClip,
    waiting: bool,
) -> None:
    """Switch and slider, and the three columns that follow them."""
    name = clip.path.name
    keep_in_sight("listen-controls", on_phones_alone=True)  # the words are below each other
    with st.container(key="listen-controls"):
        left, right = st.columns([2, 4], vertical_alignment="bottom")
    with left:
        _switch(session, shown)
    with right:
        sparsity = st.slider(
            "Heads and channels removed",
            PERCENTS[0],
            PERCENTS[-1],
            held(PERCENT_KEY, FIRST_PERCENT),
            step=PERCENTS[1] - PERCENTS[0],
            format="%d %%",
            key=PERCENT_KEY,
            persist_state="session",
        )
    link.write_address(model, {CLIP_PARAMETER: name, PERCENT_PARAMETER: str(sparsity)})
    heard = rehearsal.show(shown, name, sparsity)
    done, total = rehearsal.n_made(shown, name)
    if waiting and done == total:
        st.rerun()  # all is there: the page need not look again
    scores = {side: score(clip.reference, own.text, NORMALISER) for side, own in heard.items()}
    _draw_finding(rehearsal, scores, sparsity)
    height = _words_height(clip.reference)
    for column, side in zip(st.columns(len(SIDES)), SIDES, strict=True):
        with column.container(border=True, gap="xsmall"):
            _card(side, scores.get(side), height, done, total)
    st.caption(f"{_cost(heard)}{RECIPE_LINE}")
    if waiting:
        tick("tick:listen")
    tour.look_again(session, model)


def _say_whose_words(model: SpeechModel) -> None:
    """A model of the visitor's own is loaded, and the words here are not its."""
    name = escape_markdown(model.name)
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{name}** is loaded; these words are still of the small bundled models.")
        st.page_link("pages/compress.py", label=f"Compress {name}", icon=":material/compress:")


def _switch(session: Session, shown: str) -> None:
    """Which of the bundled models; unless another one is loaded, the app loads it, too."""
    chosen = st.segmented_control(
        "Small model",
        list(DEMO_MODELS),
        default=shown,
        required=True,
        format_func=lambda name: _TITLES.get(name, name),
        key=f"listen:model:{shown}",
    )
    if chosen and chosen != shown:
        if session.coming.source in DEMO_MODELS:
            session.use(on_best_device(chosen))
        else:  # a model of the visitor's own stays loaded
            st.session_state[DEMO_KEY] = chosen
        st.rerun()


def _words_height(reference: str) -> float:
    """Of the words in every card (rem): by what is said, so that the slider moves nothing."""
    n_lines = 1 + math.ceil(len(reference.split()) / _WORDS_IN_A_LINE)
    return min(WORDS_HEIGHT, _LINE * n_lines)


def _card(side: Side, own: Score | None, height: float, done: int, total: int) -> None:
    """One model's name, errors and words; before they are there, how far the work is."""
    wer = f"{percent(own.wer, 0)} WER" if own else "–"
    st.markdown(f"{swatch(_COLORS[side])} **{_NAMES[side]}**", help=_HELP[side])
    st.metric("WER", wer, label_visibility="collapsed")
    if own is not None:
        st.html(scrolling(marked_transcript(own.alignment), height, f"Words: {_NAMES[side]}"))
        return
    with st.container(height=scaled(round(16 * height)), border=False):
        if done < total:
            st.progress(done / total, text=f":small[{done} of {total} transcripts of this clip]")


def _draw_finding(rehearsal: Rehearsal, scores: Mapping[Side, Score], sparsity: int) -> None:
    """The sentence that the words below prove, and the marks that they bear."""
    left, right = st.columns([2, 1], vertical_alignment="center")
    with left:
        if SLOT in rehearsal.jobs.problems:
            show_problem(rehearsal.jobs, SLOT, "Try again")
        else:
            st.markdown(_finding(scores, sparsity))
    right.html(legend())


def _finding(scores: Mapping[Side, Score], sparsity: int) -> str:
    """What the words of the three say, in one sentence."""
    if len(scores) < len(SIDES):
        return "The models of this sparsity are being made; their words come in a moment."
    merged, pruned = scores["merged"], scores["pruned"]
    if sparsity == 0:
        return "Nothing is removed: all three are the same model. **Move the slider.**"
    return (
        f"With **{sparsity} %** removed, the merged model makes"
        f" **{number_of(merged.errors, 'error')}** in {number_of(merged.words, 'word')},"
        f" the pruned one **{pruned.errors}**."
    )


def _cost(heard: Mapping[Side, Heard]) -> str:
    """How large the compressed models are; both have the same shape."""
    if len(heard) < len(SIDES):
        return ""
    before, after = heard["original"], heard["merged"]
    return (
        f"Both have {count(after.parameters)} of {count(before.parameters)} parameters and"
        f" {percent(after.macs / before.macs, 0)} of the multiply-accumulates. "
    )


def _doors(session: Session, model: SpeechModel) -> None:
    """Where to go from here."""
    doors = st.grid(3, min_column_width=DOOR_WIDTH)
    if _door(
        doors,
        "mic",
        "Your own voice or file",
        "Record or upload on Transcribe; the original and your variants write it down.",
    ):
        st.switch_page("pages/transcribe.py")
    if session.coming.source not in DEMO_MODELS:
        if _door(doors, "swap_horiz", "Another model", "The folder of a checkpoint, or a hub id."):
            choose_model(session)
    elif serving().downloads and _door(
        doors,
        "download",
        "A real Whisper",
        f"**{escape_markdown(SMALL_WHISPER)}** from the hub, {size(SMALL_WHISPER_BYTES)}, fetched"
        " once; or the folder of a checkpoint.",
    ):
        suggest_whisper(session)
    if _door(
        doors,
        "bubble_chart",
        "Why does this work?",
        "On Clusters, see which units of a layer are alike and become one.",
    ):
        st.switch_page("pages/clusters.py")
    tour.draw_start(model, type="tertiary")


def _door(place: st.delta_generator.DeltaGenerator, icon: str, title: str, text: str) -> bool:
    """A card with one way out; whether it was taken."""
    with place.container(border=True, gap=None, height="stretch"):
        taken = st.button(f"**{title}**", icon=f":material/{icon}:", type="tertiary")
        st.caption(text)
    return taken


run_page(draw)
