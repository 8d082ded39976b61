"""The CTC way to text: the likeliest token of every frame, repeats and blanks taken out.

HuBERT, wav2vec2 and data2vec-audio. They have no window of their own, but attention costs the
square of the length, so long audio is heard in windows that share context, and the frames of their
middle parts are put together before they become text: no word is cut.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from transformers import Wav2Vec2ForCTC

from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.progress import Progress, ShouldCancel, check_cancelled, never_cancel
from analysis.speech.audio import SAMPLING_RATE, Samples
from analysis.speech.recognition import Recognised, TranscriptionOptions, Word
from analysis.speech.windows import batches, overlapping_windows
from analysis.speech.word_times import ctc_words

WINDOW_SECONDS = 30
OVERLAP_SECONDS = 5
"""Context on each side of a window; a sixth of it, as in the `transformers` pipeline."""
# Activations of the first convolution take 6.5 MB per second of audio, several times over.
_MOST_BATCH_SECONDS = 120

_Frames = tuple[torch.Tensor, torch.Tensor]  # likeliest tokens and their probabilities, (frames,)


@dataclass(slots=True)
class CtcRecogniser:
    """Transcribes with an encoder and a CTC head; see `recognition.Recogniser`.

    Parameters
    ----------
    model : SpeechModel
        Its lock is held by the caller.
    options : TranscriptionOptions
    should_cancel : callable
        Polled between batches.

    Raises
    ------
    UserError
        Where a language or a task is asked for: these models have no choice.
    """

    model: SpeechModel
    options: TranscriptionOptions
    should_cancel: ShouldCancel = never_cancel

    longest = WINDOW_SECONDS * SAMPLING_RATE
    batch_samples = _MOST_BATCH_SECONDS * SAMPLING_RATE

    def __post_init__(self) -> None:
        """Check the options against the model."""
        if self.options.language is not None or self.options.task == "translate":
            raise UserError(
                f"{self.model.name} has no choice of language or task.",
                "Leave the language open and choose the task “transcribe”.",
            )

    @property
    def equal_lengths(self) -> bool:
        """Whether padding would change the text.

        Models whose first convolution is followed by a group norm average over time, padding
        included. A layer norm does not, and a mask then hides the padding from attention; but only
        as long as nothing between the convolutions and the attention makes zeros into something
        else, as batch norm (HuBERT) and the layer norms of data2vec's positional encoding do.
        """
        config = self.model.config
        return not (
            self.model.processor.feature_extractor.return_attention_mask
            and getattr(config, "feat_extract_norm", None) == "layer"
            and not getattr(config, "conv_pos_batch_norm", False)
        )

    def recognise(self, clips: Sequence[Samples]) -> list[Recognised]:
        """Transcribe a batch of clips, none longer than `longest`."""
        return [
            Recognised(self._text(frames), words=self._words(frames, likely))
            for frames, likely in self._frames(clips)
        ]

    def recognise_long(self, samples: Samples, progress: Progress) -> Recognised:
        """Transcribe a clip of any length."""
        align = self._samples_per_frame
        windows = overlapping_windows(
            len(samples), self.longest, OVERLAP_SECONDS * SAMPLING_RATE, align
        )
        kept: list[_Frames] = [(torch.empty(0), torch.empty(0))] * len(windows)
        n_done = 0
        lengths = [window.stop - window.start for window in windows]
        for batch in batches(lengths, self.options.batch_size, self.batch_samples, equal=True):
            progress(n_done, len(windows), f"Transcribing window {n_done + 1} of {len(windows)}")
            check_cancelled(self.should_cancel)
            clips = [samples[windows[index].start : windows[index].stop] for index in batch]
            for index, (frames, likely) in zip(batch, self._frames(clips), strict=True):
                window = windows[index]
                begin = (window.keep_start - window.start) // align
                # The last window keeps all its frames: rounding must not lose one.
                end = None if window is windows[-1] else (window.keep_stop - window.start) // align
                kept[index] = frames[begin:end], likely[begin:end]
            n_done += len(batch)
        progress(n_done, len(windows), "Transcribed")
        note = f"Heard in {len(windows)} overlapping windows of {WINDOW_SECONDS} s."
        frames, likely = (torch.cat(parts) for parts in zip(*kept, strict=True))
        return Recognised(self._text(frames), len(windows), (note,), self._words(frames, likely))

    def _frames(self, clips: Sequence[Samples]) -> list[_Frames]:
        """Of each clip, the likeliest token of each frame, and its probability."""
        # The families share no base class, but all have what wav2vec2 has.
        network = cast(Wav2Vec2ForCTC, self.model.model)
        padded = len({len(clip) for clip in clips}) > 1
        inputs = self.model.processor.feature_extractor(
            list(clips),
            sampling_rate=SAMPLING_RATE,
            return_tensors="pt",
            padding=padded,
            return_attention_mask=padded,
        ).to(device=self.model.device, dtype=self.model.dtype)
        logits = network(**inputs).logits
        tokens = logits.argmax(dim=-1)
        likely = torch.zeros(tokens.shape)
        if self.options.word_times:
            likely = logits.float().softmax(dim=-1).gather(-1, tokens[..., None])[..., 0].cpu()
        tokens = tokens.cpu()
        lengths = torch.LongTensor([len(clip) for clip in clips])
        n_frames = network._get_feat_extract_output_lengths(lengths).tolist()
        return [(row[:n], own[:n]) for row, own, n in zip(tokens, likely, n_frames, strict=True)]

    def _text(self, frames: torch.Tensor) -> str:
        return self.model.processor.tokenizer.decode(frames.tolist()).strip()

    def _words(self, frames: torch.Tensor, likely: torch.Tensor) -> tuple[Word, ...]:
        if not self.options.word_times:
            return ()
        step = self._samples_per_frame / SAMPLING_RATE
        return ctc_words(self.model.processor.tokenizer, frames.tolist(), likely.tolist(), step)

    @property
    def _samples_per_frame(self) -> int:
        return samples_per_frame(self.model)


def samples_per_frame(model: SpeechModel) -> int:
    """Samples from one frame that spells a letter to the next; the adapter, too, skips some."""
    config = model.config
    ratio = math.prod(config.conv_stride)
    if getattr(config, "add_adapter", False):
        ratio *= config.adapter_stride**config.num_adapter_layers
    return ratio
