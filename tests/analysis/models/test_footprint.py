"""What a model costs: against a count by hand, and what was predicted against what came out."""

import pytest

from analysis.compression.compress import compress
from analysis.models.footprint import TOKENS_PER_SECOND, footprint, predict_footprint
from analysis.models.speech_model import SpeechModel
from tests.helpers.tiny_models import WINDOW, hash_weights, make_plan


def test_macs_of_whisper_counted_by_hand(whisper: SpeechModel) -> None:
    d, mels, frames = 32, 16, 50 * WINDOW  # frames after the convolution of stride 2
    tokens = round(WINDOW * TOKENS_PER_SECOND)
    convolutions = 2 * frames * d * (3 * mels) + frames * d * (3 * d)

    def attention(queries: int, memory: int) -> int:
        # Q and O over the queries, K and V over the memory; scores and weighted sums of all heads
        return 2 * d * d * (queries + memory) + 2 * queries * memory * d

    encoder = convolutions + 2 * (attention(frames, frames) + frames * 2 * d * 24)
    decoder = 3 * (attention(tokens, tokens) + attention(tokens, frames) + tokens * 2 * d * 20)
    decoder += tokens * d * whisper.config.vocab_size
    found = footprint(whisper)
    assert found.encoder_macs == pytest.approx(encoder / WINDOW)
    assert found.decoder_macs == pytest.approx(decoder / WINDOW)
    assert found.macs == found.encoder_macs + found.decoder_macs


def test_macs_of_hubert_counted_by_hand(hubert: SpeechModel) -> None:
    d, channels, seconds = 32, 12, 10
    samples = seconds * 16_000
    macs, length, width = 0, samples, 1
    for kernel, stride in ((400, 160), (3, 1), (3, 2)):
        length = (length - kernel) // stride + 1
        macs += length * channels * width * kernel
        width = channels
    frames = length
    macs += frames * channels * d  # feature projection
    macs += (frames + 1) * d * (d // 2) * 8  # positions: kernel 8 of 2 groups; one is cut off again
    macs += 2 * (4 * frames * d * d + 2 * frames * frames * d + frames * 2 * d * 24)
    macs += frames * d * hubert.config.vocab_size
    found = footprint(hubert)
    assert found.encoder_macs == pytest.approx(macs / seconds)
    assert found.decoder_macs == 0


def test_tied_parameters_count_once(whisper: SpeechModel) -> None:
    """Whisper's output projection is its token embedding."""
    embedding = whisper.model.get_parameter("model.decoder.embed_tokens.weight")
    assert whisper.model.get_parameter("proj_out.weight") is embedding
    names = {k for k in whisper.model.state_dict() if k != "proj_out.weight"}
    state = whisper.model.state_dict()
    found = footprint(whisper)
    assert found.parameters == sum(state[name].numel() for name in names)
    assert found.bytes == 4 * found.parameters


def test_mergeable_parameters_by_hand(whisper: SpeechModel) -> None:
    attention = 4 * 32 * 32 + 2 * 32  # Q, K, V, O and the biases of Q and V
    expected = 2 * (attention + 24 * 65) + 3 * (2 * attention + 20 * 65)
    assert footprint(whisper).mergeable_parameters == expected


def test_prediction_is_the_footprint_of_the_compressed_model(speech_model: SpeechModel) -> None:
    base = footprint(speech_model)
    plans = [
        make_plan(speech_model),
        make_plan(speech_model, n_clusters={"encoder.1.self_attention": 1, "encoder.0.ffn": 5}),
        make_plan(speech_model, n_clusters={}),
    ]
    for plan in plans:
        predicted = predict_footprint(speech_model, base, plan.n_clusters)
        measured = footprint(compress(speech_model, plan).model)
        assert predicted.parameters == measured.parameters
        assert predicted.mergeable_parameters == measured.mergeable_parameters
        assert predicted.bytes == measured.bytes
        assert predicted.encoder_macs == pytest.approx(measured.encoder_macs)
        assert predicted.decoder_macs == pytest.approx(measured.decoder_macs)
    assert predicted == base  # the last plan keeps everything


def test_prediction_for_a_model_that_was_compressed_before(whisper: SpeechModel) -> None:
    once = compress(whisper, make_plan(whisper)).model
    plan = make_plan(once)
    predicted = predict_footprint(once, footprint(once), plan.n_clusters)
    measured = footprint(compress(once, plan).model)
    assert (predicted.parameters, predicted.bytes) == (measured.parameters, measured.bytes)
    assert predicted.macs == pytest.approx(measured.macs)


def test_a_units_cost_by_hand(whisper: SpeechModel) -> None:
    everything = {group.id: group.n_units for group in whisper.groups}
    base = footprint(whisper)
    frames, tokens = 100, 6
    by_hand = {
        "encoder.0.ffn": frames * 2 * 32,
        "encoder.0.self_attention": 4 * frames * 32 * 8 + 2 * frames**2 * 8,
        "decoder.0.self_attention": 4 * tokens * 32 * 16 + 2 * tokens**2 * 16,
        "decoder.0.cross_attention": 2 * (tokens + frames) * 32 * 16 + 2 * tokens * frames * 16,
    }
    for group_id, macs in by_hand.items():
        one_less = everything | {group_id: everything[group_id] - 1}
        saved = base.macs - predict_footprint(whisper, base, one_less).macs
        assert saved == pytest.approx(macs / WINDOW), group_id


def test_counting_leaves_the_model_alone(speech_model: SpeechModel) -> None:
    before = hash_weights(speech_model.model)
    attention = speech_model.config._attn_implementation
    footprint(speech_model)
    assert hash_weights(speech_model.model) == before
    assert speech_model.config._attn_implementation == attention
    assert not any(p.is_meta for p in speech_model.model.parameters())
