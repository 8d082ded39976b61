"""What the demo models learn from: a window's targets, batches, and the training losses.

Whisper learns to continue a transcript, with and without timestamps; HuBERT learns CTC over
letters, then words. Both share examples, made on the fly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional
from transformers import (
    HubertForCTC,
    Wav2Vec2Processor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)

from demo.examples import Example, ExampleSource
from demo.models import HIDDEN_SIZE, TIME_PRECISION, WINDOW, build_hubert_processor, token_ids
from demo.plan import TrainingPlan

IGNORED = -100  # label that the losses skip
TIMESTAMP_SHARE = 0.5  # of Whisper's windows that are transcribed with timestamps
TIMESTAMP_GRID = 0.1  # s; coarser than the tokens, hence quicker to learn
CTC_WEIGHT = 0.5  # of the helper loss on Whisper's encoder
TEACHER_WEIGHT = 3.0  # of the distance to HuBERT's hidden states
TEACHING_LAYERS = (2, 4, -1)  # whose hidden states are compared
FRAME_LAG = 2  # 20 ms frames
LAYER_PARTS = {  # of Whisper's encoder layer, and what HuBERT calls them
    "self_attn": "attention",
    "self_attn_layer_norm": "layer_norm",
    "fc1": "feed_forward.intermediate_dense",
    "fc2": "feed_forward.output_dense",
    "final_layer_norm": "final_layer_norm",
}


Batch = dict[str, torch.Tensor]


class FramedConv1d(nn.Conv1d):
    """A convolution of one channel as one matrix product of its frames.

    The same result as that of the convolution, whose backward pass on the CPU is ten times slower.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Convolve ``input`` (batch, 1, n_samples) to (batch, out_channels, n_frames)."""
        frames = input[:, 0].unfold(1, self.kernel_size[0], self.stride[0])
        return functional.linear(frames, self.weight[:, 0], self.bias).transpose(1, 2)


class WhisperTask(nn.Module):
    """Whisper with its training loss: next token, plus CTC on the encoder.

    The helper loss teaches the encoder where words are, long before cross-attention could; its
    head is not part of the exported model.
    """

    def __init__(self, model: WhisperForConditionalGeneration, processor: WhisperProcessor) -> None:
        """Add the helper head to ``model``."""
        super().__init__()
        self.model = model
        self.model.set_attn_implementation("eager")  # whose backward pass is faster
        self.teacher: HubertForCTC | None = None
        self._positions = model.model.encoder.embed_positions.weight.detach().clone()
        self.ctc_processor = build_hubert_processor()
        self.ctc_head = nn.Linear(HIDDEN_SIZE, len(self.ctc_processor.tokenizer))
        self.processor = processor
        names = ["<|startoftranscript|>", "<|notimestamps|>", "<|endoftext|>", "<|0.00|>"]
        ids = token_ids(processor.tokenizer, names)
        self.start, self.no_timestamps, self.end, self.first_timestamp = ids

    def log_mel(self, waveforms: npt.NDArray[np.float32]) -> torch.Tensor:
        """Log-mel features of whole windows, as ``WhisperFeatureExtractor`` has, much faster.

        The Fourier transform is one matrix product. Shapes: (batch, n_samples) to
        (batch, n_mels, n_frames).
        """
        extractor = self.processor.feature_extractor
        n_fft, hop = extractor.n_fft, extractor.hop_length
        angles = 2 * np.pi * np.outer(np.arange(n_fft), np.arange(n_fft // 2 + 1)) / n_fft
        window = np.hanning(n_fft + 1)[:-1, None]
        basis = np.concatenate([window * np.cos(angles), window * np.sin(angles)], axis=1)
        audio = functional.pad(torch.from_numpy(waveforms), (n_fft // 2, n_fft // 2), "reflect")
        frames = audio.unfold(1, n_fft, hop)[:, :-1]
        real, imaginary = (frames @ torch.from_numpy(basis).float()).chunk(2, dim=-1)
        power = real.square() + imaginary.square()
        mel = power @ torch.from_numpy(extractor.mel_filters).float()
        log_mel = mel.clamp(min=1e-10).log10()
        floor = log_mel.amax(dim=(1, 2), keepdim=True) - 8.0
        return ((torch.maximum(log_mel, floor) + 4.0) / 4.0).transpose(1, 2)

    def _set_window(self, n_positions: int) -> None:
        """Let the encoder hear windows of ``n_positions``; its position table is a constant."""
        self.model.config.max_source_positions = n_positions
        positions = self.model.model.encoder.embed_positions
        positions.weight.data = self._positions[:n_positions]
        positions.num_embeddings = n_positions

    def _timestamp(self, seconds: float, rounding: float) -> int:
        grid = math.floor(seconds / TIMESTAMP_GRID + rounding) * TIMESTAMP_GRID
        return self.first_timestamp + round(min(max(grid, 0.0), WINDOW) / TIME_PRECISION)

    def target_tokens(self, example: Example, *, timestamps: bool) -> list[int]:
        """Token ids of one window's transcript, from start to end of text."""
        tokenizer = self.processor.tokenizer
        if not timestamps:
            words = tokenizer(example.text, add_special_tokens=False).input_ids
            return [self.start, self.no_timestamps, *words, self.end]
        tokens = [self.start]
        for segment in example.segments:
            words = tokenizer(segment.text, add_special_tokens=False).input_ids
            begin = self._timestamp(segment.start, 0.0)
            tokens += [begin, *words, self._timestamp(segment.end, 1.0)]
        if example.cut_off is not None:
            tokens.append(self._timestamp(example.cut_off, 0.0))
        if len(tokens) == 1:
            tokens.append(self.first_timestamp)
        return [*tokens, self.end]

    def batches(self, source: ExampleSource, plan: TrainingPlan, first: int) -> Iterator[Batch]:
        """Yield the batches of optimiser steps ``first``, ``first + 1``, ..."""
        for step in range(first, plan.n_steps):
            phase, index = plan.locate(step)
            examples = [source.fixed_window(index + i, phase) for i in range(phase.batch_size)]
            rng = np.random.default_rng([plan.seed, step])
            targets = [
                # a cut-off sentence cannot be told without its timestamp
                self.target_tokens(
                    example,
                    timestamps=example.cut_off is not None or rng.random() < TIMESTAMP_SHARE,
                )
                for example in examples
            ]
            width = max(len(target) for target in targets)
            inputs = torch.full((len(targets), width - 1), self.end)
            labels = torch.full((len(targets), width - 1), IGNORED)
            for row, target in enumerate(targets):
                inputs[row, : len(target) - 1] = torch.tensor(target[:-1])
                labels[row, : len(target) - 1] = torch.tensor(target[1:])
            waveforms = np.stack([example.waveform for example in examples])
            features = self.log_mel(waveforms)
            yield {
                "waveforms": torch.from_numpy(waveforms),
                "features": mask_features(features, rng),
                "inputs": inputs,
                "labels": labels,
                "tokens": ctc_labels(self.ctc_processor, examples, spelled=phase.spelled),
                "follow_teacher": torch.tensor(phase.follow_teacher),
            }

    def learn_from(self, teacher: HubertForCTC) -> None:
        """Start the encoder's layers from a trained HuBERT's, and follow it frame by frame.

        Both normalise before each block and have the same sizes, so a layer fits a layer; keys
        have no bias in Whisper, where it would change nothing. Every frame of the teacher says
        what the encoder should hear, which teaches much sooner than a text of the whole window.
        """
        self.teacher = teacher.eval().requires_grad_(False)
        encoder = self.model.model.encoder
        for ours, theirs in zip(encoder.layers, teacher.hubert.encoder.layers, strict=True):
            for name, their_name in LAYER_PARTS.items():
                module, source = ours.get_submodule(name), theirs.get_submodule(their_name)
                weights = source.state_dict()
                module.load_state_dict({key: weights[key] for key in module.state_dict()})
        encoder.layer_norm.load_state_dict(teacher.hubert.encoder.layer_norm.state_dict())
        self.ctc_head.load_state_dict(teacher.lm_head.state_dict())

    def _distance_to_teacher(
        self,
        teacher: HubertForCTC,
        waveforms: torch.Tensor,
        hidden_states: Sequence[torch.Tensor],
    ) -> torch.Tensor:
        """Mean squared difference of normalised hidden states, over some layers and all frames."""
        loudness = waveforms.std(dim=1, keepdim=True).clamp(min=1e-4)
        with torch.no_grad():
            heard = teacher.hubert(waveforms / loudness, output_hidden_states=True)
        total = torch.zeros(())
        for layer in TEACHING_LAYERS:
            theirs = heard.hidden_states[layer].float()
            # A frame of HuBERT is centred 520 samples, two Whisper frames, behind its beginning.
            ours = hidden_states[layer][:, FRAME_LAG : FRAME_LAG + theirs.shape[1]].float()
            size = (ours.shape[-1],)
            total = total + functional.mse_loss(
                functional.layer_norm(ours, size), functional.layer_norm(theirs, size)
            )
        return total / len(TEACHING_LAYERS)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return the loss of one batch."""
        self._set_window(batch["features"].shape[-1] // 2)
        output = self.model(
            input_features=batch["features"],
            decoder_input_ids=batch["inputs"],
            use_cache=False,
            output_hidden_states=True,
        )
        token_loss = functional.cross_entropy(
            output.logits.flatten(0, 1).float(), batch["labels"].flatten(), ignore_index=IGNORED
        )
        logits = self.ctc_head(output.encoder_last_hidden_state).float()
        lengths = torch.full((len(logits),), logits.shape[1])
        spelling = ctc_loss(logits, lengths, batch["tokens"])
        loss = token_loss + CTC_WEIGHT * spelling
        if self.teacher is not None and batch["follow_teacher"]:
            states = output.encoder_hidden_states
            loss = loss + TEACHER_WEIGHT * self._distance_to_teacher(
                self.teacher, batch["waveforms"], states
            )
        return loss


class HubertTask(nn.Module):
    """HuBERT with its training loss, CTC."""

    def __init__(self, model: HubertForCTC, processor: Wav2Vec2Processor) -> None:
        """Switch SpecAugment on in ``model``."""
        super().__init__()
        self.model = model
        self.processor = processor
        self.model.config.apply_spec_augment = True  # for training only
        self.model.set_attn_implementation("eager")  # whose backward pass is faster
        first = self.model.hubert.feature_extractor.conv_layers[0]
        conv = cast(nn.Conv1d, first.conv)
        framed = FramedConv1d(1, conv.out_channels, conv.kernel_size[0], conv.stride[0])
        framed.load_state_dict(conv.state_dict())
        first.conv = framed

    def batches(
        self, source: ExampleSource, plan: TrainingPlan, first: int, pool: int = 8
    ) -> Iterator[Batch]:
        """Yield batches of similar lengths, drawn from pools of ``pool`` batches."""
        for start in range(first // pool * pool, plan.n_steps, pool):
            phase, index = plan.locate(start)
            n_examples = phase.batch_size * pool
            examples = [source.free_window(index + i, phase) for i in range(n_examples)]
            examples.sort(key=lambda example: len(example.waveform))
            order = np.random.default_rng([plan.seed, start]).permutation(pool)
            for offset, position in enumerate(order):
                if not first <= start + offset < plan.n_steps:
                    continue
                begin = int(position) * phase.batch_size
                chosen = examples[begin : begin + phase.batch_size]
                inputs = self.processor.feature_extractor(
                    [example.waveform for example in chosen],
                    sampling_rate=16_000,
                    padding=True,
                    return_tensors="pt",
                )
                yield {
                    "waveforms": inputs.input_values,
                    "mask": inputs.attention_mask,
                    "tokens": ctc_labels(self.processor, chosen, spelled=phase.spelled),
                }

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return the loss of one batch."""
        output = self.model(batch["waveforms"], attention_mask=batch["mask"])
        samples = cast(torch.LongTensor, batch["mask"].sum(-1))
        lengths = cast(torch.Tensor, self.model._get_feat_extract_output_lengths(samples))
        return ctc_loss(output.logits.float(), lengths, batch["tokens"])


