"""What is evaluated, as its visitor chooses it: the corpus, the models, what they are heard under.

Simple asks for the corpus and for one of a few sets of models; Expert has every choice. Both write
the same settings, and Simple says in a sentence what they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from analysis.compression.compress import Compression
from analysis.errors import UserError
from analysis.evaluation.corpora import Fault
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
from pages.listening.normaliser import choose_normaliser, normaliser_of
from pages.planning import mode
from pages.runs.grids import (
    ALLOCATIONS_KEY,
    METHODS_KEY,
    SPARSITIES_KEY,
    WAYS_TO_COMPRESS,
    Grid,
    chosen_grid,
    draw_grids,
)
from pages.runs.sweeps import HELDOUT, uploaded_folder
from pages.session.session import Session
from pages.widgets.basics import data_table
from pages.widgets.choices import choose_one, choose_some, held
from pages.widgets.formatting import escape_markdown, listed

COLUMN_WIDTH = 265
"""Pixels of a column in which no control is cut: two stand side by side on a projector."""

SPARSITIES = (5, 10, 15, 20, 30, 40, 50, 60)
CONDITIONS = [*map(read_condition, DISTURBANCES), "noise:0"]
"""That are offered to disturb the corpus with."""

_OWN = "each method's own"
_ALLOCATIONS = {_OWN: "What a method has where nobody chose.", **ALLOCATIONS}
_BUNDLED, _NAMED, _UPLOADED = "Held-out set", "Path or id", "Upload"
_STRESS, _MORE_STRESS, _CONFIDENCE = "sweep-stress", "sweep-more-stress", "sweep-confidence"


@dataclass(frozen=True, slots=True)
class Choices:
    """What a press on the button would run.

    Parameters
    ----------
    spec : SweepSpec or None
        None where something is missing yet.
    made : mapping of str to Compression
        The visitor's own variants, by name.
    limit : int or None
        Utterances at most.
    options : TranscriptionOptions
    problem : UserError or None
        What is wrong about the choices.
    """

    spec: SweepSpec | None
    made: Mapping[str, Compression]
    limit: int | None
    options: TranscriptionOptions
    problem: UserError | None


def draw_choices(session: Session, model: SpeechModel) -> Choices:
    """All of them, or the few that most people need."""
    expert = mode.draw(model) == mode.EXPERT
    has_variants = bool(session.variants_of(model))
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
        if expert:
            choose_normaliser(model)
            _draw_sizes(chosen_grid(has_variants))
    with grid.cell():
        if expert:
            _draw_methods(chosen_grid(has_variants))
        else:
            draw_grids(model, has_variants)
        made = _draw_variants(session, model)
        if not expert:
            _say_more(model)
    options = TranscriptionOptions(word_times=held(_CONFIDENCE, False))
    if not source:
        return Choices(None, made, limit, options, problem)
    try:
        spec = _spec(model, source, chosen_grid(has_variants))
    except UserError as fault:
        return Choices(None, made, limit, options, fault)
    return Choices(spec, made, limit, options, problem)


def draw_faults(faults: Sequence[Fault], what: str, key: str) -> None:
    """The files and lines of a corpus that cannot be used, and why.

    Parameters
    ----------
    faults : sequence of Fault
    what : str
        What became of them, after their number.
    key : str
        Of the table.
    """
    if not faults:
        return
    with st.expander(f"{len(faults)} {what}", icon=":material/warning:"):
        data_table(
            [{"Where": fault.where, "Why": fault.reason} for fault in faults],
            key=key,
            alt=f"Files and lines: {what}.",
        )


def _spec(model: SpeechModel, source: str, grid: Grid) -> SweepSpec:
    """The choices as a sweep.

    Raises
    ------
    UserError
        For a condition that cannot be.
    """
    return SweepSpec.read(
        {
            "model": (model.source,),
            "data": source,
            "method": tuple(
                read_way(WAYS_TO_COMPRESS[name]).changed(name=name) for name in grid.methods
            ),
            "sparsity": tuple(percent / 100 for percent in sorted(grid.sparsities)),
            "allocation": grid.allocations,
            "stress": read_conditions([*held(_STRESS, []), held(_MORE_STRESS, "")]),
            "normaliser": normaliser_of(model),
        }
    )


def _draw_sizes(grid: Grid) -> None:
    """How much each method removes, and how it divides that among the layers."""
    choose_some("Sparsities (%)", SPARSITIES, key=SPARSITIES_KEY, default=grid.sparsities)
    choose_some(
        "Allocations",
        [OWN_ALLOCATION, *ALLOCATIONS],
        key=ALLOCATIONS_KEY,
        default=grid.allocations,
        format_func=lambda name: _OWN if name == OWN_ALLOCATION else name,
        help_text="\n".join(f"- **{name}**: {text}" for name, text in _ALLOCATIONS.items()),
    )


def _draw_methods(grid: Grid) -> None:
    """The methods, and what the corpus is disturbed with."""
    choose_some("Methods", list(WAYS_TO_COMPRESS), key=METHODS_KEY, default=grid.methods)
    choose_some(
        "Stress",
        CONDITIONS,
        key=_STRESS,
        default=[],
        format_func=describe_condition,
        help_text="Hears the corpus again under each condition, seeded.\n\n"
        + "\n".join(f"- **{name}**: {one.help}" for name, one in DISTURBANCES.items()),
    )
    st.text_input(
        "Other stress",
        key=_MORE_STRESS,
        persist_state="session",
        placeholder="telephone+noise:5, gain:-12",
        help="Amounts of your own, as in the shell's `--stress`; several joined by +, and"
        " conditions divided by commas.",
    )
    st.toggle(
        "Word confidence",
        key=_CONFIDENCE,
        persist_state="session",
        help="Keeps how sure every model is of each word, for a look at its calibration. A Whisper"
        " goes through each clip once more for it.",
    )


def _say_more(model: SpeechModel) -> None:
    """What Expert holds besides, so that nothing is done that is not on the screen."""
    stress = [*map(describe_condition, held(_STRESS, [])), held(_MORE_STRESS, "")]
    said = f"Words are compared by the normaliser {normaliser_of(model)}"
    if any(stress):
        said += f"; heard under {listed([text for text in stress if text])}, too"
    if held(_CONFIDENCE, False):
        said += "; word confidence is kept"
    st.caption(escape_markdown(f"{said}."))


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
    draw_faults(faults, "of the upload left out", "upload-faults")
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
