"""What compression costs on a person's own clips: word errors counted on sound in memory."""

from collections.abc import Callable, Sequence

from analysis.errors import UserError
from analysis.evaluation.scoring import corpus_score
from analysis.models.speech_model import SpeechModel
from analysis.progress import UNWATCHED, Watch
from analysis.speech.audio import Audio
from analysis.speech.recognition import TranscriptionOptions
from analysis.speech.transcription import transcribe_batch


def wer_rise_on(
    model: SpeechModel,
    clips: Sequence[Audio],
    references: Sequence[str],
    normaliser: str = "whisper-english",
    *,
    watch: Watch = UNWATCHED,
) -> Callable[[SpeechModel], float]:
    """What measures the points of word error rate that a compressed model adds on some clips.

    Of a corpus on disk: `analysis.evaluation.corpus_evaluation.wer_rise`.

    Parameters
    ----------
    model : SpeechModel
        The original, which is measured at once.
    clips : sequence of Audio
    references : sequence of str
        What is said in each of them.
    normaliser : str
        Key of `analysis.plan.choices.NORMALISERS`.
    watch : Watch
        The original reports clips; all can be cancelled.

    Raises
    ------
    UserError
        Where the references hold no word.
    Cancelled
    """
    options = TranscriptionOptions(warm_up=False)  # nothing is timed
    quiet = Watch(should_cancel=watch.should_cancel)

    def wer(changed: SpeechModel, watched: Watch) -> float:
        written = transcribe_batch(changed, clips, options, watch=watched)
        total = corpus_score(references, [transcript.text for transcript in written], normaliser)
        if not total.words:
            raise UserError(
                "The clips' references hold no word.", "Type in what is said in one of them."
            )
        return total.wer

    before = wer(model, watch)
    return lambda changed: 100 * (wer(changed, quiet) - before)
