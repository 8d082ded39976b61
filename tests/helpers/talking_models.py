"""Models that say something: random weights, tuned so that what they hear changes what they write.

The tiny models of `tiny_models` serve the arithmetic of compression; these serve transcription,
where a model that always writes the same letter would let every mistake pass.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    Data2VecAudioConfig,
    Data2VecAudioForCTC,
    GenerationConfig,
    HubertConfig,
    HubertForCTC,
    PreTrainedModel,
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
from analysis.speech.audio import SAMPLING_RATE, Audio, Samples

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LANGUAGE_TOKENS = ("<|en|>", "<|de|>", "<|fr|>")
SPECIAL = (
    "<|startoftranscript|>",
    *LANGUAGE_TOKENS,
    *("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>"),
    *("<|nospeech|>", "<|notimestamps|>"),
)
WINDOW_SECONDS = 2  # of the tiny Whisper
N_TIMESTAMPS = 50 * WINDOW_SECONDS + 1


def sound(seconds: float, seed: int = 0) -> Samples:
    """Noise whose level and colour change, so that a model has something to tell apart."""
    generator = np.random.default_rng(seed)
    times = np.arange(round(seconds * SAMPLING_RATE)) / SAMPLING_RATE
    part = (times * 4).astype(int)  # a new colour every quarter of a second
    level = generator.uniform(0.01, 0.3, part[-1] + 1)
    pitch = generator.uniform(200, 3000, part[-1] + 1)
    hiss = generator.normal(size=len(times)) * level[part]
    return (hiss + 0.2 * np.sin(2 * np.pi * pitch[part] * times)).astype(np.float32)


def audio(seconds: float, seed: int = 0) -> Audio:
    return Audio(f"clip {seed}", sound(seconds, seed), SAMPLING_RATE, 1)


def _wrapped(network: PreTrainedModel, processor: Any) -> SpeechModel:
    network.eval().requires_grad_(False)
    family = ARCHITECTURES[network.config.model_type]
    return SpeechModel(network, processor, family, "tiny", "tiny", None, "0" * 64)


def tiny_whisper(
    *,
    multilingual: bool = False,
    timestamps: float = -1.0,
    hesitation: float = 0.0,
    end: bool = True,
    max_length: int = 60,
    mels: int = 80,
    decoder_layers: int = 2,
) -> SpeechModel:
    """A Whisper of 2 s and 60 tokens with random weights, whose words are random letters.

    `timestamps` is how much it likes to write timestamps; below 0 not at all. With `hesitation` it
    prefers early ones to late ones. Without `end` it never ends by itself.
    """
    tokenizer = WhisperTokenizer(vocab={c: i for i, c in enumerate(LETTERS)}, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL)})
    tokenizer.add_tokens([f"<|{i / 50:.2f}|>" for i in range(N_TIMESTAMPS)])
    ids: dict[str, int] = tokenizer.get_vocab()
    eos: int = ids["<|endoftext|>"]
    config = WhisperConfig(
        vocab_size=len(tokenizer), d_model=32, num_mel_bins=mels,
        encoder_layers=2, decoder_layers=decoder_layers,
        encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=48, decoder_ffn_dim=48,
        max_source_positions=50 * WINDOW_SECONDS, max_target_positions=60,
        decoder_start_token_id=ids["<|startoftranscript|>"],
        pad_token_id=eos, bos_token_id=eos, eos_token_id=eos,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = WhisperForConditionalGeneration(config)
        for parameter in network.parameters():  # far enough from 0 that frames differ in effect
            if parameter.dim() > 1:
                parameter.data.normal_(std=0.2)
        for layer in network.model.decoder.layers:  # what is heard and asked for has to matter
            layer.encoder_attn.out_proj.weight.data *= 4
            layer.self_attn.out_proj.weight.data *= 4
    direction = torch.zeros(32)
    direction[0] = 1.0
    network.model.decoder.layer_norm.bias.data += 30 * direction
    embedding = network.model.decoder.embed_tokens.weight.data  # tied to the output projection
    embedding[:, 0] = 0
    first = ids["<|notimestamps|>"] + 1
    embedding[first:, 0] = timestamps - hesitation * torch.arange(N_TIMESTAMPS)
    embedding[eos] = 0.02 * direction  # as likely at any time: it ends when little else is left
    settings: dict[str, Any] = {
        "decoder_start_token_id": ids["<|startoftranscript|>"],
        "pad_token_id": eos,
        "eos_token_id": eos,
        "prev_sot_token_id": ids["<|startofprev|>"],
        "no_timestamps_token_id": ids["<|notimestamps|>"],
        "return_timestamps": False,
        "max_initial_timestamp_index": 50,
        "max_length": max_length,
        "no_repeat_ngram_size": 2 if end else 3,  # enough left to say
        "suppress_tokens": [ids[token] for token in SPECIAL] + ([] if end else [eos]),
        "begin_suppress_tokens": [eos],
        "is_multilingual": multilingual,
    }
    if multilingual:
        settings["lang_to_id"] = {token: ids[token] for token in LANGUAGE_TOKENS}
        settings["task_to_id"] = {task: ids[f"<|{task}|>"] for task in ("transcribe", "translate")}
        # as published checkpoints have it: detect the language, then transcribe
        settings["forced_decoder_ids"] = [[1, None], [2, ids["<|transcribe|>"]]]
    network.generation_config = GenerationConfig(**settings)
    extractor = WhisperFeatureExtractor(feature_size=mels, chunk_length=WINDOW_SECONDS)
    return _wrapped(network, WhisperProcessor(extractor, tokenizer))


CTC_CONFIG = {
    "vocab_size": 5 + len(LETTERS), "hidden_size": 32, "num_attention_heads": 2,
    "num_hidden_layers": 2, "intermediate_size": 48, "conv_dim": (16,) * 7,
    "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
# Wide enough to be heard 0.16 s away.
WIDE = {"num_conv_pos_embeddings": 16}
CTC_FAMILIES: dict[str, tuple[type[PreTrainedModel], type[Any], dict[str, Any], bool]] = {
    "hubert": (HubertForCTC, HubertConfig, WIDE, False),
    "hubert, batch norm": (
        HubertForCTC,
        HubertConfig,
        WIDE | {"conv_pos_batch_norm": True, "feat_extract_norm": "layer"},
        True,
    ),
    "wav2vec2": (Wav2Vec2ForCTC, Wav2Vec2Config, WIDE, False),
    "wav2vec2, layer norm": (
        Wav2Vec2ForCTC,
        Wav2Vec2Config,
        WIDE | {"feat_extract_norm": "layer", "do_stable_layer_norm": True},
        True,
    ),
    "data2vec": (
        Data2VecAudioForCTC,
        Data2VecAudioConfig,
        {"num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 5},
        True,
    ),
}


def tiny_ctc(tmp_path: Path, family: str, **changes: Any) -> SpeechModel:
    """A CTC model with random weights that hears a new letter every few frames."""
    model_class, config_class, settings, mask = CTC_FAMILIES[family]
    tokens = ["<pad>", "<s>", "</s>", "<unk>", "|", *LETTERS]
    vocabulary = tmp_path / "vocab.json"
    vocabulary.write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    normalise = changes.pop("do_normalize", True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = model_class(config_class(**(CTC_CONFIG | settings | changes)))
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.data.normal_(std=0.3)
        for buffer in network.buffers():  # running mean and variance of the batch norm
            if buffer.is_floating_point():
                buffer.data.uniform_(0.5, 1.5)
        with torch.no_grad():  # no letter is likelier than another before anything is heard
            heard = torch.from_numpy(sound(3, seed=99) / 0.3)[None]
            network.lm_head.bias -= network.eval()(heard).logits[0].mean(dim=0)
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=mask, do_normalize=normalise)
    return _wrapped(network, Wav2Vec2Processor(extractor, Wav2Vec2CTCTokenizer(str(vocabulary))))
