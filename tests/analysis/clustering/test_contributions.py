"""What units do: moments, the surgeon's order, refits and compensation, against brute force."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from analysis.clustering import contributions, listening
from analysis.clustering.contributions import (
    GroupMoments,
    contribution_distances,
    contribution_gram,
    contribution_vectors,
    group_moments,
    measure_groups,
)
from analysis.clustering.listening import prepare
from analysis.clustering.moments import RIDGE, MomentAccumulator, Moments
from analysis.clustering.removal import removal_order
from analysis.clustering.trees import build_trees
from analysis.compression.compress import compress
from analysis.compression.joint_moments import paired_moments
from analysis.compression.repair import Change, refit, repair
from analysis.delivery.saving import save
from analysis.errors import UserError
from analysis.models.loading import load
from analysis.models.modules import linear_at, share_modules
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import unit_groups
from analysis.models.unit_weights import UnitWeights, read_units
from analysis.plan.compression_plan import CompressionPlan
from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.excitation import (
    Excitation,
    calibrate_on,
    make_excitation,
    read_calibration,
    speech_like,
)
from tests.helpers.tiny_models import logits, make_plan


@pytest.fixture(scope="module")
def sound() -> Excitation:
    """Three short clips of generated sound."""
    generator = np.random.default_rng(3)
    return Excitation("sounds", tuple(speech_like(generator, 1.2) for _ in range(3)))


def random_moments(width: int, seed: int) -> torch.Tensor:
    drawn = torch.randn(
        4 * width, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return drawn.T @ drawn / len(drawn)


def listening_plan(model: SpeechModel, sound: Excitation, **fields: object) -> CompressionPlan:
    fields = {"repair": "refit", "distance": "contribution"} | fields
    return make_plan(model, excitation=sound.kind, **fields)


def output_error(
    model: SpeechModel, changed: SpeechModel, group_id: str, sound: Excitation
) -> tuple[float, float, float]:
    """Squared distance of the mean outputs, variances of their difference and of the original."""
    before = next(g for g in unit_groups(model) if g.id == group_id)
    after = next(g for g in unit_groups(changed) if g.id == group_id)
    joint = paired_moments(model, changed.model, before, prepare(model, sound))
    width = after.n_units * after.rows
    linear = linear_at(changed.model, after.output_path)
    weight, bias = linear.weight.double(), linear.bias.double()
    mean = joint.mean[width:] - joint.mean[:width] @ weight.T - bias
    both = torch.cat([-weight, torch.eye(len(weight), dtype=torch.float64)], dim=1)
    total = float(joint.covariance[width:, width:].trace())
    return float(mean.square().sum()), float((both @ joint.covariance @ both.T).trace()), total


# --- excitation --------------------------------------------------------------------------------


def test_generated_sound_depends_on_the_seed_only() -> None:
    first, again, other = (make_excitation("sounds", seed=seed) for seed in (1, 1, 2))
    assert first.identity == again.identity != other.identity
    assert first.seconds == 60
    assert all(abs(clip).max() == pytest.approx(0.5) for clip in first.clips)


def test_shipped_speech_is_data_free_and_own_clips_are_not() -> None:
    speech = make_excitation("speech")
    assert speech.data_free
    assert len(speech.clips) == 48
    with pytest.raises(UserError, match="--calibrate"):
        make_excitation("calibrated")
    with pytest.raises(UserError, match="no clip"):
        calibrate_on([])


def test_own_clips_are_found_behind_links(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * SAMPLING_RATE)
    (tmp_path / "elsewhere").mkdir()
    soundfile.write(tmp_path / "elsewhere" / "b.wav", noise, SAMPLING_RATE)
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips" / "a.wav", noise[:SAMPLING_RATE], SAMPLING_RATE)
    (tmp_path / "clips" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "clips" / "round").symlink_to(tmp_path / "clips")
    assert read_calibration(tmp_path / "clips").seconds == 3


def test_what_the_decoder_wrote_is_kept(
    whisper: SpeechModel, sound: Excitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(whisper, sound)
    monkeypatch.setattr(listening.Seq2SeqRecogniser, "tokens", None)
    for a, b in zip(first, prepare(whisper, sound), strict=True):
        assert a.arguments.keys() == b.arguments.keys()
        assert torch.equal(a.arguments["decoder_input_ids"], b.arguments["decoder_input_ids"])


# --- moments -----------------------------------------------------------------------------------


def test_moments_in_pieces_are_those_in_one_go() -> None:
    vectors = 5 + torch.randn(97, 6, generator=torch.Generator().manual_seed(0))
    whole, pieces = (MomentAccumulator(6, torch.device("cpu")) for _ in range(2))
    whole.update(vectors)
    for start, stop in pairwise((0, 1, 30, 97)):
        pieces.update(vectors[start:stop])
    expected = np.cov(vectors.double().numpy(), rowvar=False, bias=True)
    for moments in (whole.moments(), pieces.moments()):
        assert moments.count == 97
        np.testing.assert_allclose(moments.mean, vectors.double().mean(dim=0), rtol=1e-12)
        np.testing.assert_allclose(moments.covariance, expected, rtol=1e-9, atol=1e-9)


def test_statistics_are_measured_once(
    speech_model: SpeechModel, sound: Excitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = unit_groups(speech_model)
    measured = measure_groups(speech_model, sound, groups)
    for group in groups:
        group_moments(speech_model, sound, group)
    monkeypatch.setattr(contributions, "measure_groups", None)
    for group in groups:
        cached = group_moments(speech_model, sound, group)
        fresh = measured[group.id]
        assert torch.equal(cached.moments.covariance, fresh.moments.covariance)
        assert torch.equal(cached.moments.mean, fresh.moments.mean)
        assert cached.residual_variance == fresh.residual_variance > 0


def test_gram_is_that_of_the_contributions_themselves() -> None:
    """Against the definition: c_h(t) = a_h(t)·O_h, centred, inner products averaged over t."""
    generator = torch.Generator().manual_seed(1)
    activations = torch.randn(50, 3, 4, generator=generator, dtype=torch.float64) + 2
    output = torch.randn(3, 4, 7, generator=generator)
    accumulator = MomentAccumulator(12, torch.device("cpu"))
    accumulator.update(activations.reshape(50, 12))
    statistics = GroupMoments(accumulator.moments(), 1.0)
    gram = contribution_gram(statistics, output)
    added = torch.einsum("tnr,nrd->tnd", activations, output.double())
    centred = added - added.mean(dim=0)
    expected = torch.einsum("tnd,tmd->nm", centred, centred) / 50
    np.testing.assert_allclose(gram, expected, rtol=1e-9)
    distances = contribution_distances(gram)
    apart = (centred[:, 0] - centred[:, 2]).square().sum(dim=1).mean()
    assert distances.matrix[0, 2] == pytest.approx(float(apart), rel=1e-5)
    vectors = contribution_vectors(gram).astype(np.float64)
    np.testing.assert_allclose(vectors @ vectors.T, gram, rtol=1e-4, atol=1e-4)


# --- the surgeon -------------------------------------------------------------------------------


def ridge_error(covariance: torch.Tensor, weight: torch.Tensor, kept: list[int]) -> float:
    """min over V of ‖Σ_all a·w - Σ_kept a·v‖² + λ·‖w - v‖², v = 0 off the kept: least squares."""
    ridge = RIDGE * float(covariance.diagonal().mean())
    hessian = covariance + ridge * torch.eye(len(covariance), dtype=torch.float64)
    best = torch.zeros_like(weight)
    best[kept] = torch.linalg.solve(hessian[kept][:, kept], hessian[kept] @ weight)
    lost = weight - best
    return float((lost * (hessian @ lost)).sum())


@pytest.mark.parametrize("rows", [1, 3])
def test_surgeon_is_the_greedy_least_squares(rows: int) -> None:
    n = 7
    covariance = random_moments(n * rows, seed=rows)
    output = torch.randn(n, rows, 5, generator=torch.Generator().manual_seed(9))
    weight = output.reshape(n * rows, 5).double()
    removal = removal_order(covariance, output)
    left = list(range(n))

    def inputs(units: list[int]) -> list[int]:
        return [unit * rows + row for unit in units for row in range(rows)]

    for step, unit in enumerate(removal.order.tolist(), start=1):
        errors = {
            u: ridge_error(covariance, weight, inputs([v for v in left if v != u])) for u in left
        }
        assert unit == min(errors, key=lambda u: errors[u])
        assert removal.costs[:step].sum() == pytest.approx(errors[unit], rel=1e-8)
        left.remove(unit)
        assert np.flatnonzero(removal.labels(n - step) >= 0).tolist() == left
    assert len(left) == 1


def test_surgeon_in_blocks_finds_exact_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """600 channels of which half repeat the others: half go for nothing but the ridge."""
    monkeypatch.setattr("analysis.clustering.moments.RIDGE", 0.01)
    covariance = random_moments(300, seed=4)
    twice = covariance.repeat(2, 2)
    output = torch.randn(600, 1, 8, generator=torch.Generator().manual_seed(5))
    removal = removal_order(twice, output)
    last = np.flatnonzero(removal.labels(1) >= 0).tolist()
    assert sorted(removal.order.tolist() + last) == list(range(600))
    assert removal.costs[:300].mean() < 0.05 * removal.costs[300:350].mean()
    kept = np.flatnonzero(removal.labels(300) >= 0) % 300
    assert len(np.unique(kept)) == 300, "of each pair one stays"


def test_refit_never_raises_the_error() -> None:
    covariance = random_moments(12, seed=6)
    columns = torch.randn(12, 5, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    kept = torch.tensor([0, 2, 3, 7, 8, 11])
    moments = Moments(48, torch.zeros(6).double(), covariance[kept][:, kept])
    cross = covariance[kept] @ columns
    units = UnitWeights({}, {}, columns[kept].float().unsqueeze(1))

    def error(weight: torch.Tensor) -> float:
        lost = columns.clone()
        lost[kept] -= weight.squeeze(1).double()
        return float((lost * (covariance @ lost)).sum())

    assert error(refit(units, moments, cross)) < error(units.output)


# --- whole models ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["cluster", "surgeon", "magnitude", "random"])
@pytest.mark.parametrize("repair", ["mean", "refit"])
def test_repair_meets_the_mean_output_on_the_excitation(
    speech_model: SpeechModel, sound: Excitation, method: str, repair: str
) -> None:
    """One group at a time, so that it hears what the original gives it."""
    for group in (unit_groups(speech_model)[0], unit_groups(speech_model)[-1]):
        wanted = {group.id: max(1, group.n_units * 2 // 3)}
        results = [
            compress(
                speech_model,
                listening_plan(speech_model, sound, method=method, repair=kind, n_clusters=wanted),
                excitation=sound,
            )
            for kind in ("none", repair)
        ]
        plain, repaired = (output_error(speech_model, r.model, group.id, sound) for r in results)
        told = [result.groups[group.id].output_error for result in results]
        assert told == [None, pytest.approx(repaired[1] / repaired[2], rel=1e-3)]
        assert repaired[0] < 1e-9 < plain[0]
        assert repaired[1] <= plain[1] * (1 + 1e-6)
        if repair == "refit":
            assert repaired[1] < plain[1]


@pytest.mark.parametrize("method", ["cluster", "surgeon"])
def test_sequential_is_one_shot_for_a_single_group(
    whisper: SpeechModel, sound: Excitation, method: str
) -> None:
    group = unit_groups(whisper)[1]
    both = [
        compress(
            whisper,
            listening_plan(
                whisper, sound, method=method, sequential=order, n_clusters={group.id: 12}
            ),
            excitation=sound,
        ).model
        for order in (False, True)
    ]
    torch.testing.assert_close(logits(both[0]), logits(both[1]), rtol=1e-4, atol=1e-4)


def test_sequential_hears_the_layers_below(whisper: SpeechModel, sound: Excitation) -> None:
    """Behind compressed layers the mean output is met on what those give, not on the original's."""
    plan = listening_plan(whisper, sound, method="surgeon", sequential=True, sparsity=0.3)
    last = unit_groups(whisper)[-1].id
    sequential = compress(whisper, plan, excitation=sound).model
    assert output_error(whisper, sequential, last, sound)[0] < 1e-9


