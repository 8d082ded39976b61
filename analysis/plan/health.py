"""What became of a compressed model: how far it is from its original, and whether it still works.

It is data about a model, as a training record is: `coalesce.json` and the model card carry it.
`analysis.compression.guard` measures it.
"""

from collections.abc import Mapping
from typing import Any, Literal

from analysis.errors import UserError
from analysis.plan.validation import Checked

Verdict = Literal["sound", "strained", "broken"]

VERDICTS: Mapping[Verdict, str] = {
    "sound": "it should write nearly what the original writes",
    "strained": "expect clearly more errors than the original makes",
    "broken": "do not rely on what it writes",
}
"""What each verdict means, as the second half of a sentence."""

SURE = 0.9
"""Probability from which the original counts as sure of a word or a pause."""

# What the three below were chosen from stands in docs/results.md.

STRAINED_FROM = 0.25
"""Nats per word said from which a model is strained; one that loops once is, too."""

BROKEN_FROM = 0.08
"""Share of the original's sure words and pauses lost from which a model is broken."""

LOOPS_FROM = 0.5
"""Share of the windows in which it loops from which a model is broken, whatever it expects."""


class Health(Checked, title="health"):
    """How far a compressed model is from its original, on voices that nothing was fitted to.

    Parameters
    ----------
    divergence : float
        KL divergence from the original, nats per word of the decoder or per CTC frame, given the
        words that the original writes.
    divergence_said : float
        The same over the words that are said, of which CTC has fewer than frames: most frames are
        blank.
    sure_words_lost : float
        Of the words of which the original is sure (`SURE`), the share for which the model finds
        another one likelier; with CTC that of the blanks, where it is larger.
    words_changed : float
        Share of the words that the original writes by itself which the model, by itself, writes
        otherwise or not at all. What it writes besides does not count, since an original that
        stops early in a window would then blame the model for going on.
    looping : float
        Share of the windows whose text repeats itself where the original's does not.
    holds_to : float or None
        The sparsity up to which the same recipe is expected to stay out of "broken"; None where the
        merge trees cannot say.
    """

    divergence: float
    divergence_said: float
    sure_words_lost: float
    words_changed: float
    looping: float
    holds_to: float | None = None

    @property
    def verdict(self) -> Verdict:
        """In one word; see `VERDICTS`."""
        if self.sure_words_lost >= BROKEN_FROM or self.looping >= LOOPS_FROM:
            return "broken"
        if self.divergence_said >= STRAINED_FROM or self.looping > 0:
            return "strained"
        return "sound"

    @property
    def sentence(self) -> str:
        """The verdict, what it stands on, and how far the recipe goes, in words.

        Examples
        --------
        >>> Health(
        ...     divergence=0.04,
        ...     divergence_said=0.04,
        ...     sure_words_lost=0.004,
        ...     words_changed=0.1,
        ...     looping=0.0,
        ...     holds_to=0.3,
        ... ).sentence
        'sound: it should write nearly what the original writes. On voices to check on, it would \
lose 0.4 % of the words that the original is sure of; with those that the original guesses, 10 % \
of the words change. The same recipe should hold up to 30 % sparsity.'
        """
        parts = [
            f"{self.verdict}: {VERDICTS[self.verdict]}. On voices to check on, it would lose "
            f"{self.sure_words_lost:.1%} of the words that the original is sure of; with those "
            f"that the original guesses, {self.words_changed:.0%} of the words change."
        ]
        if self.looping:
            parts.append(f"It repeats itself in {self.looping:.0%} of the windows.")
        if self.holds_to is not None:
            parts.append(f"The same recipe should hold up to {self.holds_to:.0%} sparsity.")
        return " ".join(parts).replace("%", " %")

    def to_dict(self) -> dict[str, Any]:
        """For JSON, with the verdict."""
        return {"verdict": self.verdict, **self.model_dump(mode="json")}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], name: str) -> "Health":
        """Read what `to_dict` gave; the verdict is judged anew.

        Parameters
        ----------
        values : mapping
        name : str
            Of the model, for messages.

        Raises
        ------
        UserError
            When it is no health.
        """
        try:
            return cls.read({key: value for key, value in values.items() if key != "verdict"})
        except ValueError as fault:
            raise UserError(
                f"“health” in coalesce.json of {name} cannot be read.",
                "Delete it, or get a fresh copy.",
                str(fault),
            ) from fault
