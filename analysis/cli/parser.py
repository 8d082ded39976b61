"""The shell's commands: the same engine as the app, for scripts and machines without a screen."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import NoReturn

from analysis import __version__
from analysis.cli.flags import add_flags
from analysis.cli.terminal import printable
from analysis.errors import Cancelled, UserError, unexpected
from analysis.plan.budget import Budget
from analysis.plan.choices import (
    ALLOCATIONS,
    EXPORT_FORMATS,
    EXPORT_PRECISIONS,
    NORMALISERS,
    SAVE_DTYPES,
    STORED,
    TASKS,
)
from analysis.plan.recipe import Recipe
from analysis.plan.training_settings import SYNTHESISED, GateSettings, TrainingSettings
from analysis.serving import Serving

_DATA_HELP = "LibriSpeech folder, folder with metadata.csv, JSONL manifest, or ID:CONFIG:SPLIT"
_KEPT_HELP = "keep transcripts here, and go on from them; its table is that of the last call"
_DTYPE_HELP = "float32, float16, bfloat16; int8 to transcribe on a CPU; default suits the device"
_LANGUAGE_HELP = "of the speech; default: as the model's own config says, else it is detected"
_MODEL_HELP = "demo-whisper, demo-hubert, a folder, or a hub id"


class _Parser(argparse.ArgumentParser):
    """Bad input gets one line, not a page of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; by default those of the process.

    Returns
    -------
    int
        0 when it worked, 1 on a fault that nobody foresaw, 2 on bad input and where the system
        refuses a file, 130 when interrupted, 141 when nobody reads the output any more.
    """
    options = _parse(arguments)
    command = _command(options.command)
    try:
        command(options)
        sys.stdout.flush()
    except UserError as error:
        return _fail(options, error, 2)
    except BrokenPipeError:  # as after `| head`
        _drop_output()
        return 141
    except OSError as error:
        print(printable(f"coalesce {options.command}: {_refusal(error)}"), file=sys.stderr)
        _drop_output()
        return 2
    except (KeyboardInterrupt, Cancelled):
        print("coalesce: stopped", file=sys.stderr)
        return 130
    except Exception as error:  # a traceback helps those who report it, and them only
        return _fail(options, unexpected("It", error), 1)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was typed; clips and models may also stand behind an option, as in other programs."""
    parser = command_line()
    options, rest = parser.parse_known_args(arguments)
    several = {"transcribe": "inputs", "evaluate": "model", "sweep": "model"}.get(options.command)
    unknown = rest if several is None else [text for text in rest if text.startswith("-")]
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    if several is not None:
        setattr(options, several, [*getattr(options, several), *rest])
    return options


def _fail(options: argparse.Namespace, error: UserError, code: int) -> int:
    """One line for everybody; the technical detail for those who ask."""
    more = " (--verbose tells the detail)" if error.detail and not options.verbose else ""
    print(printable(f"coalesce {options.command}: {error}{more}"), file=sys.stderr)
    if error.detail and options.verbose:
        print(printable(error.detail), file=sys.stderr)
    return code


_MODULES: Mapping[str, str] = {
    "app": "app",
    "cache": "cache",
    "compress": "models",
    "diff": "diff",
    "evaluate": "evaluation",
    "export": "export",
    "finetune": "training",
    "inspect": "models",
    "pinch": "training",
    "report": "evaluation",
    "sweep": "evaluation",
    "transcribe": "transcribing",
}
"""Command → module of `analysis.cli` whose function of the same name does it."""


def _command(name: str) -> Callable[[argparse.Namespace], None]:
    """What a command does.

    The engine takes seconds to import, which --help, typing errors, and commands that compute
    nothing need not wait for; nor does one command for what only another needs.
    """
    if name not in ("app", "cache"):
        from analysis.cache import tidy

        tidy()
    command: Callable[[argparse.Namespace], None] = getattr(
        import_module(f"analysis.cli.{_MODULES[name]}"), name
    )
    return command


