"""Train: fine-tune a compressed model, or pinch one while it learns, with live curves."""

from pathlib import Path

import streamlit as st

from analysis.compression.effort import about
from analysis.models.speech_model import SpeechModel
from analysis.plan.training_settings import DISTILLING, SYNTHESISED, TrainingSettings
from analysis.serving import serving
from pages.frame.frame import run_page
from pages.listening.normaliser import normaliser_of
from pages.runs.training import (
    FINE_TUNING,
    SLOT,
    UNIT_GATES,
    WAYS_TO_TRAIN,
    Choices,
    can_synthesise,
    curves_of,
    foreseen_seconds,
    may_train_on,
    names_of,
    run_folder,
    run_on_show,
    start_key,
    start_training,
)
from pages.runs.training_results import draw_run
from pages.session.job_box import job_box, show_problem
from pages.session.session import Session, Variant
from pages.widgets.basics import explain, primary_button
from pages.widgets.choices import choose_one, held

_DEMO, _FOLDER, _NO_DATA = "Demo", "Folder", "No data"
_WITHOUT_FOLDER = {
    _DEMO: "Sentences of the demo models' own domain, made on this server: training voices, in"
    " rooms and noise.",
    _NO_DATA: "For a model that lost 40 % and more: the original teaches, on the speech that ships."
    " Counted is the divergence from its own words, on other voices.",
}
_RATES = (1e-5, 3e-5, 1e-4, 2e-4, 5e-4, 1e-3)
_CLIPS, _FEWEST_CLIPS = 600, 20
_ORIGINAL = "The original"
_SENTENCE_HEIGHT = 92  # pixels for the longest in a narrow column, so that nothing moves

_SENTENCES = {
    "Fine-tuning": "All weights go on learning; nothing is removed.",
    "Self-pinching": "A threshold per matrix learns which single weights become zeros:"
    " *unstructured*, the model stays as large and as fast (arXiv 2505.22608).",
    "Unit gates": "A threshold on the norm of heads and channels learns which are cut out: a"
    " smaller, faster model. Our structured variant of self-pinching.",
}

EXPLANATION = (
    "**Fine-tuning after compression.** Merging changes every layer a little, and the layers"
    " behind it never saw such inputs. A few epochs on data let them adapt (arXiv 2606.11836: 3"
    " epochs, AdamW, 2·10⁻⁴, batches of 16). With **distillation** the original's outputs and"
    " hidden states are part of the goal.",
    "**Self-pinching gates.** Each weight matrix W has a threshold t. Forward, W ⊙ [W² ≥ t²] is"
    " used; backward, gradients pass through the soft mask sigmoid((W² − t²) / 2τ). The loss gets"
    " λ times the mean of the soft masks, and λ adapts until the wanted sparsity is reached.",
    "**Worked example.** t = 0.05: a weight of 0.04 is used as 0, one of 0.06 as it is. If the"
    " loss falls when the second shrinks, it may fall below t and be pinched; a pinched weight"
    " still gets a gradient and can come back.",
    "**No data.** The original's distributions are a better teacher than one right word: after “I"
    " saw the” it may expect “cat” by 0.7 and “cap” by 0.2. Minimised are Σ p·log(p/q), here of the"
    " original's p and the merged model's q, and the distance of the hidden states. It is training,"
    " but no data set and no transcript has a part in it.",
    "**Validation** is one clip in twenty of the data, never trained on; without data, other voices"
    " and the original's own words for them. The run is a process of"
    " its own: this page may be closed, a cancelled run goes on from where it was. In the shell:"
    " `coalesce finetune` and `coalesce pinch`, also on several machines.",
)


