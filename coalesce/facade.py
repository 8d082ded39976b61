"""The functions of `coalesce`: the way from a model to a smaller one, each step one call."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.compression.budget import fit
from analysis.compression.compress import compress as compress_model
from analysis.compression.guard import examined
from analysis.compression.planner import Planner
from analysis.delivery.saving import save as save_model
from analysis.errors import UserError
from analysis.evaluation.corpora import Corpus, read_corpus
from analysis.evaluation.corpus_evaluation import Evaluation, wer_rise
from analysis.evaluation.corpus_evaluation import evaluate as evaluate_model
from analysis.evaluation.hub_corpora import fetch, is_hub_id
from analysis.evaluation.outcomes import outcomes_of
from analysis.evaluation.saved_results import read_results
from analysis.evaluation.scoring import score
from analysis.evaluation.sweep import Row
from analysis.evaluation.utterances import UtteranceTable
from analysis.models.loading import load
from analysis.models.parameter_difference import TensorDifference, tensor_differences
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.plan.budget import Budget
from analysis.plan.choices import CALIBRATED, STORED
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import complete
from analysis.speech.audio import Audio, read_audio
from analysis.speech.excitation import default_excitation, read_calibration
from analysis.speech.recognition import TranscriptionOptions
from analysis.speech.transcription import Transcript
from analysis.speech.transcription import transcribe as transcribe_audio
from coalesce.inspecting import activity, attention, head_cka, head_measures, moments
from coalesce.layers import cka, drift, worth
from coalesce.losing import losses

__all__ = [
    "activity",
    "attention",
    "cka",
    "compress",
    "diff",
    "drift",
    "evaluate",
    "groups",
    "head_cka",
    "head_measures",
    "load",
    "losses",
    "moments",
    "plan",
    "results",
    "save",
    "score",
    "transcribe",
    "worth",
]


def groups(model: SpeechModel) -> tuple[UnitGroup, ...]:
    """The unit groups of a model: its attention heads and FFN channels, layer by layer.

    Parameters
    ----------
    model : SpeechModel
        The original, or a compressed one.

    Returns
    -------
    tuple of UnitGroup
        In the order in which a signal passes them.

    Examples
    --------
    >>> import coalesce
    >>> first, second, *_ = coalesce.groups(coalesce.load("demo-whisper"))
    >>> first.id, first.n_units
    ('encoder.0.self_attention', 6)
    >>> second.id, second.n_units
    ('encoder.0.ffn', 768)
    """
    return model.groups


def plan(
    model: SpeechModel,
    sparsity: float | None = None,
    *,
    calibrate: str | Path | None = None,
    clips: str | Path | None = None,
    **options: Any,
) -> CompressionPlan:
    """Choose how many units every group keeps; nothing is compressed yet.

    What is left out is filled in as ``coalesce compress`` does: units are merged that do the same
    on the speech that ships with Coalesce.

    Parameters
    ----------
    model : SpeechModel
        The original.
    sparsity : float, optional
        The fraction of units to remove, from 0 up to below 1; a tenth by default.
    calibrate : str or Path, optional
        A folder with clips of your own to listen to. The plan is then not data-free.
    clips : str or Path, optional
        Clips with references, as `evaluate` takes them, for ``max_wer_rise``.
    **options
        A budget instead of a sparsity, for example ``max_size="10 MB"`` or ``max_macs="50%"``, or
        any other option of `analysis.plan.recipe.Recipe`, for example ``method="magnitude"``;
        docs/recipe.md lists them with their choices.

    Returns
    -------
    CompressionPlan

    Raises
    ------
    UserError
        Where the choices do not exist or do not go together.

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-whisper")
    >>> plan = coalesce.plan(model, sparsity=0.5, method="magnitude")
    >>> plan.n_clusters["encoder.0.ffn"]
    384
    >>> coalesce.plan(model, max_size="50%", method="magnitude").recipe.sparsity
    0.59
    """
    limits = {name: options.pop(name) for name in list(options) if name in Budget.model_fields}
    budget = Budget(**limits)
    if not budget.is_open and sparsity is not None:
        raise UserError("A budget decides the sparsity.", "Leave out the sparsity or the limits.")
    if (budget.max_wer_rise is None) != (clips is None):
        raise UserError(
            "A rise in WER is measured on clips, and they are for nothing else.",
            "Give both `max_wer_rise` and `clips`, or neither.",
        )
    excitation = CALIBRATED if calibrate else options.pop("excitation", None)
    recipe = complete(
        sparsity=sparsity, **options | {"excitation": excitation or default_excitation()}
    )
    if calibrate and not recipe.listens:
        raise UserError(
            "With these options nothing listens to your clips.",
            "Leave out `calibrate`, or choose the distance “contribution” or a repair.",
        )
    planner = Planner(model, read_calibration(calibrate) if calibrate else None)
    if not budget.is_open:
        rise = wer_rise(model, _corpus(clips)) if clips is not None else None
        recipe = fit(model, recipe, budget, planner, wer_rise=rise)
    return planner.prepare(recipe).plan


def compress(
    model: SpeechModel,
    plan: CompressionPlan,
    *,
    calibrate: str | Path | None = None,
) -> SpeechModel:
    """Compress a model as a plan says; the model itself stays as it is.

    Parameters
    ----------
    model : SpeechModel
        The original that the plan was made for.
    plan : CompressionPlan
        What `coalesce.plan` gave.
    calibrate : str or Path, optional
        The folder that the plan was made with, where it was made with one.

    Returns
    -------
    SpeechModel
        The compressed model; its `plan` says how it was made, and its `health` whether it still
        works, where the voices to check on are installed.

    Raises
    ------
    UserError
        Where the plan was made for another model or with other clips.

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-whisper")
    >>> smaller = coalesce.compress(model, coalesce.plan(model, 0.5, method="magnitude"))
    >>> coalesce.groups(smaller)[1].n_units
    384
    >>> smaller.health.verdict
    'broken'
    """
    clips = read_calibration(calibrate) if calibrate else None
    made = compress_model(model, plan, excitation=clips)
    return examined(made, model).model


def save(
    model: SpeechModel, folder: str | Path, *, dtype: str = STORED, overwrite: bool = False
) -> Path:
    """Save a model as a checkpoint, with a model card and the plan that made it.

    Parameters
    ----------
    model : SpeechModel
        Usually a compressed one.
    folder : str or Path
        The folder to make; its parent must exist.
    dtype : {"stored", "float32", "float16", "bfloat16"}
        Of the weights in the file; by default the one that the original is stored in, or that
        `load` was asked for.
    overwrite : bool
        Whether a checkpoint that is already there may be replaced.

    Returns
    -------
    Path
        The folder, absolute; `coalesce.load` and plain transformers read it.

    Raises
    ------
    UserError
        Where the folder is taken or cannot be written.

    Examples
    --------
    >>> import coalesce, tempfile
    >>> model = coalesce.load("demo-hubert")
    >>> with tempfile.TemporaryDirectory() as scratch:
    ...     folder = coalesce.save(model, f"{scratch}/copy")
    ...     coalesce.groups(coalesce.load(folder)) == coalesce.groups(model)
    True
    """
    return save_model(model, folder, dtype=dtype, overwrite=overwrite)


def transcribe(
    model: SpeechModel, audio: str | Path | bytes | Audio, *, language: str | None = None
) -> Transcript:
    """Write down what is spoken in a clip of any format and any length up to an hour.

    Parameters
    ----------
    model : SpeechModel
        The original, or a compressed one.
    audio : str, Path, bytes or Audio
        The path of a file, the content of one, or sound that is read already.
    language : str, optional
        The language of the speech, for multilingual models; by default the one that the
        checkpoint presets, else it is detected.

    Returns
    -------
    Transcript
        The text, what it cost, and notes: on the sound first, then on the text.

    Raises
    ------
    UserError
        Where there is no usable sound, or the model does not know the language.

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-hubert")
    >>> coalesce.transcribe(model, coalesce.CLIPS / "set.flac").text
    'set the alarm for twenty seven minutes to one'
    """
    sound = audio if isinstance(audio, Audio) else read_audio(audio)
    transcript = transcribe_audio(model, sound, TranscriptionOptions(language=language))
    return replace(transcript, notes=(*sound.notes, *transcript.notes))


def evaluate(
    model: SpeechModel,
    data: str | Path,
    *,
    normaliser: str = "whisper-english",
    limit: int | None = None,
    language: str | None = None,
) -> Evaluation:
    """Measure a model's word error rate on a corpus, with its confidence interval.

    Parameters
    ----------
    model : SpeechModel
        The original, or a compressed one.
    data : str or Path
        A LibriSpeech folder, a folder with a ``metadata.csv``, a JSONL manifest, or an id of the
        `datasets` library as ``ID:CONFIG:SPLIT``.
    normaliser : {"whisper-english", "basic", "none"}
        What both texts go through before they are compared.
    limit : int, optional
        The number of utterances to take from all over the corpus; all by default.
    language : str, optional
        The language of the speech, for multilingual models.

    Returns
    -------
    Evaluation
        Its `total` is the corpus score; rates are fractions.

    Raises
    ------
    UserError
        Where there is no usable corpus.

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-hubert")
    >>> evaluation = coalesce.evaluate(model, coalesce.HELDOUT, normaliser="none", limit=8)
    >>> evaluation.total.words, evaluation.total.wer < 0.2
    (63, True)
    """
    corpus = _corpus(data)
    if limit is not None:
        corpus = corpus.excerpt(limit)
    return evaluate_model(model, corpus, TranscriptionOptions(language=language), normaliser)


def results(source: str | Path) -> UtteranceTable:
    """Every utterance with what each model of a kept sweep or evaluation made of it.

    Parameters
    ----------
    source : str or Path
        What ``coalesce sweep`` or ``coalesce evaluate`` named with ``--out``, or its
        ``results.json``.

    Returns
    -------
    UtteranceTable
        Its `frame` is a table of pandas, `find` searches it, `found` adds the words of every model,
        and `losses` tells where words are lost.

    Raises
    ------
    UserError
        Where there are no results.

    Examples
    --------
    >>> import coalesce
    >>> table = coalesce.results("sweep")  # doctest: +SKIP
    >>> table.frame.sort_values("duration")  # doctest: +SKIP
    """
    rows = [row for row in read_results(Path(source)).rows if isinstance(row, Row)]
    return UtteranceTable(outcomes_of(rows))


def diff(model: SpeechModel, other: SpeechModel) -> list[TensorDifference]:
    """Which tensors of two models differ, and by how much.

    Parameters
    ----------
    model, other : SpeechModel
        Any two; tensors are compared by their names.

    Returns
    -------
    list of TensorDifference

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-hubert")
    >>> {tensor.status for tensor in coalesce.diff(model, model)}
    {'same'}
    """
    return tensor_differences(model, other)


def _corpus(data: str | Path) -> Corpus:
    """A corpus of a folder, a manifest or an id of the hub."""
    hub_id = isinstance(data, str) and is_hub_id(data)
    return read_corpus(fetch(str(data)) if hub_id else data)
