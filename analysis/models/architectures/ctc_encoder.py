"""The transformer encoder that wav2vec 2.0 introduced and HuBERT and data2vec-audio kept."""

from transformers import PretrainedConfig

from analysis.models.architectures.base import Architecture, Attention, FeedForward, Stack


def ctc_architecture(model_type: str, title: str, model_class: str, prefix: str) -> Architecture:
    """Describe a CTC model whose encoder has wav2vec 2.0's layout.

    "Base" checkpoints normalise after each block, "large" ones (`do_stable_layer_norm`) before it.

    Parameters
    ----------
    model_type, title, model_class : str
        See `Architecture`.
    prefix : str
        Attribute of the CTC model that holds the encoder, e.g. ``"hubert"``.
    """

    def stacks(config: PretrainedConfig) -> tuple[Stack, ...]:
        if getattr(config, "do_stable_layer_norm", False):
            attention = Attention(
                name="self_attention", module="attention", query_norm="{layer}.layer_norm"
            )
            ffn_norm = "{layer}.final_layer_norm"
        else:
            attention = Attention(
                name="self_attention",
                module="attention",
                query_norm="{previous}.final_layer_norm",
                first_query_norm=f"{prefix}.encoder.layer_norm",
            )
            ffn_norm = "{layer}.layer_norm"
        ffn = FeedForward(
            input="feed_forward.intermediate_dense",
            output="feed_forward.output_dense",
            input_norm=ffn_norm,
        )
        layers = f"{prefix}.encoder.layers"
        return (Stack("encoder", layers, (attention, ffn), ffn_width="intermediate_size"),)

    return Architecture(model_type, title, model_class, "Wav2Vec2Processor", "ctc", stacks)