def draw(session: Session, model: SpeechModel) -> None:
    """Draw the page."""
    st.title("Train")
    st.markdown(
        "How much of what compression cost does training bring back, with data or without, and what"
        " can be removed while a model learns?"
    )
    start, choices, obstacle = _draw_choices(session, model)
    _draw_start(session, model, start, choices, obstacle)
    show_problem(session.jobs, SLOT)
    folder = run_on_show(session, model)
    curves = curves_of(folder) if folder is not None else None
    if curves is not None and curves.start:
        draw_run(curves, names_of(session, model))
    elif session.jobs.running(SLOT) is None:
        with st.container(border=True):
            st.markdown(
                "Here will be the curves: loss and word error rate over the steps and, with gates,"
                " the sparsity and the thresholds of every layer. The result becomes a variant"
                " for **Transcribe** and **Evaluate**."
            )
    explain(EXPLANATION)


def _draw_choices(
    session: Session, model: SpeechModel
) -> tuple[Variant | None, Choices, str | None]:
    """From what, how, on what; with what is still missing."""
    left, right = st.columns([10, 7], gap="small")
    with left:
        method = choose_one("Method", WAYS_TO_TRAIN, key="train-method")
        with st.container(height=_SENTENCE_HEIGHT, border=False):
            st.caption(_SENTENCES[method])
        start = _draw_model(session, model, method)
    with right:
        data, n_clips = _draw_data(model, method)
    data_free = data == SYNTHESISED
    epochs, rate, batch = _draw_optimiser(data_free)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        share = 0.0 if method == FINE_TUNING else _draw_sparsity()
        distil = data_free or st.toggle(
            "Distil from the original",
            value=held("train-distil", False),
            key="train-distil",
            persist_state="session",
            help="Half of the loss is the distance to the original's outputs and hidden states.",
        )
        language = None if data_free else _draw_language(model)
    chosen = Choices(
        method=method,
        data=data,
        n_clips=n_clips,
        epochs=epochs,
        learning_rate=rate,
        batch_size=batch,
        sparsity=share,
        distil=distil,
        normaliser=normaliser_of(model),
        language=language,
    )
    obstacle = None if data or n_clips else "Name the data to train on."
    if not may_train_on(data):
        obstacle = "This folder or file is not open to visitors of this server."
    if data_free and start is None and not model.lineage:
        obstacle = (
            "The original has nothing to learn from itself: start from a variant, which Compress"
            " makes."
        )
    elif _is_multilingual(model) and not language and not data_free:
        obstacle = "This model is multilingual: name the language of the data."
    return start, chosen, obstacle


def _draw_sparsity() -> float:
    """The share that is pinched in the end."""
    percent = st.slider(
        "Sparsity",
        10,
        90,
        held("train-sparsity", 50),
        step=5,
        format="%d %%",
        key="train-sparsity",
        persist_state="session",
        help="Share of the parameters of heads and channels that is pinched in the end.",
    )
    return percent / 100


def _draw_model(session: Session, model: SpeechModel, method: str) -> Variant | None:
    """What to start from; None is the original."""
    if method == UNIT_GATES:  # what is cut out is told by one plan, that of the original
        st.caption("Unit gates start from the original.")
        return None
    variants = {v.id: v for v in session.variants_of(model) if not v.is_int8}
    options = ["", *variants]
    key = start_key(model)
    # what compression cost can be brought back in a variant; a choice stays after a run, which
    # adds one
    newest = next(reversed(variants), "") if method == FINE_TUNING else ""
    before = held(key, newest)
    chosen = st.selectbox(
        "Start from",
        options,
        index=options.index(before) if before in options else 0,
        format_func=lambda name: variants[name].name if name else _ORIGINAL,
        key=key,
        persist_state="session",
        help="Variants come from Compress.",
    )
    return variants.get(chosen)


