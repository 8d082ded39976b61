"""Where a compressed checkpoint comes from: every recipe that made it, the first one first."""

import streamlit as st

from analysis.compression.lineage import history
from analysis.compression.stock import stock_widths
from analysis.models.speech_model import SpeechModel
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.training_record import TrainingRecord
from pages.planning.settings import MANUAL
from pages.widgets.formatting import escape_markdown, file_slug, percent


def draw(model: SpeechModel) -> None:
    """The lineage of a model that was compressed before it was loaded; nothing for others."""
    if not model.lineage:
        return
    st.header("How it was made" if model.training else "How it was compressed")
    with st.container(border=True, gap="small", key="lineage"):
        for number, step in enumerate(history(model), start=1):
            told = _training(step) if isinstance(step, TrainingRecord) else _sentence(step)
            st.markdown(f"**{number}.** {told}")
        stock = stock_widths(model) is not None
        st.caption(
            "It loads with plain `from_pretrained`, anywhere."
            if stock
            else "Its layers differ: outside of Coalesce it loads with `trust_remote_code=True`."
        )
        assert model.plan is not None
        st.download_button(
            "Last recipe (JSON)",
            model.plan.to_json(),
            file_name=f"{file_slug(model.name)}-recipe.json",
            mime="application/json",
            icon=":material/receipt_long:",
            on_click="ignore",
            key="lineage:recipe",
            help="With the model that it names it gives the same bits."
            if not model.training
            else "How many units each group has. The weights came from training, too.",
        )


def _training(record: TrainingRecord) -> str:
    """One training run, as its record tells it."""
    facts = (
        f"{record.steps:,} steps on {record.utterances:,} clips of {record.data}"
        f" ({record.seconds / 3600:.2f} h)"
    )
    if record.data_free:
        facts += ", data-free"
    if record.sparsity is not None:
        facts += f", {percent(record.sparsity)} zeros in the matrices, unstructured"
    return f"trained by **{record.method}**: {escape_markdown(facts)}"


def _sentence(plan: CompressionPlan) -> str:
    """One compression, as its recipe tells it."""
    origin, recipe = plan.origin, plan.recipe
    revision = f" at {origin.revision}" if origin.revision else ""
    by_hand = recipe.allocation == MANUAL
    facts = [
        "K by hand" if by_hand else f"{percent(recipe.sparsity, 0)} asked for",
        f"{recipe.allocation} allocation",
        f"method {recipe.method}",
        f"distance {recipe.distance}",
        f"merge rule {recipe.merge}",
    ]
    facts += [f"repair {recipe.repair}"] if recipe.repair != "none" else []
    facts += [] if recipe.data_free else ["listened to somebody's clips: not data-free"]
    return (
        f"from **{escape_markdown(origin.model + revision)}**: {escape_markdown(', '.join(facts))}"
    )
