"""When words are said: CTC by hand, Whisper against plain `transformers`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import pipeline

from analysis.models.loading import DEMO_MODELS, load
from analysis.models.speech_model import SpeechModel
from analysis.speech.audio import SAMPLING_RATE, Audio, read_audio
from analysis.speech.transcription import TranscriptionOptions, transcribe
from analysis.speech.windows import quiet_windows
from analysis.speech.word_times import ctc_words, tokens_by_call, whisper_words
from tests.helpers.places import DEMO, TESTBED
from tests.helpers.talking_models import audio, tiny_ctc, tiny_whisper
from tests.helpers.transcribing import COLD

TIMED = replace(COLD, word_times=True)


@pytest.fixture(scope="module")
def demo() -> SpeechModel:
    if not (DEMO_MODELS["demo-whisper"] / "model.safetensors").is_file():
        pytest.skip("the bundled model demo-whisper has not been built")
    return load("demo-whisper")


@pytest.fixture(scope="module")
def shopping() -> Audio:
    return read_audio(DEMO / "clips" / "shopping.flac")


def features_of(model: SpeechModel, clip: Audio) -> torch.Tensor:
    extractor = model.processor.feature_extractor
    found: torch.Tensor = extractor(
        clip.samples, sampling_rate=SAMPLING_RATE, return_tensors="pt"
    ).input_features
    return found.to(model.dtype)


# --- CTC ----------------------------------------------------------------------------------------


def test_ctc_words_by_hand(tmp_path: Path) -> None:
    tokenizer = tiny_ctc(tmp_path, "hubert").processor.tokenizer
    ids = tokenizer.get_vocab()
    #         0      1    2    3      4    5    6      7    8    9      10
    spelled = "<pad>", "h", "h", "<pad>", "i", "|", "<pad>", "a", "|", "<pad>", "<pad>"
    likely = [0.1, 0.9, 0.7, 0.1, 0.6, 0.2, 0.3, 0.5, 0.4, 0.1, 0.1]
    hi, a = ctc_words(tokenizer, [ids[token] for token in spelled], likely, 0.02)
    assert (hi.text, a.text) == ("hi", "a")
    assert (hi.start, hi.stop) == pytest.approx((0.02, 0.10))
    assert hi.confidence == pytest.approx((0.8 + 0.6) / 2)
    assert (a.start, a.stop, a.confidence) == pytest.approx((0.14, 0.16, 0.5))


def test_ctc_frames_without_a_letter_hold_no_word(tmp_path: Path) -> None:
    tokenizer = tiny_ctc(tmp_path, "hubert").processor.tokenizer
    ids = tokenizer.get_vocab()
    assert ctc_words(tokenizer, [ids["<pad>"], ids["|"]], [0.5, 0.5], 0.02) == ()
    assert ctc_words(tokenizer, [], [], 0.02) == ()


@pytest.mark.parametrize("seconds", [3.0, 33.0])
def test_ctc_words_are_those_of_the_text_wherever_windows_are_cut(
    tmp_path: Path, seconds: float
) -> None:
    model, clip = tiny_ctc(tmp_path, "hubert"), audio(seconds)
    result = transcribe(model, clip, TIMED)
    assert result.text == transcribe(model, clip, COLD).text
    assert [word.text for word in result.words] == result.text.split()
    assert all(0 <= word.start < word.stop <= seconds for word in result.words)
    assert all(0 < word.confidence <= 1 for word in result.words)
    edges = [edge for word in result.words for edge in (word.start, word.stop)]
    assert edges == sorted(edges)
    if seconds > 30:
        assert edges[-1] > 30, "the second window counts from the beginning of the clip"


# --- Whisper ------------------------------------------------------------------------------------


def test_whisper_words_have_the_times_of_plain_transformers(
    demo: SpeechModel, shopping: Audio
) -> None:
    features, network = features_of(demo, shopping), demo.model
    n_frames = len(shopping.samples) // 160 + 1
    mask = torch.zeros(1, features.shape[-1], dtype=torch.long)
    mask[:, :n_frames] = 1
    plain: Any = network.generate(  # type: ignore[operator]
        features, attention_mask=mask, return_timestamps=True, return_token_timestamps=True
    )
    network.set_attn_implementation("sdpa")  # `generate` leaves another behind
    ids, times = plain["sequences"][0].tolist(), plain["token_timestamps"][0].tolist()
    tokenizer, settings = demo.processor.tokenizer, network.generation_config
    assert settings is not None
    start = [settings.decoder_start_token_id]
    found = whisper_words(network, tokenizer, features, n_frames, start, ids)  # type: ignore[arg-type]
    said = [place for place, token in enumerate(ids) if token < tokenizer.eos_token_id]
    texts = [tokenizer.decode([ids[place]]).strip() for place in said]
    assert [word.text for word in found] == texts
    assert len(set(texts)) > 4
    assert [word.start for word in found] == pytest.approx([times[place - 1] for place in said])
    assert [word.stop for word in found] == pytest.approx([times[place] for place in said])


def test_a_words_confidence_is_the_mean_probability_of_its_tokens(
    demo: SpeechModel, shopping: Audio
) -> None:
    network, tokenizer = demo.model, demo.processor.tokenizer
    settings: Any = network.generation_config
    written = tokenizer(" remove zucchini", add_special_tokens=False).input_ids
    prompt = [settings.decoder_start_token_id, settings.no_timestamps_token_id]
    features = features_of(demo, shopping)
    words = whisper_words(network, tokenizer, features, 234, prompt, written)  # type: ignore[arg-type]
    with torch.inference_mode():
        logits = network(
            input_features=features, decoder_input_ids=torch.tensor([prompt + written])
        ).logits[0, 1:-1]
    likely = logits.softmax(-1)[range(len(written)), written].tolist()
    assert len(words) == 2 < len(written)
    (first,) = tokenizer(" remove", add_special_tokens=False).input_ids
    assert written[0] == first
    assert words[0].confidence == pytest.approx(likely[0], rel=1e-4)
    assert words[1].confidence == pytest.approx(np.mean(likely[1:]), rel=1e-4)


def test_whisper_tells_the_words_of_its_text_and_is_left_as_it_was(
    demo: SpeechModel, shopping: Audio
) -> None:
    before = demo.config._attn_implementation
    result = transcribe(demo, shopping, TIMED)
    assert result.text == transcribe(demo, shopping, COLD).text
    assert transcribe(demo, shopping, COLD).words == ()
    assert [word.text for word in result.words] == result.text.split()
    starts = [word.start for word in result.words]
    assert starts == sorted(starts)
    assert all(word.start <= word.stop <= shopping.duration for word in result.words)
    assert result.words[-1].stop > 1.5
    assert demo.config._attn_implementation == before


def test_without_alignment_heads_the_upper_half_of_the_decoder_is_asked(
    demo: SpeechModel, shopping: Audio
) -> None:
    settings: Any = demo.model.generation_config
    named, layers, heads = (
        settings.alignment_heads,
        demo.config.decoder_layers,
        demo.config.decoder_attention_heads,
    )
    try:
        settings.alignment_heads = [
            [layer, head] for layer in range(layers // 2, layers) for head in range(heads)
        ]
        expected = transcribe(demo, shopping, TIMED).words
        del settings.alignment_heads
        assert transcribe(demo, shopping, TIMED).words == expected
    finally:
        settings.alignment_heads = named


def test_times_go_on_from_window_to_window() -> None:
    model, clip = tiny_whisper(), audio(5.0)
    whole = transcribe(model, clip, TIMED).words
    alone = []
    for window in quiet_windows(clip.samples, 2 * SAMPLING_RATE):
        piece = replace(clip, samples=clip.samples[window.start : window.stop])
        begins = window.start / SAMPLING_RATE
        alone += [word.later(begins) for word in transcribe(model, piece, TIMED).words]
    assert [word.text for word in whole] == [word.text for word in alone]
    assert [word.start for word in whole] == pytest.approx([word.start for word in alone])
    assert whole[-1].start > 2


def test_the_sequential_algorithms_tokens_are_put_together_by_call() -> None:
    segments = [
        {"start": torch.tensor(0.0), "tokens": torch.tensor([1])},
        {"start": torch.tensor(1.2), "tokens": torch.tensor([2, 3])},
        {"start": torch.tensor(1.9), "tokens": torch.tensor([4])},
    ]
    assert tokens_by_call(segments, [0, 190], 100) == {0: [1, 2, 3], 190: [4]}


def test_the_sequential_algorithms_words_lie_in_the_windows_that_were_heard() -> None:
    model, clip = tiny_whisper(timestamps=0.05), audio(5.0)
    settings: Any = model.model.generation_config
    settings.alignment_heads = [[1, 0], [1, 1]]
    result = transcribe(model, clip, replace(TIMED, long_form="timestamps"))
    assert result.n_windows > 1
    features = model.processor.feature_extractor(
        clip.samples, sampling_rate=SAMPLING_RATE, return_tensors="pt",
        truncation=False, padding="longest", return_attention_mask=True,
    )  # fmt: skip
    plain: Any = model.model.generate(  # type: ignore[operator]
        features.input_features, attention_mask=features.attention_mask,
        return_timestamps=True, return_token_timestamps=True, return_segments=True,
        max_length=settings.max_length,
    )  # fmt: skip
    assert result.text == model.processor.tokenizer.decode(
        plain["sequences"][0], skip_special_tokens=True
    )
    # The alphabet has no space: what stands between two timestamps is one word. Each is looked for
    # in the 2 s that its call heard; calls begin at 0, 2 and 4 s.
    segments = plain["segments"][0]
    spelled = [(float(s["start"]), (s["tokens"] < 26).sum().item()) for s in segments]
    assert [len(word.text) for word in result.words] == [n for _, n in spelled]
    for word, (start, _) in zip(result.words, spelled, strict=True):
        call = 2 * int(start / 2)
        assert call <= word.start <= word.stop <= call + 2
    assert len({word.stop for word in result.words}) > 6


@pytest.fixture
def real() -> SpeechModel:
    folder = TESTBED / "whisper-tiny-en"
    if not folder.is_dir():
        pytest.skip("no real Whisper here")
    return load(str(folder), dtype="float32")


def test_a_real_whispers_words_are_those_of_the_pipeline(real: SpeechModel) -> None:
    clip = read_audio(sorted((TESTBED / "clips").glob("*.flac"))[0])
    recogniser: Any = pipeline(
        "automatic-speech-recognition",
        model=real.model,
        tokenizer=real.processor.tokenizer,
        feature_extractor=real.processor.feature_extractor,
    )
    plain = recogniser(
        clip.samples.copy(), return_timestamps="word", generate_kwargs={"num_beams": 1}
    )["chunks"]
    words = transcribe(real, clip, TranscriptionOptions(word_times=True, warm_up=False)).words
    assert [word.text for word in words] == [chunk["text"].strip() for chunk in plain]
    apart = [
        abs(word.start - chunk["timestamp"][0]) for word, chunk in zip(words, plain, strict=True)
    ]
    assert max(apart) <= 0.1