def _draw_data(model: SpeechModel, method: str) -> tuple[str, int | None]:
    """What stands for the data in `Choices`, and how many clips."""
    kinds = [_DEMO] if can_synthesise(model) else []
    kinds += [_FOLDER] if serving().folders else []
    kinds += [_NO_DATA] if method == FINE_TUNING else []
    if not kinds:
        st.caption("This server has no data that visitors may train on.")
        return "", None
    kind = choose_one("Data", kinds, key="train-data")
    data = {_DEMO: "", _NO_DATA: SYNTHESISED}.get(kind)
    if data is None:
        data = st.text_input(
            "Folder or manifest",
            value=held("train-folder", ""),
            key="train-folder",
            persist_state="session",
            placeholder="/data/LibriSpeech/train-clean-100",
            help="On the computer that serves this page: a LibriSpeech folder, a folder with"
            " metadata.csv, a JSONL manifest.",
        ).strip()
    else:
        with st.container(height=_SENTENCE_HEIGHT, border=False):
            st.caption(_WITHOUT_FOLDER[kind])
    n_clips = st.number_input(
        "Clips to make" if kind == _DEMO else "Clips at most",
        min_value=_FEWEST_CLIPS,
        value=_CLIPS if kind == _DEMO else None,
        placeholder="all",
        key=f"train-clips:{kind}",
        persist_state="session",
    )
    return data, int(n_clips) if n_clips and (data or kind == _DEMO) else None


def _draw_optimiser(data_free: bool) -> tuple[int, float, int]:
    """Epochs, learning rate, batch size; without data they start from other values."""
    usual, suffix = TrainingSettings(), ""
    if data_free:
        usual, suffix = TrainingSettings(**DISTILLING), ":data-free"
    left, middle, right = st.columns(3, gap="medium")
    with left:
        epochs = st.number_input(
            "Epochs",
            min_value=1,
            max_value=100,
            value=held(f"train-epochs{suffix}", usual.epochs),
            key=f"train-epochs{suffix}",
            persist_state="session",
        )
    with middle:
        batch = st.number_input(
            "Batch",
            min_value=1,
            max_value=256,
            value=held(f"train-batch{suffix}", usual.batch_size),
            key=f"train-batch{suffix}",
            persist_state="session",
            help="Clips per step.",
        )
    with right:
        rate = st.selectbox(
            "Learning rate",
            _RATES,
            index=_RATES.index(held(f"train-rate{suffix}", usual.learning_rate)),
            format_func=lambda rate: f"{rate:.5f}".rstrip("0"),
            key=f"train-rate{suffix}",
            persist_state="session",
            help="Peak of AdamW's: it rises for a tenth of the steps, then falls to 0.",
        )
    return int(epochs), rate, int(batch)


def _is_multilingual(model: SpeechModel) -> bool:
    settings = getattr(model.model, "generation_config", None)  # CTC models have none
    return bool(getattr(settings, "is_multilingual", False))


def _draw_language(model: SpeechModel) -> str | None:
    """The language of the data, where the model has several."""
    if not _is_multilingual(model):
        return None
    named = st.text_input(
        "Language",
        value=held("train-language", ""),
        key="train-language",
        persist_state="session",
        placeholder="english",
    )
    return named.strip() or None


def _has_begun(folder: Path) -> bool:
    """Whether a run was left before its end."""
    return bool(curves_of(folder).steps) and not (folder / "config.json").is_file()


def _draw_start(
    session: Session,
    model: SpeechModel,
    start: Variant | None,
    choices: Choices,
    obstacle: str | None,
) -> None:
    """What is missing or how long it will take; the button, or the progress of what runs."""
    begun = session.jobs.running(SLOT) is None and _has_begun(run_folder(model, start, choices))
    if obstacle:
        st.caption(obstacle)
    elif not begun:
        seconds = foreseen_seconds(model, choices)
        takes = "It takes as long as the clips are many: the time left is told when they are read."
        if seconds is not None:
            takes = f"It takes {about(seconds)} on this computer."
        st.markdown(f":small[{takes}]")

    def idle() -> None:
        pressed = primary_button(
            "Go on training" if begun else "Train",
            "model_training",
            key="start-training",
            disabled=obstacle is not None,
        )
        if pressed and obstacle is None:
            start_training(session, model, start, choices)
            st.rerun()

    job_box(session.jobs, (SLOT,), idle, wide=True)


run_page(draw)
