"""One model on a corpus: transcripts that survive a kill, corpus WER and CER, confidence.

    accelerate launch --num_processes 2 -m coalesce evaluate MODEL --data DIR --out DIR

evaluates on several processes and hosts, with the same results.
"""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from analysis.cache import REVISION
from analysis.errors import UserError
from analysis.evaluation.corpora import Corpus, Utterance
from analysis.evaluation.results import ResultStore, Run, UtteranceResult
from analysis.evaluation.scoring import Score, corpus_score, score
from analysis.evaluation.significance import (
    Difference,
    Interval,
    MatchedPairs,
    mapsswe,
    wer_difference,
    wer_interval,
)
from analysis.models.speech_model import SpeechModel
from analysis.progress import (
    UNWATCHED,
    ShouldCancel,
    Watch,
)
from analysis.speech.audio import READING
from analysis.speech.recognition import TranscriptionOptions, configuration
from analysis.speech.repetition import goes_in_circles
from analysis.speech.transcription import transcribe_batch

if TYPE_CHECKING:
    from accelerate import PartialState


@dataclass(frozen=True)
class Evaluation:
    """A model's results on a corpus.

    Parameters
    ----------
    corpus : Corpus
    results : tuple of UtteranceResult
        Utterance by utterance.
    scores : tuple of Score
        Of each utterance, with its alignment.
    total : Score
        Of the corpus: errors summed over words summed.
    interval : Interval
        Of the corpus WER; see `Corpus.blocks` for what is drawn.
    """

    corpus: Corpus
    results: tuple[UtteranceResult, ...]
    scores: tuple[Score, ...]
    total: Score
    interval: Interval

    @property
    def real_time_factor(self) -> float:
        """Seconds of processing per second of sound."""
        return sum(result.seconds for result in self.results) / self.corpus.seconds

    @property
    def errors(self) -> list[int]:
        """Word errors of each utterance."""
        return [score.errors for score in self.scores]

    @property
    def words(self) -> list[int]:
        """Reference words of each utterance."""
        return [s.words for s in self.scores]

    @property
    def insertion_rate(self) -> float:
        """Words that are put in, over words of the references; NaN where there are none."""
        return self.total.insertions / self.total.words if self.total.words else math.nan

    @cached_property
    def looping(self) -> float:
        """Share of the utterances in whose transcripts words go round in circles."""
        texts = [[word for span in s.alignment for word in span.hypothesis] for s in self.scores]
        return sum(map(goes_in_circles, texts)) / len(texts)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same corpus.

    Parameters
    ----------
    difference : Difference
        Of the first's WER to the second's, by paired bootstrap.
    matched_pairs : MatchedPairs
        MAPSSWE on the same transcripts.
    """

    difference: Difference
    matched_pairs: MatchedPairs


def run_of(model: SpeechModel, options: TranscriptionOptions, plan: str | None = None) -> Run:
    """Name the run of a model, or of what a plan makes of it.

    Parameters
    ----------
    model : SpeechModel
        The original, where a plan is given.
    options : TranscriptionOptions
    plan : str, optional
        As JSON.
    """
    decisive = asdict(replace(options, warm_up=True))
    settings = {name: str(value) for name, value in decisive.items()}
    settings |= {"dtype": str(model.dtype), "device": model.device.type}
    settings |= {"revision": REVISION, "reading": READING, "configuration": configuration(model)}
    return Run(model.name, model.weight_hash, plan, settings)


def recognise(
    run: Run,
    corpus: Corpus,
    make: Callable[[], SpeechModel],
    options: TranscriptionOptions,
    *,
    store: ResultStore | None = None,
    state: "PartialState | None" = None,
    watch: Watch = UNWATCHED,
) -> tuple[UtteranceResult, ...]:
    """Transcribe a corpus, clips of like length together, longest first.

    Parameters
    ----------
    run : Run
        What `make` and `options` amount to.
    corpus : Corpus
    make : callable
        Gives the model; not called where all results are there already.
    options : TranscriptionOptions
    store : ResultStore, optional
        Where results are kept, batch by batch, and looked up first.
    state : accelerate.PartialState, optional
        The processes that share the work; all get all results.
    watch : Watch
        Reports seconds of sound. Cancelling keeps what was stored.

    Returns
    -------
    tuple of UtteranceResult
        Utterance by utterance.

    Raises
    ------
    UserError
        Where a clip cannot be read any more, or the model cannot follow the options.
    Cancelled
    """
    if corpus.condition:
        run = replace(run, decoding={**run.decoding, "condition": corpus.condition})
    known = store.read(run) if store is not None else {}
    if state is not None:  # hosts need not share their disks
        _check_same(corpus)
        known = {(r.utterance, r.digest): r for r in _gather(list(known.values()))}
    missing = [
        [u for u in batch if (u.id, u.digest) not in known]
        for batch in _by_length(corpus, options.batch_size)
    ]
    todo = _share([batch for batch in missing if batch], state)
    made: list[UtteranceResult] = []
    model = make() if any(missing) else None  # in every process, so that a fault shows in all
    if model is not None:
        total = sum(u.duration for batch in todo for u in batch)
        heard = 0.0
        for batch in todo:
            watch.check()
            watch.progress(int(heard), int(total) + 1, "transcribing")
            results = _transcribe(model, batch, options, watch.should_cancel)
            if store is not None:
                store.append(run, results)
            made += results
            heard += sum(u.duration for u in batch)
        watch.progress(int(total) + 1, int(total) + 1, "transcribed")
    for result in _gather(made) if state is not None else made:
        known[result.utterance, result.digest] = result
    return tuple(known[u.id, u.digest] for u in corpus.utterances)


def _check_same(corpus: Corpus) -> None:
    """Refuse processes whose data differ: each transcribes its share of one corpus."""
    from accelerate.utils import gather_object

    names = json.dumps([[u.id, u.digest] for u in corpus.utterances])
    if len(set(gather_object([hashlib.sha256(names.encode()).hexdigest()]))) > 1:
        raise UserError(
            "The processes read different data.",
            "Give every host the same files, then start again.",
        )


def summarise(
    corpus: Corpus, results: Sequence[UtteranceResult], normaliser: str = "whisper-english"
) -> Evaluation:
    """Score the transcripts of a corpus.

    Parameters
    ----------
    corpus : Corpus
    results : sequence of UtteranceResult
        Utterance by utterance.
    normaliser : str
        Key of `analysis.plan.choices.NORMALISERS`.

    Returns
    -------
    Evaluation

    Raises
    ------
    UserError
        For a normaliser that does not exist, or references without a word.
    """
    texts = [result.text for result in results]
    scores = [score(*pair, normaliser) for pair in zip(corpus.references, texts, strict=True)]
    total = corpus_score(corpus.references, texts, normaliser)
    if not total.words:
        raise UserError(
            f"The references of {corpus.name} hold no word.", "Give clips with transcripts."
        )
    errors = [s.errors for s in scores]
    interval = wer_interval(errors, [s.words for s in scores], corpus.blocks)
    return Evaluation(corpus, tuple(results), tuple(scores), total, interval)


def compare_evaluations(evaluation: Evaluation, other: Evaluation) -> Comparison:
    """Test whether one model's WER differs from another's on the same corpus.

    Parameters
    ----------
    evaluation, other : Evaluation
        The difference is the first's WER minus the second's.

    Returns
    -------
    Comparison
    """
    return Comparison(
        wer_difference(evaluation.errors, other.errors, evaluation.words, evaluation.corpus.blocks),
        mapsswe([s.alignment for s in evaluation.scores], [s.alignment for s in other.scores]),
    )


def worst_utterances(evaluation: Evaluation, original: Evaluation) -> list[int]:
    """Indices of the utterances that a model gets wrong, the greatest loss first.

    Parameters
    ----------
    evaluation, original : Evaluation
        The loss is what the first errs more than the second.
    """
    errors = evaluation.errors
    loss = [own - theirs for own, theirs in zip(errors, original.errors, strict=True)]
    wrong = [index for index, own in enumerate(errors) if own]
    return sorted(wrong, key=lambda index: (-loss[index], -errors[index], index))


def evaluate(
    model: SpeechModel,
    corpus: Corpus,
    options: TranscriptionOptions | None = None,
    normaliser: str = "whisper-english",
    *,
    store: ResultStore | None = None,
    state: "PartialState | None" = None,
    watch: Watch = UNWATCHED,
) -> Evaluation:
    """Transcribe a corpus and score it; see `recognise` and `summarise`."""
    options = options or TranscriptionOptions()
    results = recognise(
        run_of(model, options),
        corpus,
        lambda: model,
        options,
        store=store,
        state=state,
        watch=watch,
    )
    return summarise(corpus, results, normaliser)


def wer_rise(
    model: SpeechModel, corpus: Corpus, *, watch: Watch = UNWATCHED
) -> Callable[[SpeechModel], float]:
    """What measures the points of word error rate that a compressed model adds on a corpus.

    Parameters
    ----------
    model : SpeechModel
        The original, which is measured at once.
    corpus : Corpus
    watch : Watch
        Of each evaluation.
    """
    before = evaluate(model, corpus, watch=watch).total.wer
    return lambda changed: 100 * (evaluate(changed, corpus, watch=watch).total.wer - before)


def _by_length(corpus: Corpus, batch_size: int) -> list[list[Utterance]]:
    """Batches, longest clips first: what does not fit in memory shows at once."""
    order = sorted(corpus.utterances, key=lambda u: (-u.duration, u.id))
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def _share(batches: list[list[Utterance]], state: "PartialState | None") -> list[list[Utterance]]:
    """The batches of this process; dealt out in turn, so that all get clips of every length."""
    if state is None:
        return batches
    n = state.num_processes
    dealt = [batch for start in range(n) for batch in batches[start::n]]
    with state.split_between_processes(dealt) as own:
        return list(own)


def _gather(results: list[UtteranceResult]) -> list[UtteranceResult]:
    """The results of all processes, in every process."""
    from accelerate.utils import gather_object

    gathered: list[UtteranceResult] = gather_object(results)
    return gathered


def _transcribe(
    model: SpeechModel,
    batch: Sequence[Utterance],
    options: TranscriptionOptions,
    should_cancel: ShouldCancel,
) -> list[UtteranceResult]:
    clips = [utterance.read() for utterance in batch]
    try:
        transcripts = transcribe_batch(
            model, clips, options, watch=Watch(should_cancel=should_cancel)
        )
    except RuntimeError as error:
        from accelerate.utils.memory import should_reduce_batch_size

        if not should_reduce_batch_size(error):
            raise
        longest = max(utterance.duration for utterance in batch)
        raise UserError(
            f"{len(batch)} clips of up to {longest:.0f} s do not fit into the memory of"
            f" {model.device} at once.",
            "Evaluate fewer at once (--batch-size), or use another device.",
            str(error),
        ) from error
    return [
        UtteranceResult(
            utterance.id,
            utterance.digest,
            transcript.text,
            transcript.processing_time,
            tuple((word.text, word.confidence) for word in transcript.words),
        )
        for utterance, transcript in zip(batch, transcripts, strict=True)
    ]