def _drop_output() -> None:
    """What cannot be written now cannot at exit either, where it would be a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refusal(error: OSError) -> str:
    """One line: what the system refused, and of which file."""
    reason = " ".join(str(error.strerror or error).split()) or type(error).__name__
    where = f" ({os.fsdecode(error.filename)})" if isinstance(error.filename, str | bytes) else ""
    return f"{reason}{where}. Check the path, its permissions and the free space."


def command_line() -> argparse.ArgumentParser:
    """All commands with their arguments, as a parser."""
    parser = _Parser(
        prog="coalesce",
        description="See the redundancy inside a speech model, merge it away, hear the difference.",
    )
    parser.add_argument("--version", action="version", version=f"coalesce {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    inspect = subparsers.add_parser("inspect", help="what a model holds that can be merged")
    inspect.add_argument("model", metavar="MODEL", help=_MODEL_HELP)
    _add_loading(inspect)

    compress = subparsers.add_parser("compress", help="merge a model's units and save it")
    compress.add_argument("model", metavar="MODEL", help=_MODEL_HELP)
    compress.add_argument("out", metavar="OUT", help="folder for the compressed model")
    _add_compression(compress)
    _add_loading(compress)

    finetune = subparsers.add_parser("finetune", help="train a model on, compressed or not")
    _add_training(finetune)

    pinch = subparsers.add_parser("pinch", help="prune a model while it is trained")
    pinch.add_argument(
        "--units", action="store_true", help="pinch heads and channels, cut them out"
    )
    add_flags(pinch, GateSettings, without=("kind",))
    _add_training(pinch)

    export = subparsers.add_parser("export", help="take a model to another runtime")
    export.add_argument("model", metavar="MODEL", help=_MODEL_HELP)
    export.add_argument("out", metavar="OUT", help="folder for the exported model")
    export.add_argument("--format", choices=tuple(EXPORT_FORMATS), required=True)
    export.add_argument("--precision", choices=EXPORT_PRECISIONS, default="float32")
    export.add_argument("--revision", help="branch, tag or commit of a hub id")
    export.add_argument("--overwrite", action="store_true", help="replace a model at OUT")
    export.add_argument("--json", action="store_true", help="print results as JSON")

    transcribe = subparsers.add_parser("transcribe", help="text of clips through one model or more")
    transcribe.add_argument(
        "inputs",
        nargs="+",
        metavar="MODEL… AUDIO…",
        help=f"models ({_MODEL_HELP}), then audio files",
    )
    transcribe.add_argument(
        "--reference", metavar="TEXT|FILE", help="what was said; a file holds a line per clip"
    )
    _add_normaliser(transcribe)
    transcribe.add_argument("--language", help=_LANGUAGE_HELP)
    transcribe.add_argument("--task", choices=TASKS, help="default: as the model's own config says")
    _add_loading(transcribe)

    evaluate = subparsers.add_parser("evaluate", help="WER of models on a corpus, with confidence")
    evaluate.add_argument(
        "model",
        nargs="+",
        metavar="MODEL",
        help=f"{_MODEL_HELP}; several are compared with the first",
    )
    evaluate.add_argument("--against", metavar="MODEL", help="compare all with this one instead")
    evaluate.add_argument("--out", metavar="DIR", help=_KEPT_HELP)
    evaluate.add_argument("--data", metavar="DIR", required=True, help=_DATA_HELP)
    _add_stress(evaluate)
    _add_normaliser(evaluate)
    add_recognition(evaluate)
    evaluate.add_argument("--json", action="store_true", help="print one JSON object")

    sweep = subparsers.add_parser("sweep", help="many compressed models on a corpus, as a table")
    sweep.add_argument("model", nargs="*", metavar="MODEL", help=_MODEL_HELP)
    sweep.add_argument("--out", metavar="DIR", required=True, help="for results and table")
    sweep.add_argument("--config", metavar="FILE", help="what follows, as YAML or JSON")
    sweep.add_argument("--data", metavar="DIR", help=_DATA_HELP)
    sweep.add_argument("--sparsity", help="by commas (0.1,0.2,0.3,0.5)")
    sweep.add_argument(
        "--method",
        help="by commas (cluster,magnitude,random), each with options if you like, without them as "
        "in the papers: surgeon:distance=influence:repair=refit, with the allocation end-to-end, "
        "is what compress does",
    )
    sweep.add_argument(
        "--allocation",
        help=f"by commas (uniform): {', '.join(ALLOCATIONS)}; own is what each method has where"
        " nobody chose",
    )
    _add_stress(sweep)
    sweep.add_argument("--seed", help="by commas (0); for methods that draw")
    _add_normaliser(sweep, default=None)
    sweep.add_argument("--calibrate", metavar="DIR", help="clips for excitation=calibrated")
    add_recognition(sweep)

    report = subparsers.add_parser("report", help="the results of a sweep as one HTML file")
    report.add_argument("results", metavar="RESULTS", help="what --out named, or results.json")
    report.add_argument("out", metavar="OUT.html", help="the file to write")
    report.add_argument("--theme", choices=("light", "dark"), default="light")

    diff = subparsers.add_parser("diff", help="which tensors and units of two models differ")
    diff.add_argument("model", metavar="A", help=_MODEL_HELP)
    diff.add_argument("other", metavar="B", help="what it is compared with")
    diff.add_argument("--units", action="store_true", help="a line for every unit group, too")
    diff.add_argument("--out", metavar="DIR", help="keep tables of tensors, groups and units here")
    _add_loading(diff)

    app = subparsers.add_parser("app", help="open the dashboard in a browser")
    app.add_argument("model", nargs="?", metavar="MODEL", help=_MODEL_HELP)
    app.add_argument("--port", type=int, default=8501)
    app.add_argument("--headless", action="store_true", help="serve only, open no browser")
    add_flags(app, Serving)
    app.add_argument(
        "--root",
        action="append",
        metavar="DIR",
        help="visitors may use folders below this one, and no others; may be given several times",
    )

    cache = subparsers.add_parser("cache", help="what is kept on disk, and how to empty it")
    actions = cache.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="the folder, what lies in it, the limit")
    clear = actions.add_parser("clear", help="delete what can be computed again")
    clear.add_argument(
        "--all",
        action="store_true",
        help="fetched data, transcripts and training runs, too; not while one is running",
    )
    for action in (show, clear):
        action.add_argument("--json", action="store_true", help="print one JSON object")
    for command in subparsers.choices.values():
        command.add_argument(
            "--verbose", action="store_true", help="with a fault, its technical detail"
        )
    return parser


def add_recognition(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how a corpus is heard."""
    parser.add_argument("--limit", type=int, metavar="N", help="N utterances from all over")
    parser.add_argument("--language", help=_LANGUAGE_HELP)
    parser.add_argument("--num-beams", type=int, help="default: as the model's own config says")
    parser.add_argument(
        "--max-new-tokens",
        type=int,
        metavar="N",
        help="tokens that a clip may take at most; by default by its length",
    )
    parser.add_argument(
        "--confidence", action="store_true", help="keep how sure models are of each word"
    )
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or mps")
    parser.add_argument("--dtype", help=_DTYPE_HELP)


