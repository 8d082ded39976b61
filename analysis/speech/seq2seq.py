"""Whisper's way to text: an encoder hears a window, a decoder writes until it thinks it is done."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from transformers import (
    BatchFeature,
    StoppingCriteria,
    StoppingCriteriaList,
    WhisperForConditionalGeneration,
)

from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.progress import Progress, ShouldCancel, check_cancelled, never_cancel
from analysis.speech.audio import SAMPLING_RATE, SILENCE_PEAK, Samples
from analysis.speech.languages import language_token, language_tokens, presets
from analysis.speech.prompting import PromptLength, asked, check_language_and_task, has_choice
from analysis.speech.recognition import Recognised, TranscriptionOptions, Word, join_texts
from analysis.speech.repetition import StopInLoops, loop_start
from analysis.speech.timestamps import timestamps_of
from analysis.speech.windows import batches, quiet_windows
from analysis.speech.word_times import tokens_by_call, whisper_words

# A full 30 s window leaves Whisper 444 tokens, 15 a second. Per second of audio we allow more than
# that, and some for the start, so the limit binds only where a short clip makes a broken decoder
# loop; without it, one second of audio would cost the decoding time of thirty.
_TOKENS_PER_SECOND = 20
_TOKENS_AT_LEAST = 24
# A healthy model advances by most of a window per call of the decoder. One that keeps predicting
# tiny steps is stopped: at 0.02 s a step, a minute would take 3,000 calls.
_CALLS_PER_WINDOW = 4
_NO_END = "The model did not come to an end, so its text was cut off."


class _RunawayTimestamps(Exception):
    """The sequential algorithm hardly advances."""


class _Cancellation(StoppingCriteria):
    """Leaves `generate` between two tokens: a window of a large model takes minutes on a CPU."""

    def __init__(self, should_cancel: ShouldCancel) -> None:
        self._should_cancel = should_cancel

    def __call__(
        self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **kwargs: object
    ) -> torch.BoolTensor:
        check_cancelled(self._should_cancel)
        go_on = torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
        return cast(torch.BoolTensor, go_on)


@dataclass(slots=True)
class Seq2SeqRecogniser:
    """Transcribes with an encoder-decoder; see `recognition.Recogniser`.

    Parameters
    ----------
    model : SpeechModel
        Its lock is held by the caller.
    options : TranscriptionOptions
    should_cancel : callable
        Polled between tokens.
    detected : str or None
        Token of the language that is known to be spoken, so that it need not be detected; it holds
        where neither the options nor the checkpoint name one.

    Raises
    ------
    UserError
        Where the model cannot follow the options; names the languages that it knows.
    """

    model: SpeechModel
    options: TranscriptionOptions
    should_cancel: ShouldCancel = never_cancel
    detected: str | None = None

    equal_lengths = False  # every clip is padded to the full window anyway

    def __post_init__(self) -> None:
        """Check the options against the model."""
        check_language_and_task(self.model, self.options)
        by_time = self.options.long_form == "timestamps"
        if by_time and (obstacle := timestamps_of(self.model).obstacle):
            raise UserError(
                f"{self.model.name} {obstacle}.",
                "Choose the long-form mode “windows” or “auto”.",
            )

    @property
    def longest(self) -> int:
        """Samples in the encoder's window."""
        return self.model.processor.feature_extractor.n_samples

    @property
    def batch_samples(self) -> int:
        """No limit but the number of clips, since all of them are padded to the window."""
        return self.options.batch_size * self.longest

    def recognise(self, clips: Sequence[Samples]) -> list[Recognised]:
        """Transcribe a batch of clips, none longer than `longest`."""
        limits = [self._token_limit(len(clip)) for clip in clips]
        features = self._features(clips)
        written = self._generate_once(features, max(limits))
        return [
            self._recognised(features.input_features[[index]], clip, *row, limit)
            for index, (clip, row, limit) in enumerate(zip(clips, written, limits, strict=True))
        ]

    def recognise_long(self, samples: Samples, progress: Progress) -> Recognised:
        """Transcribe a clip of any length."""
        mode = self.options.long_form
        if mode == "auto":
            window = samples[: self.longest]
            mode = "timestamps" if self._predicts_timestamps(window) else "windows"
        if mode == "timestamps":
            try:
                return self._recognise_by_timestamps(samples, progress)
            except _RunawayTimestamps:
                fallback = "The model's timestamps hardly advanced, so they were not used."
                cut = self._recognise_by_windows(samples, progress)
                return replace(cut, notes=(fallback, *cut.notes))
        return self._recognise_by_windows(samples, progress)

    def tokens(
        self, clips: Sequence[Samples], *, whole: bool = False
    ) -> list[tuple[int, list[int]]]:
        """What the decoder writes for clips within the window, as token ids, the prompt first.

        Words end where they begin to repeat themselves.

        Parameters
        ----------
        clips : sequence of ndarray of float32, (n,)
        whole : bool
            Whether the rounds stay that tell a loop (`analysis.speech.repetition.loop_start`).

        Returns
        -------
        list of tuple of int and list of int
            Of each clip the length of the prompt, and the prompt with what follows it.
        """
        limit = max(self._token_limit(len(clip)) for clip in clips)
        written = self._generate_once(self._features(clips), limit, stop_in_loops=True)
        return [
            (len(prompt), prompt + row[: None if whole else loop_start(row)])
            for prompt, row in written
        ]

    def _recognise_by_timestamps(self, samples: Samples, progress: Progress) -> Recognised:
        """Run the sequential long-form algorithm (Whisper paper, section 3.8)."""
        starts: list[int] = []  # of each call, the first frame that it hears
        most_calls = _CALLS_PER_WINDOW * math.ceil(len(samples) / self.longest)

        def watch(position: torch.Tensor) -> None:
            frame, n_frames = (int(number) for number in position[0].tolist())
            starts.append(frame)
            if len(starts) > most_calls:
                raise _RunawayTimestamps
            check_cancelled(self.should_cancel)
            progress(frame, n_frames, f"Transcribing, part {len(starts)}")

        features = self._features([samples], truncation=False, padding="longest")
        written = self._generate(
            features,
            self._token_limit(self.longest),
            return_timestamps=True,
            return_segments=True,
            monitor_progress=watch,
        )
        n_calls = len(starts)
        note = f"Longer than the model's {self._window}: heard in {n_calls} parts, by timestamps."
        words = self._words_of_segments(samples, written["segments"][0], starts)
        text = self._text(self._without_end(written["sequences"][0].tolist()))
        return Recognised(text, n_calls, (note,), words)

    def _recognise_by_windows(self, samples: Samples, progress: Progress) -> Recognised:
        windows = quiet_windows(samples, self.longest)
        pieces = [samples[window.start : window.stop] for window in windows]
        # On silence Whisper is known to invent "Thank you."; nothing was said, so nothing is asked.
        audible = [place for place, piece in enumerate(pieces) if abs(piece).max() >= SILENCE_PEAK]
        heard = [pieces[place] for place in audible]
        recogniser = replace(self, detected=self._language(heard[0]) if heard else None)
        parts: list[Recognised] = [Recognised("")] * len(heard)
        n_done = 0
        lengths = [len(piece) for piece in heard]
        for batch in batches(
            lengths, self.options.batch_size, self.batch_samples, equal=self.equal_lengths
        ):
            progress(n_done, len(heard), f"Transcribing window {n_done + 1} of {len(heard)}")
            check_cancelled(self.should_cancel)
            for index, part in zip(
                batch, recogniser.recognise([heard[index] for index in batch]), strict=True
            ):
                parts[index] = part
            n_done += len(batch)
        progress(n_done, len(heard), "Transcribed")
        notes = [f"Longer than the model's {self._window}: cut at pauses into {len(windows)}."]
        if len(heard) < len(windows):
            notes.append(f"{len(windows) - len(heard)} silent windows were left out.")
        notes.extend(dict.fromkeys(note for part in parts for note in part.notes))
        words = tuple(
            word.later(windows[place].start / SAMPLING_RATE)
            for place, part in zip(audible, parts, strict=True)
            for word in part.words
        )
        text = join_texts([part.text for part in parts])
        return Recognised(text, len(windows), tuple(notes), words)

    def _words_of_segments(
        self, samples: Samples, segments: Sequence[Mapping[str, Any]], starts: Sequence[int]
    ) -> tuple[Word, ...]:
        """Times of what the sequential algorithm wrote, of the tokens of each call together."""
        if not self.options.word_times:
            return ()
        hop = self.model.processor.feature_extractor.hop_length
        prompt = self._prompt(samples[: self.longest])
        words: list[Word] = []
        for call, tokens in tokens_by_call(segments, starts, SAMPLING_RATE / hop).items():
            window = samples[call * hop : call * hop + self.longest]
            features = self._features([window]).input_features
            found = self._words(features, window, prompt, tokens)
            words += [word.later(call * hop / SAMPLING_RATE) for word in found]
        return tuple(words)

    def _words(
        self, features: torch.Tensor, clip: Samples, prompt: Sequence[int], row: Sequence[int]
    ) -> tuple[Word, ...]:
        """Times of what was written of one window, from its beginning."""
        if not self.options.word_times:
            return ()
        n_frames = math.ceil(len(clip) / self.model.processor.feature_extractor.hop_length)
        tokenizer = self.model.processor.tokenizer
        return whisper_words(self._network, tokenizer, features, n_frames, prompt, row)

    def _predicts_timestamps(self, window: Samples) -> bool:
        """Whether the model, free to start with a timestamp, gives timestamps more than words."""
        times = timestamps_of(self.model)
        if times.obstacle:
            return False
        prompt = self._prompt(window)
        logits = self._network(
            input_features=self._features([window]).input_features,
            decoder_input_ids=torch.tensor([prompt], device=self.model.device),
        ).logits[0, -1]
        probabilities = logits.float().softmax(dim=-1)
        first, end = times.tokens.start, times.tokens.stop
        timestamps = probabilities[first:end].sum()
        probabilities[self.model.processor.tokenizer.all_special_ids] = 0
        return bool(timestamps > probabilities[:first].sum())

    def _prompt(self, window: Samples) -> list[int]:
        """What the decoder starts from, as far as every mode shares it: start, language, task."""
        prompt, _ = self._generate_once(self._features([window]), 1)[0]
        return [token for token in prompt if token != self._no_timestamps]

    def _language(self, window: Samples) -> str | None:
        """The language to write all of a long clip in, where the first window decides on it."""
        tokens = {index: token for token, index in language_tokens(self.model).items()}
        if not tokens or self._named_language:
            return None
        return self.detected or next(
            (tokens[index] for index in self._prompt(window) if index in tokens), None
        )

    @property
    def _named_language(self) -> str | None:
        """Token of the language that was asked for, else of the one that the checkpoint says."""
        return language_token(self.model, self.options.language) or presets(self.model).language

    def _features(self, clips: Sequence[Samples], **settings: object) -> BatchFeature:
        """Log-mel spectrograms, (clips, mel bins, frames), where the model wants them."""
        features = self.model.processor.feature_extractor(
            list(clips),
            sampling_rate=SAMPLING_RATE,
            return_tensors="pt",
            return_attention_mask=True,
            **settings,
        )
        return features.to(device=self.model.device, dtype=self.model.dtype)

    def _generate_once(
        self, features: BatchFeature, max_new_tokens: int, *, stop_in_loops: bool = False
    ) -> list[tuple[list[int], list[int]]]:
        """Prompt and words of clips within the window, by one call of the decoder's loop.

        Left to itself `generate` goes back to the last timestamp, also where none was asked for; a
        damaged model that writes one of 0.00 s would keep it there for ever.
        """
        prompt = PromptLength()
        ids = self._generate(
            features,
            max_new_tokens,
            stop_in_loops=stop_in_loops,
            force_unique_generate_call=True,
            logits_processor=[prompt],
        )
        # unlike otherwise, they begin with the prompt
        n = prompt.length
        return [(row[:n], self._without_end(row[n:])) for row in ids.tolist()]

    def _generate(
        self,
        features: BatchFeature,
        max_new_tokens: int,
        *,
        stop_in_loops: bool = False,
        **settings: Any,
    ) -> Any:  # a tensor of token ids, or what `return_segments` makes of it
        """What `generate` gives, asked as the options say."""
        config = self._config
        # The checkpoint's own limit holds too. It is expressed in one of two ways, of which the
        # other must stay unset: given both, `generate` warns.
        if config.max_new_tokens is not None:
            settings["max_new_tokens"] = min(config.max_new_tokens, max_new_tokens)
        else:  # Whisper's `generate` adds the length of the prompt to it
            settings["max_length"] = max_new_tokens
        if self.options.num_beams is not None:
            settings["num_beams"] = self.options.num_beams
        criteria: list[StoppingCriteria] = [StopInLoops()] if stop_in_loops else []
        if self.should_cancel is not never_cancel:
            criteria.append(_Cancellation(self.should_cancel))
        if criteria:
            settings["stopping_criteria"] = StoppingCriteriaList(criteria)
        return self._network.generate(
            features.input_features,
            attention_mask=features.attention_mask,
            **settings,
            **asked(self.model, self.options, self.detected),
        )

    def _without_end(self, row: list[int]) -> list[int]:
        """A row without what ends it and the padding behind; an end that is text, too, stays."""
        ends = self._config.eos_token_id
        ends = set(ends if isinstance(ends, list) else [ends])
        ends &= set(self.model.processor.tokenizer.all_special_ids)
        ends.add(self._config.pad_token_id)
        length = len(row)
        while length and row[length - 1] in ends:
            length -= 1
        return row[:length]

    def _recognised(
        self, features: torch.Tensor, clip: Samples, prompt: list[int], row: list[int], limit: int
    ) -> Recognised:
        # In a batch the longest clip sets the limit; cut to what the clip would have got alone.
        row = row[:limit]
        notes = (_NO_END,) if len(row) == limit else ()
        words = self._words(features, clip, prompt, row)
        return Recognised(self._text(row), notes=notes, words=words)

    def _text(self, row: list[int]) -> str:
        return self.model.processor.tokenizer.decode(row, skip_special_tokens=True).strip()

    def _token_limit(self, n_samples: int) -> int:
        """Most tokens that a clip may take; see `_TOKENS_PER_SECOND`."""
        limit = self.options.max_new_tokens or _TOKENS_AT_LEAST + math.ceil(
            _TOKENS_PER_SECOND * n_samples / SAMPLING_RATE
        )
        own = self._config.max_length or self._network.config.max_target_positions
        # Prompt: start, language and task (if multilingual), no-timestamps.
        prompt = max(4 if has_choice(self.model) else 2, 2 + len(presets(self.model).forced))
        return min(limit, own, self._network.config.max_target_positions - prompt)

    @property
    def _no_timestamps(self) -> int | None:
        """Id of the token that forbids timestamps, where the vocabulary has it."""
        return getattr(self._config, "no_timestamps_token_id", None)

    @property
    def _network(self) -> WhisperForConditionalGeneration:
        return cast(WhisperForConditionalGeneration, self.model.model)

    @property
    def _config(self) -> Any:  # Whisper adds fields that GenerationConfig does not declare
        return self.model.model.generation_config

    @property
    def _window(self) -> str:
        return f"{self.longest / SAMPLING_RATE:g} s window"