def test_all_units_kept_is_the_identity(speech_model: SpeechModel, sound: Excitation) -> None:
    plan = listening_plan(speech_model, sound, n_clusters={})
    result = compress(speech_model, plan, excitation=sound)
    assert torch.equal(logits(result.model), logits(speech_model))


@pytest.mark.parametrize("method", ["cluster", "surgeon"])
def test_saves_and_reloads_with_its_output_biases(
    speech_model: SpeechModel, sound: Excitation, method: str, tmp_path: object
) -> None:
    plan = listening_plan(speech_model, sound, method=method, sequential=True)
    result = compress(speech_model, plan, excitation=sound)
    group = next(iter(result.groups.values())).group
    old = linear_at(speech_model.model, group.output_path).bias
    assert not torch.equal(linear_at(result.model.model, group.output_path).bias, old)
    loaded = load(str(save(result.model, tmp_path / "small")))  # type: ignore[operator]
    assert torch.equal(logits(loaded), logits(result.model))
    assert loaded.plan == result.plan
    assert result.plan.excitation_hash == sound.identity
    again = compress(speech_model, result.plan, excitation=sound)
    assert again.model.weight_hash == result.model.weight_hash


def test_another_excitation_is_refused(hubert: SpeechModel, sound: Excitation) -> None:
    plan = compress(hubert, listening_plan(hubert, sound), excitation=sound).plan
    with pytest.raises(UserError, match="other sound"):
        compress(hubert, plan)


