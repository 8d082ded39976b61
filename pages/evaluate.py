"""Evaluate: many compressed models on a corpus, with the tests that a paper needs."""

from collections.abc import Mapping, Sequence

import streamlit as st

from analysis.compression.compress import Compression
from analysis.compression.effort import WORTH_SAYING, about
from analysis.errors import UserError
from analysis.evaluation.corpora import Fault
from analysis.evaluation.foresight import Foresight, foresee
from analysis.evaluation.sweep_spec import OWN_ALLOCATION, SweepSpec, read_way
from analysis.evaluation.uploads import ARCHIVE_EXTENSION, TABLE_EXTENSIONS
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import ALLOCATIONS
from analysis.serving import serving
from analysis.speech.audio import SUPPORTED_EXTENSIONS
from analysis.speech.disturbing import (
    DISTURBANCES,
    describe_condition,
    read_condition,
    read_conditions,
)
from analysis.speech.recognition import TranscriptionOptions
from pages.frame.frame import run_page
from pages.listening.normaliser import choose_normaliser
from pages.planning.hearing import find_excitation
from pages.runs.opened import draw_open_results
from pages.runs.sweep_results import draw_results
from pages.runs.sweeps import (
    ALLOCATIONS_KEY,
    FIRST_WAYS,
    HELDOUT,
    METHODS_KEY,
    SLOT,
    SPARSITIES_KEY,
    WAYS_TO_COMPRESS,
    heldout_seconds,
    start,
    state_of,
    uploaded_folder,
    use_papers,
)
from pages.session.job_box import job_box, show_problem
from pages.session.session import Session
from pages.session.shelves import footprint_of
from pages.session.sweep_state import SweepState
from pages.widgets.basics import data_table, explain, primary_button, show_error
from pages.widgets.choices import choose_one, choose_some
from pages.widgets.formatting import escape_markdown

_OWN = "each method's own"
_ALLOCATIONS = {_OWN: "What a method has where nobody chose.", **ALLOCATIONS}
COLUMN_WIDTH = 265
"""Pixels of a column in which no control is cut: two stand side by side on a projector."""

SPARSITIES = (5, 10, 15, 20, 30, 40, 50, 60)
CONDITIONS = [*map(read_condition, DISTURBANCES), "noise:0"]
"""That are offered to disturb the corpus with."""

_BUNDLED, _NAMED, _UPLOADED = "Held-out set", "Path or id", "Upload"

EXPLANATION = (
    "**Word error rate** over the whole corpus: substitutions, insertions and deletions of all"
    " utterances, over all words of the references, after one normaliser on both sides. An average"
    " of the utterances' own rates would weigh a word of a short one more.",
    "**How sure is it?** The bands redraw the utterances (whole speakers, where ten or more are"
    " known) with replacement, 10,000 times, and show where 95 % of the WERs fall (Bisani and Ney"
    " 2004). Two models hear the same utterances, so their *difference* is surer than either rate:"
    " it is redrawn in pairs.",
    "**MAPSSWE**, the test that speech papers report (Gillick and Cox 1989), cuts the utterances"
    " into segments between words that both models get right, and asks whether the mean difference"
    " of errors per segment could be zero.",
    "**Worked example.** 2 wrong words in 40 are a WER of 5 %. If another model makes 1 more error"
    " in each of 9 segments and 1 less in a tenth, the mean difference is 0.8, its standard error"
    " 0.2: z = 4, p < 0.001, though the two WERs' own bands may well overlap.",
    "**Data**: LibriSpeech folders (`*.trans.txt`), folders with `metadata.csv` (columns"
    " `file_name`, `transcription`, optionally `speaker`), JSONL manifests (`audio_filepath`,"
    " `text`). The same sweep runs in the shell, on many processes and machines: `coalesce sweep`.",
)


