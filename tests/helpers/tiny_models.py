"""Random models of every family, small enough to build in milliseconds and run in a blink.

Weights are drawn wide (biases and layer norms too), so that a wrong number anywhere shows in the
logits; encoder and decoder differ in every size that may differ.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from tokenizers import pre_tokenizers
from torch import nn
from transformers import (
    Data2VecAudioConfig,
    Data2VecAudioForCTC,
    GenerationConfig,
    HubertConfig,
    HubertForCTC,
    PreTrainedModel,
    ProcessorMixin,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)

from analysis.models.architectures import ARCHITECTURES
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup, with_ranks
from analysis.plan.compression_plan import CompressionPlan, Origin
from analysis.plan.recipe import Recipe

WINDOW = 2  # seconds that the tiny Whisper hears
N_MELS = 16
CONTROL_TOKENS = (
    "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>",
    "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
)  # fmt: skip
CTC_VOCABULARY = ("<pad>", "<s>", "</s>", "<unk>", "|", "'", *"abcdefghijklmnopqrstuvwxyz")
CTC_CONVOLUTIONS: dict[str, Any] = {
    "conv_dim": (12, 12, 12),
    "conv_kernel": (400, 3, 3),
    "conv_stride": (160, 1, 2),
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}


def hash_weights(model: PreTrainedModel) -> str:
    """SHA-256 over names, dtypes, shapes and bytes of a model's tensors, as it holds them."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def randomise(model: nn.Module, seed: int) -> None:
    """Draw every parameter anew: matrices of unit gain, biases and norms away from 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    norms = {
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, nn.LayerNorm | nn.GroupNorm)
    }
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            if name in norms:
                parameter.copy_(1 + 0.2 * drawn)
            elif parameter.dim() < 2:
                parameter.copy_(0.2 * drawn)
            else:
                parameter.copy_(drawn / parameter[0].numel() ** 0.5)


def speech_model(model: PreTrainedModel, processor: ProcessorMixin, name: str) -> SpeechModel:
    """Wrap a model as `analysis.models.loading.load` would."""
    model.eval().requires_grad_(False)
    return SpeechModel(
        model=model,
        processor=processor,
        architecture=ARCHITECTURES[model.config.model_type],
        name=name,
        source=name,
        revision=None,
        weight_hash=hash_weights(model),
    )


def whisper_processor() -> WhisperProcessor:
    """Bytes and control tokens; a spectrogram of `N_MELS` bands."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = WhisperTokenizer(
        vocab={token: i for i, token in enumerate([*alphabet, CONTROL_TOKENS[0]])},
        merges=[],
        pad_token=CONTROL_TOKENS[0],
        extra_special_tokens=list(CONTROL_TOKENS[1:]),
    )
    extractor = WhisperFeatureExtractor(feature_size=N_MELS, chunk_length=WINDOW)
    return WhisperProcessor(extractor, tokenizer)


