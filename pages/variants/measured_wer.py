"""Word error rates that a visitor measured on Transcribe, as far as they belong together."""

import math
from collections.abc import Mapping

from analysis.delivery.model_card import Measurement
from analysis.evaluation.scoring import corpus_score
from analysis.models.speech_model import SpeechModel
from analysis.speech.transcription import Transcript, TranscriptionOptions
from pages.listening.normaliser import normaliser_of
from pages.session.session import Clip, Session, Variant
from pages.session.shelves import model_id


def measurements_of(session: Session, variant: Variant) -> tuple[Measurement, ...]:
    """What was measured of a variant, for its model card."""
    return measure_wer(session, variant.model)


def measure_wer(session: Session, model: SpeechModel) -> tuple[Measurement, ...]:
    """The word error rate of a model over the transcripts of this session.

    Parameters
    ----------
    session : Session
    model : SpeechModel
        The model in use, or a variant of it.

    Returns
    -------
    tuple of Measurement
        One for the options under which most clips with a reference were transcribed, if any; the
        original's rate is of the very same clips.
    """
    heard = _heard(session, model)
    if not heard:
        return ()
    options, pairs = next(iter(heard.items()))
    clips = [clip for clip, _ in pairs]
    original = session.model or model
    normaliser = normaliser_of(original)
    references = [clip.reference for clip in clips]
    own = corpus_score(
        references,
        [transcript.text for _, transcript in pairs],
        normaliser,
    )
    if not math.isfinite(own.wer):
        return ()
    kept = [session.transcripts.get((clip.id, model_id(original), options)) for clip in clips]
    before = [transcript.text for transcript in kept if transcript is not None]
    names = ", ".join(clip.audio.name for clip in clips[:3])
    if len(clips) > 3:
        names += " and others"
    return (
        Measurement(
            data=f"clips tried out by hand ({names})",
            n_clips=len(clips),
            words=own.words,
            wer=own.wer,
            normaliser=normaliser,
            original_wer=corpus_score(references, before, normaliser).wer
            if len(before) == len(clips)
            else None,
        ),
    )


def _heard(
    session: Session, model: SpeechModel
) -> Mapping[TranscriptionOptions, list[tuple[Clip, Transcript]]]:
    """Clips with a reference and what a model heard in them, by options; most clips first.

    A clip and its transcript are taken together, for another tab may remove both at any time.
    """
    found: dict[TranscriptionOptions, list[tuple[Clip, Transcript]]] = {}
    for (clip_id, identity, options), transcript in session.transcripts.items():
        clip = session.clips.get(clip_id)
        if clip is None or not clip.reference.strip() or options.task == "translate":
            continue
        if identity == model_id(model):
            found.setdefault(options, []).append((clip, transcript))
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))
