"""Whether a compressed model still works, before anybody plays it a clip.

The voices to check on, which no fit heard, are played to it. What it expects and writes is held
against what the original expects and writes, so that no reference text is needed. These voices say
what a model may know no words for, as the bundled ones do; its original then guesses, and another
guess is no harm. So the verdict goes by the words that the original is sure of, and by loops.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import jiwer
import numpy as np
import torch
from transformers.models.whisper.english_normalizer import BasicTextNormalizer

from analysis.clustering.listening import PreparedClip, write_down
from analysis.clustering.merge_tree import MergeTree
from analysis.compression.allocation import allocate, foreseen_divergence
from analysis.compression.compress import Compression
from analysis.compression.divergence import check_clips, expected_words, log_probabilities
from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import END_TO_END
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.health import SURE, Health
from analysis.progress import UNWATCHED, Watch
from analysis.speech.repetition import loop_start

BREAKS_AT = 0.6
"""Nats per word said at which a model is taken to break, to foresee how far a recipe holds."""

FEWEST_SURE = 20
"""Words of which the original is sure; with fewer there is nothing to hold a model against."""

_GRID = 100  # steps of sparsity, one per cent each


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """The voices to check on, with what the original makes of them.

    Parameters
    ----------
    model : SpeechModel
        The original.
    clips : sequence of PreparedClip
    expected : sequence of Tensor of float32, (words or frames, vocabulary)
        What the original expects (`analysis.compression.divergence.log_probabilities`).
    texts : sequence of str
        What the original writes for each clip.
    """

    model: SpeechModel
    clips: Sequence[PreparedClip]
    expected: Sequence[torch.Tensor]
    texts: Sequence[str]

    @classmethod
    def of(cls, model: SpeechModel, *, watch: Watch = UNWATCHED) -> "Guard | None":
        """Play the voices to the original, or read what it made of them the last time.

        Returns
        -------
        Guard or None
            None where the voices are not installed.

        Raises
        ------
        Cancelled
        """
        try:
            clips = check_clips(model, watch=watch)
        except UserError:
            return None
        expected = expected_words(model, clips, watch=watch)
        if model.architecture.decoding == "seq2seq":
            rows = [
                clip.arguments["decoder_input_ids"][0, clip.n_prompt :].tolist() for clip in clips
            ]
        else:
            rows = [logs.argmax(dim=-1).tolist() for logs in expected]
        return cls(model, clips, expected, _texts(model, rows))

    def examine(self, changed: SpeechModel, *, watch: Watch = UNWATCHED) -> Health:
        """Play the voices to a compressed model, and say how far it is from the original.

        Parameters
        ----------
        changed : SpeechModel
            Made from the original.
        watch : Watch
            Reports clips.

        Returns
        -------
        Health
            Without the sparsity that the recipe holds to.

        Raises
        ------
        Cancelled
        """
        moved, positions, said = 0.0, 0, 0
        asked, lost = np.zeros(2), np.zeros(2)  # words, blanks
        rows: list[list[int]] = []
        for done, (clip, before) in enumerate(zip(self.clips, self.expected, strict=True)):
            watch.check()
            watch.progress(done, len(self.clips), "Checking that it still works")
            [after] = log_probabilities(changed, changed.model, [clip])
            moved += float((before.exp() * (before - after)).sum(dtype=torch.float64))
            token, sure_of, blank = self._of_original(before)
            chosen = after.argmax(dim=-1)
            positions, said = positions + len(token), said + int((~blank).sum())
            for kind, of_kind in enumerate((~blank, blank)):
                sure = of_kind & sure_of
                asked[kind] += int(sure.sum())
                lost[kind] += int((sure & (chosen != token)).sum())
            rows.append(chosen.tolist())
        if self.model.architecture.decoding == "seq2seq":
            written = write_down(changed, self.clips, whole=True, watch=watch)
            rows = [row[n:] for n, row in written]
        ends = [loop_start(row) if self._blank is None else None for row in rows]
        texts = _texts(changed, [row[:end] for row, end in zip(rows, ends, strict=True)])
        return Health(
            divergence=max(0.0, moved / max(1, positions)),
            divergence_said=max(0.0, moved / max(1, said)),
            sure_words_lost=float((lost / asked.clip(1)).max()),
            words_changed=_words_changed(self.texts, texts),
            looping=self._share_looping(ends),
        )

    @property
    def can_judge(self) -> bool:
        """Whether the original is sure of `FEWEST_SURE` words, one in another language may not be.

        An untrained model is sure of none: every other one would keep all of those.
        """
        n_sure = 0
        for before in self.expected:
            _, sure_of, blank = self._of_original(before)
            n_sure += int((sure_of & ~blank).sum())
        return n_sure >= FEWEST_SURE

    def _of_original(
        self, expected: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The likeliest token of each position, whether it is sure of it, and whether a blank."""
        probability, token = expected.exp().max(dim=-1)
        return token, probability >= SURE, token == (-1 if self._blank is None else self._blank)

    @property
    def _blank(self) -> int | None:
        """The token of a CTC frame in which nothing is said; None for a decoder."""
        ctc = self.model.architecture.decoding == "ctc"
        return int(self.model.config.pad_token_id) if ctc else None

    def _share_looping(self, ends: Sequence[int | None]) -> float:
        """Share of windows in which words go round, of those that the original came to the end of.

        Where it did not, it looped itself.
        """
        end_of_text = self.model.config.eos_token_id
        fair = [
            end
            for end, before in zip(ends, self.expected, strict=True)
            if self._blank is None and int(before[-1].argmax()) == end_of_text
        ]
        return sum(end is not None for end in fair) / max(1, len(fair))


