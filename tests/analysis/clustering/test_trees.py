"""The trees of a whole model: all groups, once, then from disk."""

from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.clustering import unit_space
from analysis.clustering.distances import squared_distances
from analysis.clustering.merge_tree import MergeTree, ward_tree
from analysis.clustering.trees import build_trees
from analysis.clustering.unit_space import UnitSpace
from analysis.errors import Cancelled, UserError
from analysis.models.speech_model import SpeechModel
from analysis.progress import Watch
from analysis.speech.excitation import Excitation
from tests.helpers.tiny_models import speech_model as wrap
from tests.helpers.tiny_models import tiny_hubert, tiny_whisper


@pytest.fixture(autouse=True)
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COALESCE_CACHE", str(tmp_path))
    return tmp_path


def same(a: MergeTree, b: MergeTree) -> bool:
    return np.array_equal(a.linkage, b.linkage) and np.array_equal(a.norms, b.norms)


def count_built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    built: list[str] = []

    def spy(module: object, group: object, *rest: object, **options: object) -> object:
        built.append(group.id)  # type: ignore[attr-defined]
        return squared_distances(module, group, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(unit_space, "squared_distances", spy)
    return built


def test_trees_of_all_groups(speech_model: SpeechModel) -> None:
    trees = build_trees(speech_model)
    assert list(trees) == [group.id for group in speech_model.groups]
    for group in speech_model.groups:
        direct = squared_distances(speech_model.model, group, "weights", align_heads=True)
        assert same(trees[group.id], ward_tree(direct))


def test_second_time_from_disk(whisper: SpeechModel, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build_trees(whisper)
    built = count_built(monkeypatch)
    second = build_trees(whisper)
    assert built == []
    assert all(same(first[name], second[name]) for name in first)


@pytest.mark.parametrize("distance", ["weights", "normalised"])
def test_each_setting_has_its_own_trees(
    whisper: SpeechModel, distance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = [group.id for group in whisper.groups if group.component == "heads"]
    build_trees(whisper, UnitSpace(distance, align_heads=True))
    built = count_built(monkeypatch)
    build_trees(whisper, UnitSpace(distance, align_heads=False))
    assert built == heads, "alignment changes the trees of heads, and of heads only"
    other = {"weights": "normalised", "normalised": "weights"}[distance]
    build_trees(whisper, UnitSpace(other))
    assert len(built) == len(heads) + len(whisper.groups)


def test_each_model_has_its_own_trees() -> None:
    a, b = tiny_whisper(seed=1), tiny_whisper(seed=2)
    trees = build_trees(a), build_trees(b)
    assert not any(same(trees[0][name], trees[1][name]) for name in trees[0])


def test_each_dtype_has_its_own_trees() -> None:
    """The hash is that of the stored tensors; rounded on loading they are other numbers."""
    exact, rounded = tiny_hubert(), tiny_hubert()
    rounded.model.to(dtype=torch.bfloat16)  # type: ignore[call-arg]
    assert exact.weight_hash == rounded.weight_hash
    group = exact.groups[0]
    trees = [UnitSpace().tree(m, group) for m in (exact, rounded)]
    assert not same(*trees)


@pytest.mark.parametrize("damage", ["broken", "of another size", "lacking"])
def test_a_bad_entry_is_built_anew(
    whisper: SpeechModel, fresh_cache: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = whisper.groups[1]
    first = UnitSpace().tree(whisper, group)
    (path,) = fresh_cache.rglob("*.npz")
    if damage == "broken":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "of another size":
        np.savez(path, linkage=first.linkage[:5], norms=first.norms[:6])
    else:
        np.savez(path, norms=first.norms)
    built = count_built(monkeypatch)
    assert same(UnitSpace().tree(whisper, group), first)
    assert built == [group.id]
    UnitSpace().tree(whisper, group)
    assert built == [group.id], "the mended entry was not kept"


def test_progress_and_cancel(whisper: SpeechModel, fresh_cache: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    with pytest.raises(Cancelled):
        build_trees(
            whisper,
            watch=Watch(
                lambda done, total, note: seen.append((done, total, note)), lambda: len(seen) == 2
            ),
        )
    assert seen == [
        (1, 13, "Encoder 0 · self-attention heads"),
        (2, 13, "Encoder 0 · FFN channels"),
    ]
    assert len(list(fresh_cache.rglob("*.npz"))) == 2, "what was built by then stays"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_numbers_are_refused_by_group(value: float) -> None:
    model = tiny_whisper()
    values = model.model.get_parameter("model.decoder.layers.1.encoder_attn.v_proj.weight")
    values.data[3, 3] = value
    model = wrap(model.model, model.processor, "damaged")
    for align_heads in (True, False):
        with pytest.raises(UserError, match=r"decoder\.1\.cross_attention.*not finite"):
            build_trees(model, UnitSpace(align_heads=align_heads))


# --- whole models ------------------------------------------------------------------------------


def test_trees_of_contributions_are_kept(whisper: SpeechModel, sound: Excitation) -> None:
    first = build_trees(whisper, UnitSpace("contribution", excitation=sound), removal=True)
    second = build_trees(whisper, UnitSpace("contribution", excitation=sound), removal=True)
    for group_id, tree in first.items():
        again = second[group_id]
        assert np.array_equal(tree.linkage, again.linkage)
        assert tree.removal is not None and again.removal is not None  # noqa: PT018
        assert np.array_equal(tree.removal.order, again.removal.order)
        assert tree.residual_variance == again.residual_variance