def _add_stress(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stress",
        action="append",
        metavar="CONDITION",
        help="hear the corpus again with noise:10, reverb:0.8, gain:-30, telephone, speed:1.2 or "
        "silence:3, or several joined by +; by commas, or given several times",
    )


def _add_loading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--revision", help="branch, tag or commit of a hub id")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or mps")
    parser.add_argument("--dtype", help=_DTYPE_HELP)
    parser.add_argument("--json", action="store_true", help="print results as JSON")


def _add_normaliser(
    parser: argparse.ArgumentParser, default: str | None = "whisper-english"
) -> None:
    rules = "; ".join(f"{name}: {rule.rstrip('.')}" for name, rule in NORMALISERS.items())
    parser.add_argument(
        "--normaliser",
        choices=tuple(NORMALISERS),
        default=default,
        help=f"what both texts go through ({default or 'whisper-english'}); {rules}",
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=_MODEL_HELP)
    parser.add_argument(
        "--data",
        metavar="DIR",
        required=True,
        help=f"{_DATA_HELP}; finetune {SYNTHESISED}: no data, the original teaches on the speech "
        "that ships",
    )
    parser.add_argument("--out", metavar="DIR", required=True, help="folder for the trained model")
    parser.add_argument(
        "--validation", metavar="DIR", help="clips for the WER; else one in 20 of the data"
    )
    parser.add_argument("--limit", type=int, help="use that many clips of the data")
    add_flags(parser, TrainingSettings)
    parser.add_argument(
        "--teacher",
        metavar="MODEL",
        help="learn from this model's outputs and hidden states too; without data, by default the "
        "original that the model's plan names",
    )
    parser.add_argument("--teacher-revision", help="branch, tag or commit of the teacher")
    parser.add_argument("--revision", help="branch, tag or commit of a hub id")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or mps")
    parser.add_argument("--overwrite", action="store_true", help="replace a checkpoint at OUT")
    parser.add_argument(
        "--save-dtype",
        choices=tuple(SAVE_DTYPES),
        default=STORED,
        help="of the weights in the file; stored (default): as the original has them",
    )
    parser.add_argument("--json", action="store_true", help="print results as JSON")


def _add_compression(parser: argparse.ArgumentParser) -> None:
    add_flags(parser, Recipe)
    add_flags(parser, Budget)
    parser.add_argument("--clips", metavar="DIR", help=f"for --max-wer-rise: {_DATA_HELP}")
    parser.add_argument(
        "--budget",
        choices=("exact", "literal"),
        default="exact",
        help="literal: the papers' formula of the variance allocation, which misses the budget",
    )
    parser.add_argument(
        "--calibrate", metavar="DIR", help="listen to these clips instead: not data-free"
    )
    parser.add_argument(
        "--stock",
        action="store_true",
        help="keep to what transformers' own classes hold: all heads, one FFN width per stack",
    )
    parser.add_argument(
        "--plan",
        metavar="FILE",
        help="a plan in JSON or a checkpoint's coalesce.json, instead of the options",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a checkpoint at OUT")
    parser.add_argument(
        "--save-dtype",
        choices=tuple(SAVE_DTYPES),
        default=STORED,
        help="of the weights in the file; stored (default): as the original has them",
    )
