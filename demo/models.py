"""The two demo models, untrained: sizes, vocabularies, processors; all stock transformers classes.

Both are small on purpose, yet have what is worth looking at: six encoder layers of six heads and
768 FFN channels. The encoder-decoder hears windows of eight seconds instead of thirty.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    HubertConfig,
    HubertForCTC,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Processor,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)

from demo.grammar import sentences, vocabulary
from demo.synthesis import SAMPLING_RATE

HIDDEN_SIZE = 192
N_HEADS = 6
FFN_WIDTH = 768
ENCODER_LAYERS = 6
DECODER_LAYERS = 3
WINDOW = 8  # seconds that Whisper hears at once
FRAMES_PER_SECOND = 50  # encoder positions, both models
TIME_PRECISION = 0.02  # s per timestamp token
MAX_TARGET_POSITIONS = 128

CONTROL_TOKENS = (
    "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>",
    "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
)  # fmt: skip
CTC_SYMBOLS = ("<pad>", "<s>", "</s>", "<unk>", "|", "'", *"abcdefghijklmnopqrstuvwxyz")
CONV_KERNEL = (400, 3, 3)  # 400 samples are 25 ms, as spectrograms have
CONV_STRIDE = (160, 1, 2)  # 320 samples = 20 ms together


def token_ids(tokenizer: WhisperTokenizer, tokens: Sequence[str]) -> list[int]:
    """Ids of ``tokens``, which must be in the vocabulary."""
    vocabulary = tokenizer.get_vocab()
    return [vocabulary[token] for token in tokens]


def build_whisper_tokenizer(n_sentences: int = 20_000) -> WhisperTokenizer:
    """Train a byte-level BPE on the grammar, so that every word of the domain is one token."""
    source = sentences(np.random.default_rng(0), held_out=False)
    texts = (" " + next(source)[1] for _ in range(n_sentences))
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    model = json.loads(bpe.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    tokenizer = WhisperTokenizer(
        vocab=model["vocab"],
        merges=merges,
        add_prefix_space=True,
        pad_token="<|endoftext|>",
        model_max_length=MAX_TARGET_POSITIONS,
        extra_special_tokens=list(CONTROL_TOKENS[1:]),
    )
    n_timestamps = round(WINDOW / TIME_PRECISION) + 1
    tokenizer.add_tokens([f"<|{i * TIME_PRECISION:.2f}|>" for i in range(n_timestamps)])
    return tokenizer


def build_whisper_processor() -> WhisperProcessor:
    """Build feature extractor (80 mels, windows of :data:`WINDOW` s) and tokenizer."""
    feature_extractor = WhisperFeatureExtractor(feature_size=80, chunk_length=WINDOW)
    return WhisperProcessor(feature_extractor, build_whisper_tokenizer())


def build_whisper(tokenizer: WhisperTokenizer, seed: int) -> WhisperForConditionalGeneration:
    """Build the untrained encoder-decoder with its generation settings."""
    torch.manual_seed(seed)
    control = dict(zip(CONTROL_TOKENS, token_ids(tokenizer, CONTROL_TOKENS), strict=True))
    end, start = control["<|endoftext|>"], control["<|startoftranscript|>"]
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=80,
        d_model=HIDDEN_SIZE,
        encoder_layers=ENCODER_LAYERS,
        encoder_attention_heads=N_HEADS,
        encoder_ffn_dim=FFN_WIDTH,
        decoder_layers=DECODER_LAYERS,
        decoder_attention_heads=N_HEADS,
        decoder_ffn_dim=FFN_WIDTH,
        max_source_positions=WINDOW * FRAMES_PER_SECOND,
        max_target_positions=MAX_TARGET_POSITIONS,
        dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        init_std=0.05,
        decoder_start_token_id=start,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    model = WhisperForConditionalGeneration(config)
    # Started at init_std, the convolutions would drown in the positions that are added to them.
    for conv in (model.model.encoder.conv1, model.model.encoder.conv2):
        torch.nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    model.generation_config = GenerationConfig(
        decoder_start_token_id=start,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        max_length=MAX_TARGET_POSITIONS,
        is_multilingual=False,
        return_timestamps=False,
        no_timestamps_token_id=control["<|notimestamps|>"],
        prev_sot_token_id=control["<|startofprev|>"],
        alignment_heads=[],  # chosen when the model is exported
        max_initial_timestamp_index=round(2.0 / TIME_PRECISION),
        suppress_tokens=[token for token in control.values() if token != end],
    )
    return model


def build_hubert_processor() -> Wav2Vec2Processor:
    """Build feature extractor (zero mean, unit variance) and tokenizer.

    Every word of the domain is a token, others are spelled; "|" stands between words.
    """
    tokens = [*CTC_SYMBOLS, *(word for word in vocabulary() if word not in CTC_SYMBOLS)]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({token: i for i, token in enumerate(tokens)}, file)
        file.flush()
        tokenizer = Wav2Vec2CTCTokenizer(file.name)
    feature_extractor = Wav2Vec2FeatureExtractor(
        feature_size=1,
        sampling_rate=SAMPLING_RATE,
        padding_value=0.0,
        do_normalize=True,
        return_attention_mask=True,
    )
    return Wav2Vec2Processor(feature_extractor, tokenizer)


def mel_filterbank_kernels(n_kernels: int, kernel_size: int) -> torch.Tensor:
    """Windowed sines and cosines on a mel scale, to start a time-domain filterbank from.

    Each of the ``n_kernels // 4`` frequencies has four kernels a quarter period apart, so that
    after a rectifier their sum follows the band's envelope whatever its phase. Higher bands are
    louder, since speech falls off towards them.

    Returns
    -------
    torch.Tensor
        Shape (n_kernels, 1, kernel_size).
    """
    n_bands = n_kernels // 4
    mels = np.linspace(np.log1p(60 / 700), np.log1p(7400 / 700), n_bands)
    frequencies = 700 * np.expm1(mels)
    seconds = (np.arange(kernel_size) - kernel_size / 2) / SAMPLING_RATE
    kernels = np.zeros((n_kernels, 1, kernel_size), np.float32)
    for band, frequency in enumerate(frequencies):
        bandwidth = 24.7 * (4.37 * frequency / 1000 + 1) * 1.3
        width = min(0.6 / bandwidth, kernel_size / SAMPLING_RATE / 5)
        envelope = np.exp(-0.5 * (seconds / width) ** 2)
        gain = 4.0 * max(1.0, frequency / 500.0) ** 0.7 / np.sqrt((envelope**2).sum()) / 6.0
        for quarter in range(4):
            phase = 2 * np.pi * frequency * seconds + quarter * np.pi / 2
            kernels[band * 4 + quarter, 0] = gain * envelope * np.cos(phase)
    return torch.from_numpy(kernels)


def build_hubert(processor: Wav2Vec2Processor, seed: int) -> HubertForCTC:
    """Build the untrained CTC model; its first convolution starts as a mel filterbank."""
    torch.manual_seed(seed)
    config = HubertConfig(
        vocab_size=len(processor.tokenizer),
        hidden_size=HIDDEN_SIZE,
        num_hidden_layers=ENCODER_LAYERS,
        num_attention_heads=N_HEADS,
        intermediate_size=FFN_WIDTH,
        conv_dim=(HIDDEN_SIZE,) * 3,
        conv_kernel=CONV_KERNEL,
        conv_stride=CONV_STRIDE,
        feat_extract_norm="layer",
        conv_bias=True,
        num_conv_pos_embeddings=32,
        num_conv_pos_embedding_groups=12,
        do_stable_layer_norm=True,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        feat_proj_dropout=0.0,
        final_dropout=0.0,
        layerdrop=0.0,
        apply_spec_augment=False,
        mask_time_prob=0.05,
        mask_time_length=5,
        mask_feature_prob=0.02,
        mask_feature_length=10,
        ctc_loss_reduction="mean",
        ctc_zero_infinity=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = HubertForCTC(config)
    first = model.get_parameter("hubert.feature_extractor.conv_layers.0.conv.weight")
    with torch.no_grad():
        first.copy_(mel_filterbank_kernels(HIDDEN_SIZE, CONV_KERNEL[0]))
    return model


def save_model(
    model: WhisperForConditionalGeneration | HubertForCTC,
    processor: WhisperProcessor | Wav2Vec2Processor,
    folder: Path,
) -> None:
    """Write an fp16 checkpoint and its processor, replacing ``folder`` at the very end."""
    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(partial)
    processor.save_pretrained(partial)
    (partial / "model.safetensors").chmod(0o644)
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)