def ctc_processor() -> Wav2Vec2Processor:
    """Lower-case letters; samples of zero mean and unit variance."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({token: i for i, token in enumerate(CTC_VOCABULARY)}, file)
        file.flush()
        tokenizer = Wav2Vec2CTCTokenizer(file.name)
    extractor = Wav2Vec2FeatureExtractor(
        feature_size=1, sampling_rate=16_000, padding_value=0.0, return_attention_mask=True
    )
    return Wav2Vec2Processor(extractor, tokenizer)


def tiny_whisper(seed: int = 0) -> SpeechModel:
    """Encoder: 2 layers, 4 heads, 24 channels; decoder: 3 layers, 2 heads, 20 channels."""
    processor = whisper_processor()
    vocabulary = processor.tokenizer.get_vocab()
    end, start = vocabulary["<|endoftext|>"], vocabulary["<|startoftranscript|>"]
    config = WhisperConfig(
        vocab_size=len(processor.tokenizer),
        num_mel_bins=N_MELS,
        d_model=32,
        encoder_layers=2,
        encoder_attention_heads=4,
        encoder_ffn_dim=24,
        decoder_layers=3,
        decoder_attention_heads=2,
        decoder_ffn_dim=20,
        max_source_positions=WINDOW * 50,
        max_target_positions=32,
        decoder_start_token_id=start,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    model = WhisperForConditionalGeneration(config)
    randomise(model, seed)
    model.generation_config = GenerationConfig(
        decoder_start_token_id=start,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        max_length=32,
        is_multilingual=False,
        return_timestamps=False,
        no_timestamps_token_id=vocabulary["<|notimestamps|>"],
        alignment_heads=[[1, 0], [1, 1], [2, 1]],
    )
    return speech_model(model, processor, "tiny-whisper")


def tiny_hubert(seed: int = 1, *, large: bool = False) -> SpeechModel:
    """Base: 2 layers, 4 heads, 24 channels, norm after; large: 3 layers, 3 heads, norm before."""
    config = HubertConfig(
        **CTC_CONVOLUTIONS,
        vocab_size=len(CTC_VOCABULARY),
        hidden_size=36 if large else 32,
        num_hidden_layers=3 if large else 2,
        num_attention_heads=3 if large else 4,
        intermediate_size=20 if large else 24,
        feat_extract_norm="layer" if large else "group",
        conv_bias=large,
        do_stable_layer_norm=large,
        pad_token_id=0,
    )
    model = HubertForCTC(config)
    randomise(model, seed)
    return speech_model(model, ctc_processor(), "tiny-hubert-large" if large else "tiny-hubert")


def tiny_wav2vec2(seed: int = 2, *, large: bool = False) -> SpeechModel:
    """As `tiny_hubert`, with another number of channels."""
    config = Wav2Vec2Config(
        **CTC_CONVOLUTIONS,
        vocab_size=len(CTC_VOCABULARY),
        hidden_size=36 if large else 32,
        num_hidden_layers=3 if large else 2,
        num_attention_heads=3 if large else 4,
        intermediate_size=16 if large else 28,
        feat_extract_norm="layer" if large else "group",
        conv_bias=large,
        do_stable_layer_norm=large,
        pad_token_id=0,
    )
    model = Wav2Vec2ForCTC(config)
    randomise(model, seed)
    return speech_model(model, ctc_processor(), "tiny-wav2vec2-large" if large else "tiny-wav2vec2")


def tiny_data2vec_audio(seed: int = 3) -> SpeechModel:
    """2 layers, 4 heads, 24 channels, norm after."""
    config = Data2VecAudioConfig(
        **(CTC_CONVOLUTIONS | {"num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 3}),
        vocab_size=len(CTC_VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=24,
        pad_token_id=0,
    )
    model = Data2VecAudioForCTC(config)
    randomise(model, seed)
    return speech_model(model, ctc_processor(), "tiny-data2vec-audio")


BUILDERS: dict[str, Callable[[], SpeechModel]] = {
    "whisper": tiny_whisper,
    "hubert": tiny_hubert,
    "hubert_large": lambda: tiny_hubert(large=True),
    "wav2vec2": tiny_wav2vec2,
    "wav2vec2_large": lambda: tiny_wav2vec2(large=True),
    "data2vec_audio": tiny_data2vec_audio,
}
"""Fixture name → its builder; call one for a model that a test may write to."""


def logits(model: SpeechModel) -> torch.Tensor:
    """Logits on a fixed input, batch of two."""
    generator = torch.Generator().manual_seed(7)
    with torch.inference_mode():
        if model.architecture.decoding == "ctc":
            samples = torch.randn(2, 8_000, generator=generator).to(model.dtype)
            return model.model(samples).logits
        frames = 2 * model.config.max_source_positions
        mels = model.config.num_mel_bins
        features = torch.randn(2, mels, frames, generator=generator).to(model.dtype)
        tokens = torch.randint(0, model.config.vocab_size, (2, 6), generator=generator)
        return model.model(features, decoder_input_ids=tokens).logits


def make_plan(model: SpeechModel, **choices: object) -> CompressionPlan:
    """A plan that halves every group of its components (rounded up), or what `choices` say.

    ``n_clusters`` may be partial; groups that it does not name keep all units.
    """
    components = choices.get("components", Recipe().components)
    assert isinstance(components, tuple)
    groups = model.groups_for(components)
    wanted = choices.pop("n_clusters", None)
    if wanted is None:
        n_clusters = {
            group.id: (group.n_units + 1) // 2 if group.component in components else group.n_units
            for group in groups
        }
    else:
        assert isinstance(wanted, dict)
        n_clusters = {group.id: group.n_units for group in groups} | wanted
    return CompressionPlan(
        origin=Origin(
            model=model.name,
            weight_hash=model.weight_hash,
            revision=choices.pop("revision", None),  # type: ignore[arg-type]
        ),
        excitation_hash=choices.pop("excitation_hash", None),  # type: ignore[arg-type]
        recipe=Recipe(**choices),  # type: ignore[arg-type]
        n_clusters=n_clusters,
    )


def group_of(model: SpeechModel, name: str) -> UnitGroup:
    return next(group for group in with_ranks(model.groups) if group.id == name)