def test_surgeon_and_output_error_need_contributions(hubert: SpeechModel) -> None:
    with pytest.raises(UserError, match="contribution"):
        make_plan(hubert, method="surgeon")


def test_repair_leaves_the_model_alone(whisper: SpeechModel, sound: Excitation) -> None:
    group = unit_groups(whisper)[0]
    before = share_modules(whisper.model)
    labels = np.array([0, 1, 1, 2])
    units = read_units(whisper.model, group).take(torch.tensor([0, 1, 3]))
    repair(whisper, sound, [Change(group, labels, units)], "refit")
    assert all(a is b for a, b in zip(before.parameters(), whisper.model.parameters(), strict=True))
    assert not linear_at(whisper.model, group.output_path)._forward_hooks


def test_trees_of_contributions_are_kept(whisper: SpeechModel, sound: Excitation) -> None:
    first = build_trees(whisper, "contribution", excitation=sound, removal=True)
    second = build_trees(whisper, "contribution", excitation=sound, removal=True)
    for group_id, tree in first.items():
        again = second[group_id]
        assert np.array_equal(tree.linkage, again.linkage)
        assert tree.removal is not None and again.removal is not None  # noqa: PT018
        assert np.array_equal(tree.removal.order, again.removal.order)
        assert tree.residual_variance == again.residual_variance