def ctc_labels(
    processor: Wav2Vec2Processor, examples: list[Example], *, spelled: bool
) -> torch.Tensor:
    """Ids of the words of the examples' texts, or of their letters, and of what parts the words.

    Shape (batch, longest), padded with -100.
    """
    tokenizer = processor.tokenizer
    texts = [example.text.replace(" ", tokenizer.word_delimiter_token) for example in examples]
    tokens = [list(text) if spelled else tokenizer.tokenize(text) for text in texts]
    ids = [tokenizer.convert_tokens_to_ids(row) for row in tokens]
    labels = torch.full((len(ids), max(1, *(len(row) for row in ids))), IGNORED)
    for row, tokens_of_row in enumerate(ids):
        labels[row, : len(tokens_of_row)] = torch.tensor(tokens_of_row, dtype=torch.long)
    return labels


def ctc_loss(logits: torch.Tensor, lengths: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """CTC loss per token, from logits (batch, frames, vocabulary) and padded labels."""
    log_probabilities = functional.log_softmax(logits, dim=-1).transpose(0, 1)
    target_lengths = (labels != IGNORED).sum(-1)
    targets = labels.clamp(min=0)
    losses = functional.ctc_loss(
        log_probabilities, targets, lengths, target_lengths, blank=0, reduction="none",
        zero_infinity=True,
    )  # fmt: skip
    return losses.sum() / target_lengths.sum().clamp(min=1)


def mask_features(features: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """SpecAugment: in two thirds of the windows, hide two mel bands and three short moments."""
    n_mels, n_frames = features.shape[1:]
    for row in range(len(features)):
        if rng.random() < 0.33:
            continue
        fill = features[row].mean()
        for _ in range(2):
            width, low = int(rng.integers(0, 11)), int(rng.integers(0, n_mels - 11))
            features[row, low : low + width] = fill
        for _ in range(3):
            width, low = int(rng.integers(0, 11)), int(rng.integers(0, n_frames - 11))
            features[row, :, low : low + width] = fill
    return features
