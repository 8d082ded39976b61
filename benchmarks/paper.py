"""The table of arXiv 2606.11836 on LibriSpeech, with Coalesce's default recipe beside it.

    python -m benchmarks.paper MODEL --librispeech DIR --out DIR [--sparsity 0.1] [--fine-tune]
        [--limit N] [--device cuda] [--dtype float16] [--batch-size N] [--max-new-tokens N]
    accelerate launch --num_processes 4 -m benchmarks.paper MODEL …

Magnitude pruning and parameter clustering, each with uniform K and with the papers' mixed sparsity
(the allocation "variance"), then the default recipe, and magnitude at its K. Every row is tested on
test-clean and test-other, as far as DIR holds them: WER with its interval, and MAPSSWE against the
original and against magnitude at the same K. With --fine-tune all of them are trained, too, as the
papers do it: 3 epochs on train-clean-100.

Transcripts and trained models land in --out as they come. The same command goes on from there, and
runs on several GPUs or hosts under `accelerate launch`, which share one --out.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from accelerate import PartialState

from analysis.cli import parser as cli
from analysis.cli.evaluation import bar, checked_corpus, processes, recognition_options
from analysis.cli.parser import add_recognition
from analysis.compression.compress import compress
from analysis.delivery.saving import save
from analysis.errors import UserError
from analysis.evaluation.corpora import Corpus
from analysis.evaluation.corpus_evaluation import (
    Comparison,
    Evaluation,
    compare_evaluations,
    evaluate,
    summarise,
)
from analysis.evaluation.results import ResultStore, UtteranceResult
from analysis.evaluation.significance import LEVEL
from analysis.evaluation.sweep import Row, Skipped, sweep
from analysis.evaluation.sweep_spec import PAPERS_SPARSITY, NamedRecipe, SweepCell
from analysis.files import replace_text
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import LEVELS, MANUAL, NORMALISERS
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe, complete
from analysis.progress import Watch
from analysis.speech.recognition import TranscriptionOptions

TEST_SETS = ("test-clean", "test-other")
TRAINING_SET, VALIDATION_SET = "train-clean-100", "dev-clean"

OURS = "Coalesce"


@dataclass(frozen=True, slots=True)
class Setup:
    """What all rows share.

    Parameters
    ----------
    model : SpeechModel
    tests : mapping of str to Corpus
        By name of the test set; the ids of their utterances begin with it.
    folder : Path
        For transcripts, models and the table.
    options : TranscriptionOptions
    normaliser : str
    state : PartialState
        This process among those that run.
    """

    model: SpeechModel
    tests: Mapping[str, Corpus]
    folder: Path
    options: TranscriptionOptions
    normaliser: str
    state: PartialState

    @property
    def corpus(self) -> Corpus:
        """All test sets as one, so that each model is made once."""
        parts = self.tests.values()
        return Corpus(
            " and ".join(self.tests),
            tuple(dict.fromkeys(layout for part in parts for layout in part.layouts)),
            tuple(utterance for part in parts for utterance in part.utterances),
            tuple(fault for part in parts for fault in part.faults),
        )

    @property
    def store(self) -> ResultStore:
        """Where this process keeps its transcripts."""
        return ResultStore(self.folder / "results", self.state.process_index)


@dataclass(frozen=True)
class Line:
    """A row of the table and its transcripts.

    Parameters
    ----------
    row : Row
        As the sweep gave it; of what was trained, the row that it was trained from.
    results : tuple of UtteranceResult
    trained : bool
    """

    row: Row
    results: tuple[UtteranceResult, ...]
    trained: bool = False

    @property
    def name(self) -> str:
        """Method, and whether it was trained."""
        method = self.row.cell.way.name if self.row.cell else "uncompressed"
        return f"{method}, 3 epochs" if self.trained else method

    @property
    def is_magnitude(self) -> bool:
        """Whether it is what others of the same K are tested against."""
        return self.row.cell is not None and self.row.cell.way.is_magnitude

    def on(self, corpus: Corpus, normaliser: str) -> Evaluation:
        """Its score on one of the test sets."""
        ids = {utterance.id for utterance in corpus.utterances}
        own = [result for result in self.results if result.utterance in ids]
        return summarise(corpus, own, normaliser)


def cells(sparsity: float, level: str) -> list[SweepCell]:
    """The papers' four models, magnitude first, and ours."""
    found = [
        SweepCell(
            NamedRecipe(name=method, recipe=Recipe(method=method)), sparsity, allocation, seed=0
        )
        for allocation in ("uniform", "variance")
        for method in ("magnitude", "cluster")
    ]
    ours = complete(level=level)
    return [*found, SweepCell(NamedRecipe(name=OURS, recipe=ours), sparsity, ours.allocation, 0)]


