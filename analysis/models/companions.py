"""What lies beside a model's weights and belongs to it: it is named, and saved with the model."""

import re
import shutil
from pathlib import Path

COMPANIONS = ("adapter.*.safetensors", "language_model/*", "alphabet.json")
"""Files of other languages (MMS) and of a language model for CTC, as patterns for the hub."""

_LANGUAGE = re.compile(r"adapter\.([\w-]+)\.safetensors")


def find_companions(folder: Path) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Find what belongs to a model and is not used here.

    Parameters
    ----------
    folder : Path
        A checkpoint. What a link leads to belongs to it in the hub's cache only.

    Returns
    -------
    tuple of tuple of Path and tuple of str
        Files and folders, and a sentence for each kind of them.
    """
    found: list[Path] = []
    notes = []
    own = (folder.resolve(), folder.resolve().parent.parent / "blobs")  # where the hub's links lead

    def belongs(path: Path) -> bool:
        return any(path.resolve().is_relative_to(place) for place in own)

    languages = sorted(
        path for path in folder.iterdir() if _LANGUAGE.fullmatch(path.name) and belongs(path)
    )
    if languages:
        found += languages
        notes.append(
            f"Its adapters of {len(languages)} languages are saved with it; the weights in use are"
            " those of model.safetensors."
        )
    language_model = folder / "language_model"
    if language_model.is_dir() and all(map(belongs, language_model.rglob("*"))):
        beside = [folder / "alphabet.json"]
        found += [language_model, *(path for path in beside if path.is_file() and belongs(path))]
        notes.append(
            "Its language model is saved with it and not used: words are the likeliest letters."
        )
    return tuple(found), tuple(notes)


def copy_companion(companion: Path, folder: Path) -> None:
    """Copy one of them into the folder of a saved model."""
    if companion.is_dir():
        shutil.copytree(companion, folder / companion.name)
    elif companion.is_file():
        shutil.copyfile(companion, folder / companion.name)
