"""Where heads look: the library's own weights, and numbers worked out by hand."""

from math import log

import numpy as np
import pytest
import torch

from analysis.inspection.attention import MEASURES, Patterns, attention, head_measures, thinned
from analysis.inspection.soundtrack import Soundtrack, find_soundtrack
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_weights import read_units
from analysis.speech.excitation import Excitation
from tests.helpers.changed_models import overwrite
from tests.helpers.tiny_models import group_of, tiny_whisper


def test_patterns_are_the_library_s_own(whisper: SpeechModel, sound: Excitation) -> None:
    track = find_soundtrack(whisper, sound).tracks[1]
    twin = tiny_whisper()
    twin.model.set_attn_implementation("eager")
    with torch.inference_mode():
        output = twin.model(**track.clip.arguments, output_attentions=True)
    first = track.clip.n_prompt - 1
    for name, theirs in (
        (
            "encoder.1.self_attention",
            output.encoder_attentions[1][0][:, : len(track.frame_seconds)],
        ),
        ("decoder.2.self_attention", output.decoder_attentions[2][0][:, first:]),
        ("decoder.0.cross_attention", output.cross_attentions[0][0][:, first:]),
    ):
        own = attention(whisper, track, group_of(whisper, name))
        np.testing.assert_allclose(own.weights, theirs.numpy(), atol=1e-5)
        assert own.weights.shape[1:] == (len(own.homes), len(own.places))
    assert whisper.model.config._attn_implementation != "eager", "the shared model stays as it is"


def test_every_row_adds_up_to_one(speech_model: SpeechModel, soundtrack: Soundtrack) -> None:
    group = speech_model.groups[0]
    own = attention(speech_model, soundtrack.tracks[0], group)
    np.testing.assert_allclose(own.weights.sum(axis=2), 1, atol=1e-4)
    measured = own.measures()
    assert measured.shape == (group.n_units, len(MEASURES))
    assert (measured[:, 0] <= log(own.weights.shape[2]) + 1e-4).all()
    assert ((measured[:, 2] >= 0) & (measured[:, 2] <= 1 + 1e-6)).all()


def test_the_numbers_by_hand(whisper: SpeechModel) -> None:
    """A query at 0.5 s: one head looks at itself, one at 0.4 and 0.8 s with a half each."""
    weights = np.zeros((2, 1, 4), np.float32)
    weights[0, 0, 1] = 1
    weights[1, 0, [0, 3]] = 0.5
    places = np.array([0.4, 0.5, 0.6, 0.8])
    group = group_of(whisper, "encoder.0.self_attention")
    found = Patterns(group, weights, np.array([0.5]), places).measures()
    np.testing.assert_allclose(found[0], [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(found[1], [log(2), 0.2, 0.5], atol=1e-6)


def test_twins_become_the_head_that_they_are(sound: Excitation) -> None:
    model = tiny_whisper()
    group = group_of(model, "decoder.1.cross_attention")
    weights = read_units(model.model, group)
    for part in (*weights.inputs.values(), *weights.biases.values()):
        part[1] = part[0]
    overwrite(model.model, group, weights)
    track = find_soundtrack(model, sound).tracks[0]
    before = attention(model, track, group)
    merged = attention(model, track, group, merge=[0, 1], align_heads=False)
    assert merged.weights.shape[0] == 1
    np.testing.assert_allclose(merged.weights[0], before.weights[0], atol=1e-5)


def test_numbers_of_all_heads_are_kept(
    whisper: SpeechModel, sound: Excitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundtrack = find_soundtrack(whisper, sound)
    found = head_measures(whisper, soundtrack)
    heads = [group for group in whisper.groups if group.component == "heads"]
    assert {name: len(own) for name, own in found.items()} == {g.id: g.n_units for g in heads}
    parts = [attention(whisper, track, heads[-1]) for track in soundtrack.tracks]
    counts = [len(part.homes) for part in parts]
    mean = sum(n * p.measures() for n, p in zip(counts, parts, strict=True)) / sum(counts)
    np.testing.assert_allclose(found[heads[-1].id], mean, rtol=1e-5)
    monkeypatch.setattr("analysis.inspection.attention.Listener", None)
    again = head_measures(whisper, soundtrack)
    np.testing.assert_array_equal(again[heads[0].id], found[heads[0].id])


def test_a_thin_matrix_loses_no_attention() -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(50), size=31)
    thin, row_step, column_step = thinned(weights, 10)
    assert thin.shape == (8, 10)
    assert (row_step, column_step) == (4, 5)
    np.testing.assert_allclose(thin.sum(axis=1), 1)
    np.testing.assert_allclose(thin[0, 0], weights[:4, :5].sum() / 4)