def draw(session: Session, model: SpeechModel) -> None:
    """Draw the page."""
    st.title("Evaluate")
    st.markdown(
        "How many words do compressed models get wrong, on a whole corpus, and is a difference"
        " more than chance?"
    )
    state = state_of(session, model)
    # folded where there are results, which then are in sight
    with st.expander("What is evaluated", icon=":material/tune:", expanded=not state.evaluated):
        spec, limit, problem = _draw_choices(model)
        made = _draw_variants(session, model)
    _draw_start(session, model, state, spec, made, limit)
    if problem is not None:
        show_error(problem)
    draw_open_results(session, model)
    show_problem(session.jobs, SLOT)
    _draw_corpus(state)
    if state.evaluated:
        draw_results(session, model, state)
    elif session.jobs.running(SLOT) is None:
        with st.container(border=True):
            st.markdown(
                "Here will be the curves: WER against what was removed, a line per method, then"
                " WER against size and speed, a table for a paper, and the worst utterances."
            )
    explain(EXPLANATION)


def _draw_choices(model: SpeechModel) -> tuple[SweepSpec | None, int | None, UserError | None]:
    """Data and grid; with what is wrong about them."""
    grid = st.grid(2, min_column_width=COLUMN_WIDTH, gap="small")
    with grid.cell():
        source, problem = _draw_data()
        limit = st.number_input(
            "Utterances at most",
            min_value=1,
            value=None,
            placeholder="all",
            key="sweep-limit",
            persist_state="session",
            help="That many from all over the corpus: for a first look.",
        )
        normaliser = choose_normaliser(model)
        sparsities = choose_some(
            "Sparsities (%)", SPARSITIES, key=SPARSITIES_KEY, default=(10, 20, 30)
        )
        allocations = choose_some(
            "Allocations",
            [OWN_ALLOCATION, *ALLOCATIONS],
            key=ALLOCATIONS_KEY,
            default=[OWN_ALLOCATION],
            format_func=lambda name: _OWN if name == OWN_ALLOCATION else name,
            help_text="\n".join(f"- **{name}**: {text}" for name, text in _ALLOCATIONS.items()),
        )
    with grid.cell():
        methods = choose_some(
            "Methods", list(WAYS_TO_COMPRESS), key=METHODS_KEY, default=FIRST_WAYS
        )
        stress = choose_some(
            "Stress",
            CONDITIONS,
            key="sweep-stress",
            default=[],
            format_func=describe_condition,
            help_text="Hears the corpus again under each condition, seeded.\n\n"
            + "\n".join(f"- **{name}**: {one.help}" for name, one in DISTURBANCES.items()),
        )
        more_stress = st.text_input(
            "Other stress",
            key="sweep-more-stress",
            persist_state="session",
            placeholder="telephone+noise:5, gain:-12",
            help="Amounts of your own, as in the shell's `--stress`; several joined by +, and"
            " conditions divided by commas.",
        )
        st.button(
            "The papers' methods beside ours",
            key="sweep-papers",
            on_click=use_papers,
            args=(model,),
            help="Magnitude and clustering with uniform and mixed K, and Coalesce's default with"
            " the same and its own; at 10 % of a Whisper, 50 % of a CTC model, as in arXiv"
            " 2606.11836. What does not go together is left out, and the table says so.",
        )
    if not (source and methods and sparsities and allocations):
        return None, None, problem
    try:
        spec = SweepSpec.read(
            {
                "model": (model.source,),
                "data": source,
                "method": tuple(
                    read_way(WAYS_TO_COMPRESS[name]).changed(name=name) for name in methods
                ),
                "sparsity": tuple(percent / 100 for percent in sorted(sparsities)),
                "allocation": tuple(allocations),
                "stress": read_conditions([*stress, more_stress]),
                "normaliser": normaliser,
            }
        )
    except UserError as fault:
        return None, None, fault
    return spec, limit, None


def _draw_data() -> tuple[str, UserError | None]:
    """Where the corpus is, empty if nowhere yet; with what is wrong about an upload."""
    allowed = serving()
    kinds = [_BUNDLED]
    kinds += [_NAMED] if allowed.folders or allowed.downloads else []
    kinds += [_UPLOADED] if allowed.writes else []
    kind = choose_one("Data", kinds, key="sweep-data")
    if kind == _BUNDLED:
        st.caption(
            "200 sentences of the demo models' own domain, synthesised, by voices that they"
            " never heard."
        )
        return str(HELDOUT), None
    if kind == _NAMED:
        path = st.text_input(
            "Folder, manifest or id",
            key="sweep-folder",
            persist_state="session",
            placeholder="/data/LibriSpeech/test-clean",
            help="On the computer that serves this page: a LibriSpeech folder, a folder with"
            " metadata.csv, a JSONL manifest. Or ID:CONFIG:SPLIT of a Hugging Face data set,"
            " fetched once.",
        )
        return path.strip(), None
    files = st.file_uploader(
        "Clips and their table, or a ZIP file of them",
        accept_multiple_files=True,
        type=[*SUPPORTED_EXTENSIONS, *TABLE_EXTENSIONS, ARCHIVE_EXTENSION],
        key="sweep-files",
        help="The table: metadata.csv (file_name, transcription), LibriSpeech's *.trans.txt, or a"
        " JSONL manifest.",
    )
    try:
        folder, faults = uploaded_folder(files)
    except UserError as problem:
        return "", problem
    _draw_faults(faults, "of the upload left out", "upload-faults")
    return str(folder or ""), None


