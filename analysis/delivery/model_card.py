"""The README.md of a checkpoint: where it comes from, what was done to it, how it is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass

from huggingface_hub import ModelCardData

from analysis.compression.lineage import history
from analysis.compression.stock import stock_widths
from analysis.models.building import is_merged
from analysis.models.footprint import footprint
from analysis.models.speech_model import SpeechModel, dtype_name
from analysis.models.unit_groups import ranks_of
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.health import Health
from analysis.plan.training_record import TRAINING_METHODS, TrainingRecord

_PAPER = "arXiv 2606.11836"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A word error rate that was measured on the model that is saved.

    Parameters
    ----------
    data : str
        What it was measured on, for people.
    n_clips : int
    words : int
        In the references.
    wer : float
        As a fraction.
    normaliser : str
        See `analysis.plan.choices.NORMALISERS`.
    original_wer : float or None
        Of the original on the same clips, where that was measured too.
    """

    data: str
    n_clips: int
    words: int
    wer: float
    normaliser: str
    original_wer: float | None = None


def model_card(model: SpeechModel, measured: Sequence[Measurement] = ()) -> str:
    """Write the model card.

    Parameters
    ----------
    model : SpeechModel
        Usually a compressed one.
    measured : sequence of Measurement

    Returns
    -------
    str
        Markdown, with the front matter that the Hugging Face hub reads.
    """
    sections = [_front_matter(model), _summary(model), _loading(model)]
    sections += [_recipe(model), _groups(model)] if model.plan is not None else []
    sections += [_health(model.health)] if model.health is not None else []
    sections += [_word_error_rates(measured), _licence(model)]
    return "\n\n".join(sections) + "\n"


def _origin(model: SpeechModel) -> str:
    """Name, folder or hub id of the model that was compressed first."""
    return model.lineage[0].origin.model if model.lineage else model.source


def _front_matter(model: SpeechModel) -> str:
    origin = _origin(model)
    on_hub = origin.count("/") == 1 and not origin.startswith((".", "/", "~"))
    facts = ModelCardData(
        library_name="transformers",
        pipeline_tag="automatic-speech-recognition",
        license=model.licence,
        base_model=origin if on_hub else None,
        tags=["coalesce", "compressed"] if model.plan is not None else ["coalesce"],
    )
    return f"---\n{facts.to_yaml()}\n---"


def _summary(model: SpeechModel) -> str:
    cost = footprint(model)
    dtype = dtype_name(model.saved_dtype)
    size = (
        f"{cost.parameters:,} parameters, {cost.saved_bytes / 1e6:.1f} MB in {dtype}, "
        f"{cost.macs / 1e6:,.0f} M multiply-accumulates per second of audio."
    )
    if model.plan is None:
        return f"# {_code(model.name)}\n\n{model.architecture.title}: {size}"
    if model.training and not is_merged(model.config):
        return (
            f"# {_code(_origin(model))}, trained on\n\n{model.architecture.title}, made with "
            f"Coalesce: {size}"
        )
    return (
        f"# {_code(_origin(model))}, compressed\n\n"
        f"{model.architecture.title} with fewer {_less(model)} FFN channels, made with "
        f"Coalesce (after {_PAPER}): {size}"
    )


def _less(model: SpeechModel) -> str:
    """What of attention there is less of than in the original."""
    ranked = any(group.ranks < group.rows for group in model.groups if group.ranks)
    return "attention heads, ranks and" if ranked else "attention heads and"


def _loading(model: SpeechModel) -> str:
    if stock_widths(model) is not None:
        argument, why = "", "A stock `transformers` checkpoint: it needs no code of its own."
    else:
        argument = ", trust_remote_code=True"
        why = (
            "Heads or their ranks were removed, or layers differ in width, which stock classes "
            "cannot hold: the model class is in `modeling_merged_units.py`, beside the weights. "
            "Without `trust_remote_code=True` loading fails with size mismatches."
        )
    return (
        "## How to load it\n\n```python\nfrom transformers import pipeline\n\n"
        f'recognise = pipeline("automatic-speech-recognition", "THIS FOLDER"{argument})\n'
        f'print(recognise("clip.wav")["text"])\n```\n\n{why}'
    )


