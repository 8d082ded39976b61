"""What a recipe listens to, with a model that knows these languages or those."""

from analysis.models.speech_model import SpeechModel
from analysis.plan.recipe import Recipe
from analysis.speech.excitation import Excitation, make_excitation
from analysis.speech.languages import language_codes


def recipe_excitation(model: SpeechModel, recipe: Recipe) -> Excitation:
    """The data-free excitation of a recipe, in the languages that the model knows.

    Parameters
    ----------
    model : SpeechModel
    recipe : Recipe
        Its excitation is "speech" or "sounds".

    Returns
    -------
    Excitation

    Raises
    ------
    UserError
        See `make_excitation`.
    """
    return make_excitation(
        recipe.excitation, seed=recipe.seed, level=recipe.level, languages=language_codes(model)
    )