def examined(
    compression: Compression,
    original: SpeechModel,
    trees: Mapping[str, MergeTree] | None = None,
    *,
    watch: Watch = UNWATCHED,
) -> Compression:
    """A compression whose model carries its health; as it is where that cannot be judged.

    That is so where the voices are not installed, and of an original that is sure of few words.

    Parameters
    ----------
    compression : Compression
    original : SpeechModel
    trees : mapping of str to MergeTree, optional
        Those of the plan; without them it is not foreseen up to which sparsity the recipe holds.
    watch : Watch

    Raises
    ------
    Cancelled
    """
    guard = Guard.of(original, watch=watch)
    if guard is None or not guard.can_judge:
        return compression
    health = guard.examine(compression.model, watch=watch)
    if trees is not None:
        holds_to = expected_to_hold(original, trees, compression.plan, health.divergence_said)
        health = health.changed(holds_to=holds_to)
    return replace(compression, model=replace(compression.model, health=health))


def expected_to_hold(
    original: SpeechModel,
    trees: Mapping[str, MergeTree],
    plan: CompressionPlan,
    divergence: float,
) -> float | None:
    """The sparsity up to which a recipe should not break the model.

    Under the end-to-end allocation it was measured what removals cost in each group alone. Their
    sum foresees the divergence of a plan but for a factor, since errors of layers add up to more;
    the factor is taken from the plan that was measured.

    Parameters
    ----------
    original : SpeechModel
    trees : mapping of str to MergeTree
        Those of the plan.
    plan : CompressionPlan
    divergence : float
        Of the plan's model, nats per word said.

    Returns
    -------
    float or None
        A whole per cent as a fraction; None where the trees were not measured, or where the plan
        takes nothing away.
    """
    recipe = plan.recipe
    if recipe.allocation != END_TO_END:
        return None
    groups = original.groups_for(recipe.components)

    def foreseen(n_clusters: Mapping[str, int]) -> float:
        return foreseen_divergence(groups, trees, n_clusters, recipe.method)

    here = foreseen(plan.n_clusters)
    if here <= 0 or divergence <= 0:
        return None
    holds = 0
    for step in range(1, _GRID):
        kept = allocate(
            groups,
            sparsity=step / _GRID,
            strategy=recipe.allocation,
            components=recipe.components,
            trees=trees,
            method=recipe.method,
        )
        if foreseen(kept) * divergence / here >= BREAKS_AT:
            break
        holds = step
    return holds / _GRID


def _texts(model: SpeechModel, rows: Sequence[Sequence[int]]) -> list[str]:
    """What is written for each clip: token ids of the decoder's words, or of all CTC frames."""
    decode = model.processor.tokenizer.decode
    return [decode(list(row), skip_special_tokens=True).strip() for row in rows]


def _words_changed(references: Sequence[str], texts: Sequence[str]) -> float:
    """Share of the words of the references that are substituted or missing, case aside."""
    plain = BasicTextNormalizer()
    pairs = [
        (" ".join(plain(before).split()), " ".join(plain(text).split()))
        for before, text in zip(references, texts, strict=True)
    ]
    pairs = [(before, text) for before, text in pairs if before]
    if not pairs:
        return 0.0
    found = jiwer.process_words([before for before, _ in pairs], [text for _, text in pairs])
    wrong = found.substitutions + found.deletions
    return wrong / (wrong + found.hits)
