"""Whisper: an encoder-decoder, layer norm before every block."""

from transformers import PretrainedConfig

from analysis.models.architectures.base import Architecture, Attention, FeedForward, Stack

_SELF_ATTENTION = Attention(
    name="self_attention", module="self_attn", query_norm="{layer}.self_attn_layer_norm"
)
_CROSS_ATTENTION = Attention(
    name="cross_attention",
    module="encoder_attn",
    query_norm="{layer}.encoder_attn_layer_norm",
    memory_norm="model.encoder.layer_norm",
)
_FFN = FeedForward(input="fc1", output="fc2", input_norm="{layer}.final_layer_norm")


def _stacks(config: PretrainedConfig) -> tuple[Stack, ...]:
    return (
        Stack("encoder", "model.encoder.layers", (_SELF_ATTENTION, _FFN), "encoder_ffn_dim"),
        Stack(
            "decoder",
            "model.decoder.layers",
            (_SELF_ATTENTION, _CROSS_ATTENTION, _FFN),
            "decoder_ffn_dim",
        ),
    )


WHISPER = Architecture(
    model_type="whisper",
    title="Whisper",
    model_class="WhisperForConditionalGeneration",
    processor_class="WhisperProcessor",
    decoding="seq2seq",
    stacks=_stacks,
)