def untrained(setup: Setup, sparsity: float, level: str) -> tuple[list[Line], list[Skipped]]:
    """The original and every compressed model, and what could not be made."""
    with bar(setup.model.name, setup.state) as progress:
        rows = sweep(
            setup.model,
            cells(sparsity, level),
            setup.corpus,
            setup.options,
            setup.normaliser,
            store=setup.store,
            state=setup.state,
            watch=Watch(progress),
        )
    lines = [Line(row, row.evaluation.results) for row in rows if isinstance(row, Row)]
    return lines, [row for row in rows if isinstance(row, Skipped)]


def trained(setup: Setup, line: Line, librispeech: Path, limit: int | None) -> Line:
    """The same model, trained on; a run that was cut off goes on, a finished one stands."""
    cell = line.row.cell
    assert cell is not None
    slug = re.sub(r"[^a-z0-9]+", "-", f"{cell.way.name} {cell.allocation}".lower())
    start, out = (setup.folder / "models" / f"{slug}{end}" for end in ("", "-trained"))
    if setup.state.is_main_process and not (start / "config.json").is_file():
        plan = CompressionPlan(
            origin=setup.model.origin,
            recipe=cell.way.recipe.changed(sparsity=cell.sparsity, allocation=MANUAL),
            n_clusters=line.row.n_clusters,
        )
        start.parent.mkdir(parents=True, exist_ok=True)
        save(compress(setup.model, plan).model, start)
    setup.state.wait_for_everyone()
    if not (out / "config.json").is_file():
        command = ["finetune", str(start), "--out", str(out)]
        command += ["--data", str(librispeech / TRAINING_SET)]
        if (librispeech / VALIDATION_SET).is_dir():
            command += ["--validation", str(librispeech / VALIDATION_SET)]
        command += ["--device", setup.model.device.type, "--normaliser", setup.normaliser]
        command += ["--limit", str(limit)] if limit else []
        if cli.main(command):
            raise SystemExit(f"{line.name}: training failed")
        setup.state.wait_for_everyone()
    model = load(str(out), device=setup.model.device.type, dtype="float32")
    found = evaluate(
        model,
        setup.corpus,
        setup.options,
        setup.normaliser,
        store=setup.store,
        state=setup.state,
    )
    return replace(line, results=found.results, trained=True)


def table(setup: Setup, lines: Sequence[Line], skipped: Sequence[Skipped]) -> str:
    """The table as Markdown, and under it what a reader has to know."""
    heads = ["Method", "Allocation", "Removed", "Parameters"]
    for name in setup.tests:
        heads += [f"{name}: WER [{LEVEL:.0%}]", "Δ original", "Δ magnitude"]
    rows = [heads, ["---", "---", *["---:"] * (len(heads) - 2)]]
    for line in lines:
        cell = line.row.cell
        cost = f"{line.row.cost.parameters / 1e6:.2f} M"
        row = [line.name, cell.allocation if cell else "", f"{line.row.achieved:.1%}", cost]
        for corpus in setup.tests.values():
            row += _scores(line, lines, corpus, setup.normaliser)
        rows.append(row)
    notes = [
        "WER in per cent; Δ in points of WER, p of MAPSSWE, each by itself; Δ magnitude: to"
        " magnitude pruning at the same K in every group, trained alike. Removed: share of the"
        f" parameters of heads and channels. Normaliser: {setup.normaliser}.",
        *(f"{corpus.name}: {corpus.describe()}; intervals by bootstrap over {corpus.drawn}."
          for corpus in setup.tests.values()),
        *(f"Not run: {s.cell.way.name}, {s.cell.allocation}: {s.reason}" for s in skipped),
    ]  # fmt: skip
    return "\n".join([*(f"| {' | '.join(row)} |" for row in rows), "", *notes]) + "\n"