def _draw_variants(session: Session, model: SpeechModel) -> dict[str, Compression]:
    """The visitor's own variants, to be evaluated too."""
    # by their ids: one that is renamed stays chosen
    variants = {variant.id: variant for variant in session.variants_of(model)}
    if not variants:
        return {}
    chosen = choose_some(
        "Variants made on Compress",
        list(variants),
        key=f"sweep-variants:{model.weight_hash[:16]}:{session.n_variants_made}",
        default=list(variants),
        format_func=lambda id_: escape_markdown(variants[id_].name) if id_ in variants else "",
    )
    return {variants[id_].name: variants[id_].compression for id_ in chosen}


def _draw_start(
    session: Session,
    model: SpeechModel,
    state: SweepState,
    spec: SweepSpec | None,
    made: Mapping[str, Compression],
    limit: int | None,
) -> None:
    """How long it will take, and under it the button, or the progress of what runs."""
    options = TranscriptionOptions(word_times=_draw_confidence())
    foresight = None
    if spec is not None:
        foresight = foresee(
            model,
            footprint_of(model),
            spec.cells(),
            len(made),
            hear=lambda recipe: find_excitation(session, model, recipe),
            real_time_factor=state.original.real_time_factor if state.evaluated else None,
        )
        st.markdown(f":small[{_time(foresight, spec, limit)}]")

    def idle() -> None:
        pressed = primary_button(
            f"Evaluate {foresight.n_models} models" if foresight else "Evaluate",
            "monitoring",
            key="start-sweep",
            disabled=spec is None,
        )
        if pressed and spec is not None:
            start(session, model, spec, made, limit, options)
            st.rerun()

    job_box(session.jobs, (SLOT,), idle, wide=True)


def _draw_confidence() -> bool:
    """Whether it is kept how sure the models are of their words."""
    return st.toggle(
        "Word confidence",
        key="sweep-confidence",
        persist_state="session",
        help="Keeps how sure every model is of each word, for a look at its calibration. A Whisper"
        " goes through each clip once more for it.",
    )


def _time(foresight: Foresight, spec: SweepSpec, limit: int | None) -> str:
    """How long it will take, as far as the data are known."""
    if spec.data == str(HELDOUT):
        said = f"It takes {about(foresight.seconds(heldout_seconds(limit)))} on this computer"
    else:
        said = f"It takes {about(60 * foresight.transcribing)} for each minute of sound"
        if foresight.listening:
            said += f", and {about(foresight.listening)} to listen first"
    trading = foresight.trading
    more = f"; trades of units may add {about(trading)}" if trading >= WORTH_SAYING else ""
    n = foresight.n_baselines
    beside = (
        f" {n} of the models {'is' if n == 1 else 'are'} magnitude at the K of another."
        if n
        else ""
    )
    return f"{said}{more}. What was transcribed before takes none.{beside}"


def _draw_corpus(state: SweepState) -> None:
    """What was checked, and every file that was left out."""
    corpus = state.corpus
    if corpus is None:
        return
    st.caption(f"{escape_markdown(corpus.name)}: {escape_markdown(corpus.describe())}")
    _draw_faults(corpus.faults, "left out", "sweep-faults")


def _draw_faults(faults: Sequence[Fault], what: str, key: str) -> None:
    if not faults:
        return
    with st.expander(f"{len(faults)} {what}", icon=":material/warning:"):
        data_table(
            [{"Where": fault.where, "Why": fault.reason} for fault in faults],
            key=key,
            alt=f"Files and lines: {what}.",
        )


run_page(draw)
