"""Whether a variant still works, in a word with an icon; the sentence is behind it."""

from collections.abc import Mapping

from analysis.plan.health import VERDICTS, Health, Verdict

VERDICT_ICONS: Mapping[Verdict, str] = {
    "sound": ":material/check_circle:",
    "strained": ":material/warning:",
    "broken": ":material/dangerous:",
}
"""One shape each, so that colour is not needed."""


def brief_verdict(health: Health) -> str:
    """What the verdict means, with its icon, as Markdown.

    The word for it is left out: beside players, "sound" would say something else.
    """
    return f"{VERDICT_ICONS[health.verdict]} {VERDICTS[health.verdict]}"


def verdict_line(health: Health) -> str:
    """The verdict with its icon and its sentence, as Markdown."""
    rest = health.sentence.removeprefix(health.verdict)
    line = f"{VERDICT_ICONS[health.verdict]} **{health.verdict}**{rest}"
    return line.replace(" %", "\N{NO-BREAK SPACE}%")  # a number and its unit stay on one line