def _scores(line: Line, lines: Sequence[Line], corpus: Corpus, normaliser: str) -> list[str]:
    found = line.on(corpus, normaliser)
    low, high = found.interval.low, found.interval.high
    wer = f"{100 * found.total.wer:.2f} [{100 * low:.2f}, {100 * high:.2f}]"
    magnitude = next(
        (
            other
            for other in lines
            if other.is_magnitude
            and (other.row.n_clusters, other.trained) == (line.row.n_clusters, line.trained)
        ),
        None,
    )
    others = (lines[0], magnitude)
    return [
        wer,
        *(
            "" if other is None or other is line else _difference(found, other, corpus, normaliser)
            for other in others
        ),
    ]


def _difference(found: Evaluation, other: Line, corpus: Corpus, normaliser: str) -> str:
    compared: Comparison = compare_evaluations(found, other.on(corpus, normaliser))
    delta, p = 100 * compared.difference.delta, compared.matched_pairs.p_value
    return f"{delta:+.2f} ({'p < 0.001' if p < 0.001 else f'p = {p:.3f}'})"


def read_tests(librispeech: Path, limit: int | None, state: PartialState) -> dict[str, Corpus]:
    """The test sets that a LibriSpeech folder holds, each cut to `limit` utterances.

    Raises
    ------
    UserError
        Where it holds none.
    """
    names = [name for name in TEST_SETS if (librispeech / name).is_dir()]
    if not names:
        raise UserError(
            f"{librispeech} holds neither {' nor '.join(TEST_SETS)}.",
            "Name the folder that LibriSpeech's archives were unpacked into.",
        )
    found = {}
    for name in names:
        corpus = checked_corpus(str(librispeech / name), limit, state)
        utterances = tuple(replace(u, id=f"{name}/{u.id}") for u in corpus.utterances)
        found[name] = replace(corpus, utterances=utterances)
    return found


def run(options: argparse.Namespace) -> str:
    """Compute what is missing; the table.

    Raises
    ------
    UserError
        Where data, model or options cannot be used.
    """
    state = processes(options.device)
    librispeech = options.librispeech.expanduser()
    if options.fine_tune and not (librispeech / TRAINING_SET).is_dir():
        raise UserError(
            f"{librispeech} holds no {TRAINING_SET} to train on.",
            "Unpack it there, or leave out --fine-tune.",
        )
    dtype = "float32" if options.fine_tune else options.dtype
    model = load(options.model, device=options.device, dtype=dtype)
    tests = read_tests(librispeech, options.limit, state)
    settings = recognition_options(options)
    setup = Setup(model, tests, options.out, settings, options.normaliser, state)
    sparsity = options.sparsity or PAPERS_SPARSITY[model.architecture.decoding]
    lines, skipped = untrained(setup, sparsity, options.level)
    _publish(setup, table(setup, lines, skipped))
    for line in list(lines) if options.fine_tune else []:
        if line.row.cell is not None:
            lines.append(trained(setup, line, librispeech, options.train_limit))
            _publish(setup, table(setup, lines, skipped))
    return table(setup, lines, skipped)


def _publish(setup: Setup, text: str) -> None:
    """Keep the table as it grows."""
    if setup.state.is_main_process:
        replace_text(setup.folder / "table.md", text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute what is missing, then print the table; 0 when it worked, 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper", description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--librispeech", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--sparsity", type=float, help="0.1 of a Whisper, 0.5 of a CTC model")
    parser.add_argument("--level", choices=tuple(LEVELS), default=Recipe().level)
    parser.add_argument("--fine-tune", action="store_true", help="train, too; all in float32")
    parser.add_argument("--train-limit", type=int, metavar="N", help="clips to train on")
    parser.add_argument("--normaliser", choices=tuple(NORMALISERS), default="whisper-english")
    add_recognition(parser)
    try:
        text = run(parser.parse_args(arguments))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    if PartialState().is_main_process:
        print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
