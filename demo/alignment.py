"""Which cross-attention heads of the demo Whisper follow the speech, for word timestamps.

Whisper's word timestamps come from dynamic time warping over the cross-attention of a few
*alignment heads*. They are found here by how well a head's focus moves forward with the words.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from transformers import WhisperForConditionalGeneration

from demo.models import FRAMES_PER_SECOND, WINDOW
from demo.synthesis import SAMPLING_RATE, Corpus
from demo.tasks import WhisperTask

N_ALIGNMENT_HEADS = 4


@torch.inference_mode()
def monotonicity(
    task: WhisperTask, corpus: Corpus, n_utterances: int = 60, minimum_words: int = 5
) -> npt.NDArray[np.float64]:
    """How surely each cross-attention head moves forward with the words, shape (layers, heads).

    The mean over utterances of the correlation between a word's place in the sentence and the
    frame that the head looks at while that word is predicted.
    """
    model: WhisperForConditionalGeneration = task.model
    model.eval()
    model.set_attn_implementation("eager")
    totals: npt.NDArray[np.float64] | None = None
    long_enough = [
        index
        for index, utterance in enumerate(corpus.utterances)
        if len(utterance.text.split()) >= minimum_words
    ][:n_utterances]
    for index in long_enough:
        speech = corpus.waveform(index)[: WINDOW * SAMPLING_RATE]
        waveform = np.zeros((1, WINDOW * SAMPLING_RATE), np.float32)
        waveform[0, : len(speech)] = speech
        text = corpus.utterances[index].text
        words = task.processor.tokenizer(text, add_special_tokens=False).input_ids
        tokens = torch.tensor([[task.start, task.no_timestamps, *words]])
        attentions = model(
            input_features=task.log_mel(waveform), decoder_input_ids=tokens, output_attentions=True
        ).cross_attentions
        # token i is predicted from position i - 1; only frames with speech count
        n_frames = int(len(speech) / SAMPLING_RATE * FRAMES_PER_SECOND)
        weights = torch.stack(attentions)[:, 0, :, 1:-1, :n_frames]
        frames = weights.argmax(-1).double().numpy()
        places = np.arange(frames.shape[-1]) - (frames.shape[-1] - 1) / 2
        centred = frames - frames.mean(-1, keepdims=True)
        spread = np.sqrt((centred**2).sum(-1) * (places**2).sum()) + 1e-9
        correlation = (centred * places).sum(-1) / spread
        totals = correlation if totals is None else totals + correlation
    assert totals is not None
    model.set_attn_implementation("sdpa")
    return totals / len(long_enough)


def alignment_heads(scores: npt.NDArray[np.float64]) -> list[list[int]]:
    """Return the (layer, head) pairs with the highest scores, in order of layer and head."""
    best = np.argsort(scores, axis=None)[-N_ALIGNMENT_HEADS:]
    layers, heads = np.unravel_index(np.sort(best), scores.shape)
    return [[int(layer), int(head)] for layer, head in zip(layers, heads, strict=True)]
