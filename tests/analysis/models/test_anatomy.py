"""Parts of a model: together they are all of its parameters, and each is named."""

from analysis.models.anatomy import parameter_parts
from analysis.models.speech_model import SpeechModel


def test_parts_add_up_to_all_unique_parameters(speech_model: SpeechModel) -> None:
    parts = {part.id: part for part in parameter_parts(speech_model)}
    assert parts["model"].n_parameters == sum(p.numel() for p in speech_model.model.parameters())
    for part in parts.values():
        children = [child for child in parts.values() if child.parent == part.id]
        if children:
            assert sum(child.n_parameters for child in children) == part.n_parameters
    leaves = {part.group.id: part.n_parameters for part in parts.values() if part.group}
    assert leaves == {g.id: g.n_parameters for g in speech_model.groups}


def test_parts_that_are_never_touched_are_named(whisper: SpeechModel, hubert: SpeechModel) -> None:
    def fixed(model: SpeechModel) -> set[str]:
        parts = parameter_parts(model)
        parents = {part.parent for part in parts}
        return {part.title for part in parts if part.group is None and part.id not in parents}

    both = {"Convolutions", "Layer norms", "Output biases"}
    assert fixed(whisper) == both | {"Positions", "Token embedding"}
    assert fixed(hubert) == both | {"Other projections", "Recognition head"}