def _recipe(model: SpeechModel) -> str:
    lines = ["## How it was made", ""]
    for number, step in enumerate(history(model), start=1):
        line = _training_line(step) if isinstance(step, TrainingRecord) else _plan_line(step)
        lines.append(f"{number}. {line}")
    lines += ["", "`coalesce.json` holds every setting and the number of units kept in each layer."]
    if not model.training:
        lines[-1] += " `coalesce compress MODEL OUT --plan PLAN` makes the same weights again."
    return "\n".join(lines)


def _training_line(record: TrainingRecord) -> str:
    line = (
        f"Training ({record.method}): {TRAINING_METHODS[record.method]} {record.steps:,} steps on "
        f"{record.utterances:,} clips ({record.seconds / 3600:.2f} h) of {_code(record.data)}."
    )
    if record.sparsity is not None and record.sparse_bytes is not None:
        line += (
            f" It left {record.sparsity:.1%} zeros in the matrices of heads and FFNs: unstructured "
            "sparsity, in dense storage, which makes the model neither smaller nor faster; as "
            f"bitmap and values it would take {record.sparse_bytes / 1e6:.1f} MB."
        )
    return line


def _plan_line(plan: CompressionPlan) -> str:
    origin, recipe = plan.origin, plan.recipe
    revision = f" at revision {_code(origin.revision)}" if origin.revision else ""
    return (
        f"From {_code(origin.model)}{revision}: method {recipe.method}, engine {recipe.engine}, "
        f"distance {recipe.distance}, merge rule {recipe.merge}, allocation {recipe.allocation} "
        f"over {' and '.join(recipe.components)}, nominal sparsity {recipe.sparsity:.1%}, seed "
        f"{recipe.seed}."
    )


def _groups(model: SpeechModel) -> str:
    # a stock checkpoint that is saved once more no longer knows how wide it was
    sizes_known = is_merged(model.config)
    widths: dict[str, str] = {s.name: s.ffn_width for s in model.architecture.stacks(model.config)}
    rows, kept, before = [], 0, 0
    for group in model.groups:
        if group.component == "heads":
            n_before = model.config.hidden_size // group.rows
        else:
            n_before = getattr(model.config, widths[group.stack])
        share = f" {n_before:,} | {group.n_units / n_before:.1%} |" if sizes_known else ""
        rows.append(f"| {group.title} | {group.n_units:,} |{share}")
        if group.ranks < group.rows and group.component == "heads":
            share = f" {group.rows:,} | {group.ranks / group.rows:.1%} |"
            rows.append(f"| {ranks_of(group).title} | {group.ranks:,} |{share}")
        kept += group.n_parameters
        before += n_before * group.whole_dim
    if not sizes_known:
        table = ["| group | units |", "|---|---:|", *rows]
        return "## Units of each layer\n\n" + "\n".join(table)
    table = ["| group | units kept | of | share |", "|---|---:|---:|---:|", *rows]
    achieved = f"Achieved sparsity: {1 - kept / before:.1%} of the mergeable parameters removed."
    return "## Units of each layer\n\n" + "\n".join(table) + f"\n\n{achieved}"


def _health(health: Health) -> str:
    return (
        f"## Does it still work?\n\nChecked when it was made, against the original: "
        f"**{health.verdict}**{health.sentence.removeprefix(health.verdict)} The words diverge by "
        f"{health.divergence:.3f} nats each. This check is by synthesised voices and no word error "
        "rate."
    )


def _word_error_rates(measured: Sequence[Measurement]) -> str:
    if not measured:
        return "## Word error rate\n\nNot measured when this was saved."
    lines = [
        "| data | clips | words | WER | WER of the original | normaliser |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for row in measured:
        original = "–" if row.original_wer is None else f"{row.original_wer:.1%}"
        lines.append(
            f"| {_code(row.data)} | {row.n_clips} | {row.words} | {row.wer:.1%} | {original} "
            f"| {row.normaliser} |"
        )
    return "## Word error rate\n\n" + "\n".join(lines)


def _licence(model: SpeechModel) -> str:
    if model.licence:
        return f"## Licence\n\n{_code(model.licence)}, as its source."
    return "## Licence\n\nIts source states none that could be read: ask there before you share it."


def _code(text: str) -> str:
    """Foreign text as inline code, where it can neither format nor link nor break a table."""
    return "`" + " ".join(text.replace("`", "'").replace("|", "/").split()) + "`"
