"""What a family file states: where a model keeps its attention heads and FFN channels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from transformers import PretrainedConfig

Decoding = Literal["seq2seq", "ctc"]


@dataclass(frozen=True, slots=True)
class Attention:
    """A multi-head attention block of one layer.

    Parameters
    ----------
    name : {"self_attention", "cross_attention"}
        Ends the id of the unit group.
    module : str
        Path of the attention module inside the layer.
    query_norm : str
        Path, from the model's root, of the layer norm whose output the queries are made from;
        ``{layer}`` stands for the layer's own path and ``{previous}`` for the layer below.
    memory_norm : str or None
        The same for keys and values where they read another stream (cross-attention).
    first_query_norm : str or None
        Replaces `query_norm` in layer 0, where there is no layer below.
    query, key, value, output : str
        Names of the four projections inside `module`.
    n_heads : str
        Name of the attribute of `module` that holds the number of heads.
    """

    name: Literal["self_attention", "cross_attention"]
    module: str
    query_norm: str
    memory_norm: str | None = None
    first_query_norm: str | None = None
    query: str = "q_proj"
    key: str = "k_proj"
    value: str = "v_proj"
    output: str = "out_proj"
    n_heads: str = "num_heads"


@dataclass(frozen=True, slots=True)
class FeedForward:
    """The two-matrix feed-forward block of one layer.

    Parameters
    ----------
    input, output : str
        Paths of the two linear maps inside the layer.
    input_norm : str
        Path of the layer norm that feeds `input`; see `Attention.query_norm`.
    """

    input: str
    output: str
    input_norm: str
    name: Literal["ffn"] = "ffn"


@dataclass(frozen=True, slots=True)
class Stack:
    """A pile of equal transformer layers.

    Parameters
    ----------
    name : str
        "encoder" or "decoder"; starts the ids of its unit groups.
    layers : str
        Path of the `torch.nn.ModuleList` from the model's root.
    blocks : tuple
        The blocks of each layer, in the order in which the layer runs them.
    ffn_width : str
        Field of the configuration that holds the number of FFN channels of every layer.
    """

    name: Literal["encoder", "decoder"]
    layers: str
    blocks: tuple[Attention | FeedForward, ...]
    ffn_width: str


@dataclass(frozen=True, slots=True)
class Architecture:
    """One model family, as data.

    Parameters
    ----------
    model_type : str
        `config.model_type` of its checkpoints.
    title : str
        How people call the family.
    model_class : str
        Name of the `transformers` class that carries the speech recognition head.
    processor_class : str
        Name of the `transformers` class that holds feature extractor and tokenizer.
    decoding : {"seq2seq", "ctc"}
        How text comes out.
    stacks : callable
        From the configuration (layer-norm variants differ) to the stacks of layers.
    """

    model_type: str
    title: str
    model_class: str
    processor_class: str
    decoding: Decoding
    stacks: Callable[[PretrainedConfig], tuple[Stack, ...]]
