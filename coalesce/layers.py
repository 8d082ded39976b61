"""The functions of `coalesce` that look at layers: what each is worth, how far each moves."""

from pathlib import Path

import pandas as pd

from analysis.compression.tree_choice import TreeChoice
from analysis.compression.worth import position_of, worth_of, worth_tables
from analysis.evaluation.drift import Drift, measure_drift
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import END_TO_END, INFLUENCE, Level
from analysis.plan.recipe import complete
from analysis.speech.audio import Audio, read_audio
from analysis.speech.excitation import make_excitation
from analysis.speech.languages import language_codes

__all__ = ["cka", "drift", "worth"]


def cka(
    first: SpeechModel, second: SpeechModel, clip: str | Path | Audio
) -> dict[str, tuple[tuple[float, ...], ...]]:
    """How alike the layers of two models lie on a clip, each with each.

    Parameters
    ----------
    first, second : SpeechModel
        Two that read the same tokens, for instance an original and a variant of it; both decoders
        are given the first one's words.
    clip : str, Path or Audio

    Returns
    -------
    dict of str to tuple of tuple of float
        Debiased linear CKA by stack; a row per layer of the first model.

    Raises
    ------
    UserError
        Where there is no usable sound, or the models' layers have no states of one shape.

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-hubert")
    >>> rows = coalesce.cka(model, model, coalesce.CLIPS / "set.flac")["encoder"]
    >>> round(rows[0][0], 3), rows[0][1] < 1
    (1.0, True)
    """
    return dict(drift(first, second, clip).similarities)


def drift(original: SpeechModel, variant: SpeechModel, clip: str | Path | Audio) -> Drift:
    """How far each layer's hidden states move from one model to another on a clip.

    Parameters
    ----------
    original, variant : SpeechModel
        Two that read the same tokens and have layers of one shape; both decoders are given the
        first one's words.
    clip : str, Path or Audio

    Returns
    -------
    Drift
        Its `layers` hold relative error and CKA; `gains()` says which layers amplify a disturbance
        and which absorb it.

    Raises
    ------
    UserError
        Where there is no usable sound, or the models' layers have no states of one shape.

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-hubert")
    >>> found = coalesce.drift(model, model, coalesce.CLIPS / "set.flac")
    >>> max(layer.relative_error for layer in found.layers)
    0.0
    """
    sound = clip if isinstance(clip, Audio) else read_audio(clip)
    [found] = measure_drift(original, [variant], sound)
    return found


def worth(model: SpeechModel, *, level: Level = "standard") -> dict[str, pd.DataFrame]:
    """What each group of units is worth: how far the model's words move as its units go.

    Parameters
    ----------
    model : SpeechModel
        The original, or a compressed one.
    level : {"quick", "standard", "thorough"}
        How much of the speech that ships with Coalesce the model listens to. Outputs are refitted
        on it: with less of it every number is larger. Variance shows the level of the recipe.

    Returns
    -------
    dict of str to DataFrame
        "layer-worth", KL divergence in nats per word (CTC: per frame) where a tenth to two fifths
        of a group go; "layer-worth-curves", the same for every K. `measured` tells what was
        measured from what the gradient foresees between.

    Raises
    ------
    UserError
        Where there is no such level.

    Examples
    --------
    >>> import coalesce
    >>> model = coalesce.load("demo-hubert")
    >>> table = coalesce.worth(model)["layer-worth"]  # doctest: +SKIP
    """
    recipe = complete(level=level, distance=INFLUENCE, allocation=END_TO_END)
    sound = make_excitation("speech", level=level, languages=language_codes(model))
    trees = TreeChoice.of(recipe, sound).build(model)
    worths = {name: worth_of(tree) for name, tree in trees.items()}
    groups = [group for group in model.groups_for(recipe.components) if group.id in worths]
    return worth_tables(groups, worths, position_of(model))
