"""Where each model family keeps its units, as data; a new family is one new file and one line here.

What comes in: a family's configuration.
What goes out: `ARCHITECTURES`, by the `model_type` of the configuration.
Open `base` first, then `whisper`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from analysis.models.architectures.base import Architecture, Attention, FeedForward, Stack
from analysis.models.architectures.data2vec_audio import DATA2VEC_AUDIO
from analysis.models.architectures.hubert import HUBERT
from analysis.models.architectures.wav2vec2 import WAV2VEC2
from analysis.models.architectures.whisper import WHISPER

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {family.model_type: family for family in (WHISPER, HUBERT, WAV2VEC2, DATA2VEC_AUDIO)}
)
"""Every supported family by its `config.model_type`."""

__all__ = ["ARCHITECTURES", "Architecture", "Attention", "FeedForward", "Stack"]
