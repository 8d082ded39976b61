"""A visitor's session as it is kept on disk, made without an app."""

from collections.abc import Mapping
from functools import cache

import pytest

from analysis.compression.compress import compress
from analysis.compression.planner import Planner
from analysis.models.footprint import footprint
from analysis.models.loading import DEMO_MODELS, load
from analysis.plan.recipe import complete
from analysis.speech.audio import read_audio
from analysis.speech.transcription import TranscriptionOptions, transcribe
from pages.listening.bundled import BUNDLED_FOLDER
from pages.planning.settings import in_widgets, widget_key
from pages.session.records import items_of
from pages.session.session import Clip, Session, clip_id, on_best_device
from pages.session.shelves import model_id
from pages.session.store import new_id

MODEL, NAME = "demo-hubert", "Mine, 37 %"


@cache
def kept_items(names: tuple[str, ...] = (NAME,)) -> Mapping[str, bytes]:
    """Of a visitor with variants, which heard an upload: content by name of the item.

    Parameters
    ----------
    names : tuple of str
        Of the variants; each is smaller than the one before.
    """
    if not (DEMO_MODELS[MODEL] / "model.safetensors").is_file():
        pytest.skip(f"the bundled model {MODEL} has not been built")
    model = load(MODEL)
    recipe = complete(distance="weights", sparsity=0.37)
    session = Session(on_best_device(MODEL), new_id())
    planner, models = Planner(model), [model]
    for place, name in enumerate(names):
        smaller = recipe.changed(sparsity=0.37 + 0.1 * place)
        made = compress(model, planner.prepare(smaller).plan)
        session.add_variant(name, made, footprint(made.model), 0.1)
        models.append(made.model)
    audio = read_audio(BUNDLED_FOLDER / "digits.flac", name="Voice of a visitor")
    clip = Clip(clip_id(audio), audio, "five one six eight", "upload")
    session.clips[clip.id], session.current_clip = clip, clip.id
    options = TranscriptionOptions(word_times=True)  # as Transcribe asks
    for each in models:
        session.transcripts[clip.id, model_id(each), options] = transcribe(each, audio, options)
    for name, value in in_widgets(recipe).items():
        session.choices[widget_key(model, name)] = value
    return {name: item.content() for name, item in items_of(session).items()}
