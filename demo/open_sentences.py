"""English sentences of an open vocabulary, none like another, for speech that serves statistics.

A sentence is a template of :mod:`demo.sentence_templates`, filled with the words of
:mod:`demo.vocabulary`. It has correct grammar, capitals and punctuation; its sense may be odd.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from demo import vocabulary as words
from demo.grammar import spell_number
from demo.sentence_templates import GROUPS, PHRASES, SHORT

_SLOT = re.compile(r"\{(\w+)\}")
_ARTICLE = re.compile(r"\b([Aa]) (?=([a-zA-Z]+))")
# A capital stands at the start, after a full stop that ends no title, and after a caret.
_START = re.compile(
    r'(^"?|\^|(?<!Mr)(?<!Mrs)(?<!P\.S)[.!?]"? "|(?<!Mr)(?<!Mrs)(?<!P\.S)[.!?] )([a-z])'
)
_SILENT_H = ("hour", "honest", "honour", "heir")
_LIKE_YOU = ("uni", "use", "usu", "eu", "one", "u n", "u s", "ewe")
_LIKE_EX = ("x ray", "f b i", "n h s", "m p")
_DOUBLING = {"begin", "forget", "run", "shut", "sit", "swim"}
_PRONOUNS = {
    "woman": {"he": "she", "him": "her", "his": "her", "himself": "herself"},
    "man": {"he": "he", "him": "him", "his": "his", "himself": "himself"},
}
_INTERJECTIONS = ("Alas", "Bless me", "Bravo", "Come in", "Dear me", "Farewell", "Good evening",
                  "Good heavens", "Hello", "Hush", "Impossible", "Indeed", "Look out", "Nonsense",
                  "Not at all", "Of course", "Oh", "Quick", "Stop", "Well",
                  "Wonderful")  # fmt: skip
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
             "tenth", "eleventh", "twelfth", "fourteenth", "sixteenth", "eighteenth", "twentieth",
             "twenty-first", "twenty-third", "thirtieth")  # fmt: skip
_VERBS = {"handl": words.HANDLING, "treat": words.TREATING, "mov": words.MOVING, "": words.BEING}
_NOUNS = {
    "thing": words.THINGS,
    "person": words.PEOPLE,
    "animal": words.ANIMALS,
    "place": words.PLACES,
    "science": words.SCIENCE,
    "politics": words.POLITICS,
    "abstract": words.ABSTRACT,
    "substance": words.SUBSTANCES,
    "adj": words.ADJECTIVES,
    "adv": words.ADVERBS,
    "prep": words.PREPOSITIONS,
    "said": words.SAYING,
    "happened": words.HAPPENING,
    "town": words.TOWNS,
    "country": words.COUNTRIES,
    "month": words.MONTHS,
    "day": words.DAYS,
    "units": words.UNITS,
    "letters": words.LETTERS,
    "surname": words.SURNAMES,
    "interjection": _INTERJECTIONS,
    "ordinal": _ORDINALS,
}
_PLURALS = {"things": "thing", "persons": "person", "animals": "animal"}
_FORMS = {
    "handle": ("handl", "base"), "handled": ("handl", "past"),
    "handled_pp": ("handl", "participle"), "handles": ("handl", "third"),
    "handling": ("handl", "gerund"),
    "treat": ("treat", "base"), "treated": ("treat", "past"), "treated_pp": ("treat", "participle"),
    "treating": ("treat", "gerund"), "move": ("mov", "base"), "moved": ("mov", "past"),
    "was": ("", "past"),
}  # fmt: skip


def conjugate(verb: str, form: str) -> str:
    """Return one form of an entry of the vocabulary, such as ``"carry"`` or ``"take/took/taken"``.

    ``form`` is "base", "past", "participle", "third" or "gerund".
    """
    parts = verb.split("/")
    base = parts[0]
    ends_in_y = base.endswith("y") and base[-2] not in "aeou"
    if form == "base":
        return base
    if form in ("past", "participle"):
        if len(parts) == 3:
            return parts[1 if form == "past" else 2]
        return base[:-1] + "ied" if ends_in_y else base + ("d" if base.endswith("e") else "ed")
    if form == "third":
        if ends_in_y:
            return base[:-1] + "ies"
        return base + ("es" if base.endswith(("s", "sh", "ch", "x", "o", "z")) else "s")
    if base in _DOUBLING or (len(parts) == 3 and parts[1] == base + base[-1] + "ed"):
        return base + base[-1] + "ing"
    drops_e = base.endswith("e") and not base.endswith(("ee", "oe"))
    return (base[:-1] if drops_e else base) + "ing"


def plural(noun: str) -> str:
    """Return the plural of a noun of the vocabulary."""
    irregular = {
        "child": "children", "thief": "thieves", "policeman": "policemen", "foreman": "foremen",
        "ferryman": "ferrymen", "fisherman": "fishermen", "young man": "young men",
        "young woman": "young women", "midwife": "midwives", "knife": "knives", "shelf": "shelves",
        "scarf": "scarves", "mouse": "mice", "goose": "geese", "ox": "oxen", "calf": "calves",
        "wolf": "wolves", "sheep": "sheep", "deer": "deer", "salmon": "salmon", "trout": "trout",
        "trousers": "trousers", "witness": "witnesses",
    }  # fmt: skip
    if noun in irregular:
        return irregular[noun]
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "sh", "ch", "x", "z")) else "s")


class SentenceMaker:
    """Draws sentences; what it has drawn once it does not draw again.

    Parameters
    ----------
    rng
        Source of randomness.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        """Start with nothing said."""
        self._rng = rng
        self._said: set[str] = set()
        self._gender = "man"

    def sentence(self, *, n_words: tuple[int, int] = (4, 30), short: bool = False) -> str:
        """Draw a new sentence whose number of words lies in ``n_words``.

        ``short`` asks for one of two to four words instead.
        """
        least, most = (2, 4) if short else n_words
        while True:
            group = SHORT if short else self._group()
            self._gender = self._pick(("woman", "man"))
            text = self._finish(self._fill(self._pick(group)))
            if least <= len(text.split()) <= most and text not in self._said:
                self._said.add(text)
                return text

    def __iter__(self) -> Iterator[str]:
        """Yield sentences without end, one in twelve of them very short."""
        while True:
            yield self.sentence(short=bool(self._rng.random() < 1 / 12))

    def _group(self) -> tuple[str, ...]:
        shares = [share for share, _ in GROUPS]
        return GROUPS[int(self._rng.choice(len(GROUPS), p=shares))][1]

    def _pick(self, entries: tuple[str, ...]) -> str:
        return entries[int(self._rng.integers(len(entries)))]

    def _fill(self, template: str) -> str:
        return _SLOT.sub(lambda slot: self._slot(slot.group(1)), template)

    def _slot(self, name: str) -> str:
        if name in PHRASES:
            return self._fill(self._pick(PHRASES[name]))
        if name in _FORMS:
            kind, form = _FORMS[name]
            return conjugate(self._pick(_VERBS[kind]), form)
        if name in _PLURALS:
            return plural(self._pick(_NOUNS[_PLURALS[name]]))
        if name in _NOUNS:
            return self._pick(_NOUNS[name])
        if name in _PRONOUNS["man"]:
            return _PRONOUNS[self._gender][name]
        return self._made(name)

    def _made(self, name: str) -> str:
        """Fill a slot whose filling is put together here: names, numbers, times and prices."""
        rng = self._rng
        woman = self._gender == "woman"
        if name == "name":
            return self._pick(words.WOMEN if woman else words.MEN)
        if name == "titled":
            titles = ("Mrs.", "Miss", "Lady", "Aunt") if woman else ("Mr.", "Mr.", "Captain", "Sir")
            given = self._pick(words.WOMEN if woman else words.MEN)
            title = self._pick(titles)
            return f"{title} {given if title in ('Aunt', 'Sir') else self._pick(words.SURNAMES)}"
        if name == "number":
            return spell_number(int(rng.choice([rng.integers(2, 20), rng.integers(20, 100)])))
        if name == "bignumber":
            thousands = spell_number(int(rng.integers(2, 60)))
            return f"{thousands} {self._pick(('hundred', 'thousand', 'million'))}"
        if name == "digits":
            return ", ".join(
                " ".join(spell_number(int(d)) for d in rng.integers(1, 10, 3)) for _ in range(2)
            )
        if name == "year":
            century = self._pick(("sixteen", "seventeen", "eighteen", "nineteen"))
            return f"{century} {spell_number(int(rng.integers(10, 100)))}"
        if name == "clock":
            hour = spell_number(int(rng.integers(1, 13)))
            lead = self._pick(("half past ", "a quarter to ", "a quarter past ", "ten to ", ""))
            return lead + hour + ("" if lead else " o'clock")
        if name == "price":
            whole, part = (spell_number(int(rng.integers(2, 100))) for _ in range(2))
            return self._pick((f"{whole} dollars", f"{whole} pounds", f"{whole} dollars {part}"))
        raise KeyError(name)

    @staticmethod
    def _finish(text: str) -> str:
        """Choose between "a" and "an", and write a capital at the start of every sentence."""

        def article(found: re.Match[str]) -> str:
            following = text[found.end() :].lower()
            vowel = following.startswith((*"aeiou", *_SILENT_H, *_LIKE_EX))
            vowel = vowel and not following.startswith(_LIKE_YOU)
            return f"{found.group(1)}{'n' if vowel else ''} "

        text = _ARTICLE.sub(article, text)
        return _START.sub(lambda found: found.group(1) + found.group(2).upper(), text).replace(
            "^", ""
        )
