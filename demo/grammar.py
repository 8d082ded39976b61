"""The closed English domain of the demo models: what they can be told, as a random grammar.

Sentences are lower-case words without punctuation, numbers spelled out: digit strings, numbers,
dates, times and everyday commands. :func:`is_held_out` splits *sentences* (not recordings) into
those that may be trained on and those that only tests may use.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import numpy as np

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
    "eighteen", "nineteen",
)  # fmt: skip
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth",
    "eighteenth", "nineteenth", "twentieth",
)  # fmt: skip
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ROOMS = ("kitchen", "bedroom", "bathroom", "living room", "garage", "office", "garden", "hall")
DEVICES = ("light", "lights", "lamp", "fan", "heater", "radio", "television", "camera", "alarm")
OPENINGS = ("door", "window", "gate", "curtains", "garage")
GOODS = ("milk", "bread", "coffee", "tea", "sugar", "butter", "eggs", "apples", "water", "cheese")
PEOPLE = ("anna", "john", "mary", "peter", "david", "sarah", "mother", "the doctor", "the office")
DIRECTIONS = ("left", "right", "forward", "back", "up", "down")
DAYTIMES = ("in the morning", "in the afternoon", "in the evening")
DAYS = ("today", "tomorrow", "tonight")

# Short things that everybody says: always trainable, so that no word is only in held-out text.
COMMON_PHRASES = (
    "yes", "no", "stop", "start", "okay", "hello", "good morning", "good night", "thank you",
    "please", "cancel", "repeat", "help", "left", "right", "up", "down", "forward", "back",
    "what time is it", "what is the time", "what is the date today", "what day is it",
    "what is the weather today", "what is the weather tomorrow", "play some music",
    "stop the music", "pause the music", "next song", "play the next song",
    "play the previous song", "turn the volume up", "turn the volume down", "repeat that please",
    "yes please", "no thank you", "turn on the light", "turn off the light", "open the door",
    "close the window", "cancel the timer", "stop the alarm", "start the timer", "help me please",
    "lock the door", "hello good morning", "read my messages", "what is on my list",
)  # fmt: skip

HELD_OUT_DIVISOR = 8  # one sentence in eight is never trained on
HELD_OUT_MINIMUM_WORDS = 3


def is_held_out(sentence: str) -> bool:
    """Whether only tests may use this sentence; decided by a hash of its text.

    >>> is_held_out("yes"), is_held_out("what time is it")
    (False, False)
    """
    if sentence in COMMON_PHRASES or len(sentence.split()) < HELD_OUT_MINIMUM_WORDS:
        return False
    return zlib.crc32(sentence.encode()) % HELD_OUT_DIVISOR == 0


def below_hundred(value: int) -> str:
    """Spell a number from 0 to 99.

    >>> below_hundred(7), below_hundred(13), below_hundred(40), below_hundred(86)
    ('seven', 'thirteen', 'forty', 'eighty six')
    """
    if not 0 <= value < 100:
        raise ValueError(f"below_hundred spells 0 to 99, not {value}")
    if value < 10:
        return DIGITS[value]
    if value < 20:
        return TEENS[value - 10]
    tens, unit = divmod(value, 10)
    return TENS[tens - 2] if unit == 0 else f"{TENS[tens - 2]} {DIGITS[unit]}"


def spell_number(value: int) -> str:
    """Spell a number from 0 to 999,999, the British way (with "and").

    >>> spell_number(305), spell_number(12_040)
    ('three hundred and five', 'twelve thousand and forty')
    """
    if not 0 <= value < 1_000_000:
        raise ValueError(f"spell_number spells 0 to 999999, not {value}")
    if value < 100:
        return below_hundred(value)
    if value < 1000:
        hundreds, rest = divmod(value, 100)
        head = f"{DIGITS[hundreds]} hundred"
        return head if rest == 0 else f"{head} and {below_hundred(rest)}"
    thousands, rest = divmod(value, 1000)
    head = f"{spell_number(thousands)} thousand"
    if rest == 0:
        return head
    return f"{head} and {below_hundred(rest)}" if rest < 100 else f"{head} {spell_number(rest)}"


def spell_ordinal(day: int) -> str:
    """Spell a day of the month, 1 to 31, as an ordinal.

    >>> spell_ordinal(2), spell_ordinal(30), spell_ordinal(31)
    ('second', 'thirtieth', 'thirty first')
    """
    if not 1 <= day <= 31:
        raise ValueError(f"spell_ordinal spells days 1 to 31, not {day}")
    if day <= 20:
        return ORDINALS[day - 1]
    if day == 30:
        return "thirtieth"
    return f"{'twenty' if day < 30 else 'thirty'} {ORDINALS[day % 10 - 1]}"


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def digit_string(rng: np.random.Generator, low: int = 1, high: int = 8) -> str:
    """A string of ``low`` to ``high`` random digits, spelled."""
    count = int(rng.integers(low, high + 1))
    return " ".join(_pick(rng, DIGITS) for _ in range(count))


def number(rng: np.random.Generator) -> str:
    """A number: mostly below a thousand, sometimes a decimal, negative or in the thousands."""
    kind = rng.random()
    if kind < 0.4:
        return below_hundred(int(rng.integers(100)))
    if kind < 0.65:
        return spell_number(int(rng.integers(100, 1000)))
    if kind < 0.85:
        thousands = int(rng.integers(1, 100))
        return spell_number(thousands * 1000 + int(rng.integers(1000)) * int(rng.integers(2)))
    whole = below_hundred(int(rng.integers(100)))
    if kind < 0.95:
        return f"{whole} point {digit_string(rng, 1, 2)}"
    return f"minus {whole}"


def year(rng: np.random.Generator) -> str:
    """A year between 1900 and 2029."""
    if rng.random() < 0.5:
        return f"nineteen {below_hundred(int(rng.integers(10, 100)))}"
    return f"twenty {below_hundred(int(rng.integers(10, 30)))}"


def date(rng: np.random.Generator) -> str:
    """A date, with or without weekday and year."""
    day = spell_ordinal(int(rng.integers(1, 32)))
    month = _pick(rng, MONTHS)
    text = f"{month} {day}" if rng.random() < 0.5 else f"the {day} of {month}"
    if rng.random() < 0.3:
        text = f"{_pick(rng, WEEKDAYS)} {text}"
    if rng.random() < 0.3:
        text = f"{text} {year(rng)}"
    return text


def time_of_day(rng: np.random.Generator) -> str:
    """A time of day."""
    kind = rng.random()
    hour = below_hundred(int(rng.integers(1, 13)))
    if kind < 0.25:
        text = f"{hour} o'clock"
    elif kind < 0.5:
        text = f"{_pick(rng, ('half past', 'quarter past', 'quarter to'))} {hour}"
    elif kind < 0.6:
        minutes = below_hundred(int(rng.integers(2, 30)))
        text = f"{minutes} minutes {_pick(rng, ('past', 'to'))} {hour}"
    elif kind < 0.92:
        text = f"{hour} {below_hundred(int(rng.integers(10, 60)))}"
    else:
        return _pick(rng, ("noon", "midnight"))
    return f"{text} {_pick(rng, DAYTIMES)}" if rng.random() < 0.25 else text


def duration(rng: np.random.Generator) -> str:
    """A duration in seconds, minutes, hours or days."""
    if rng.random() < 0.15:
        return _pick(rng, ("one second", "one minute", "one hour", "one day", "half an hour"))
    value = below_hundred(int(rng.integers(2, 100)))
    return f"{value} {_pick(rng, ('seconds', 'minutes', 'hours', 'days'))}"


def when(rng: np.random.Generator) -> str:
    """When something shall happen: a time, a day or a date, with its preposition."""
    kind = rng.random()
    if kind < 0.4:
        return f"at {time_of_day(rng)}"
    if kind < 0.6:
        return f"on {date(rng)}"
    if kind < 0.75:
        return f"on {_pick(rng, WEEKDAYS)}"
    if kind < 0.9:
        return _pick(rng, DAYS)
    return f"in {duration(rng)}"


def switch_command(rng: np.random.Generator) -> str:
    """Switch a device on or off, or open, close, lock something, maybe in a room."""
    if rng.random() < 0.6:
        verb = f"{_pick(rng, ('turn', 'switch'))} {_pick(rng, ('on', 'off'))}"
        text = f"{verb} the {_pick(rng, DEVICES)}"
    else:
        text = f"{_pick(rng, ('open', 'close', 'lock'))} the {_pick(rng, OPENINGS)}"
    if rng.random() < 0.6:
        text = f"{text} in the {_pick(rng, ROOMS)}"
    return f"{text} please" if rng.random() < 0.1 else text


def set_command(rng: np.random.Generator) -> str:
    """Set a timer, an alarm, the temperature, the volume or the brightness of a light."""
    kind = rng.random()
    if kind < 0.25:
        return f"set {_pick(rng, ('a', 'the'))} timer for {duration(rng)}"
    if kind < 0.45:
        return f"set {_pick(rng, ('an', 'the'))} alarm for {time_of_day(rng)}"
    if kind < 0.55:
        return f"wake me up at {time_of_day(rng)}"
    if kind < 0.75:
        return f"set the temperature to {below_hundred(int(rng.integers(5, 100)))} degrees"
    what = _pick(rng, ("volume", "light", "lights"))
    if rng.random() < 0.3:
        return f"turn the {what} {_pick(rng, ('up', 'down'))}"
    return f"set the {what} to {below_hundred(int(rng.integers(1, 100)))} percent"


def people_command(rng: np.random.Generator) -> str:
    """Call somebody, send a message, or be reminded to."""
    text = _pick(rng, ("call", "send a message to", "read the message from"))
    text = f"{text} {_pick(rng, PEOPLE)}"
    if rng.random() < 0.5:
        text = f"remind me to {text}" if not text.startswith("read") else text
        return f"{text} {when(rng)}"
    return text


def shopping_command(rng: np.random.Generator) -> str:
    """Add goods to the shopping list, remove them, or buy them."""
    goods = _pick(rng, GOODS)
    if rng.random() < 0.4:
        goods = f"{goods} and {_pick(rng, GOODS)}"
    kind = rng.random()
    if kind < 0.4:
        return f"add {goods} to {_pick(rng, ('my', 'the'))} shopping list"
    if kind < 0.6:
        return f"remove {goods} from {_pick(rng, ('my', 'the'))} list"
    if kind < 0.8:
        return f"buy {below_hundred(int(rng.integers(2, 30)))} {_pick(rng, ('eggs', 'apples'))}"
    return f"remind me to buy {goods} {when(rng)}"


def question(rng: np.random.Generator) -> str:
    """A question about weather, dates, sums or what is planned."""
    kind = rng.random()
    if kind < 0.3:
        return f"what is the weather {_pick(rng, DAYS)} in the {_pick(rng, ('morning', 'evening'))}"
    if kind < 0.5:
        return f"what is the weather on {_pick(rng, WEEKDAYS)}"
    if kind < 0.75:
        sign = _pick(rng, ("plus", "minus", "times"))
        left, right = (below_hundred(int(value)) for value in rng.integers(0, 100, 2))
        return f"what is {left} {sign} {right}"
    return f"what is on my list {_pick(rng, ('for', 'on'))} {_pick(rng, WEEKDAYS)}"


def movement_command(rng: np.random.Generator) -> str:
    """Steer something, or the music."""
    kind = rng.random()
    if kind < 0.5:
        return f"go {_pick(rng, DIRECTIONS)} {below_hundred(int(rng.integers(1, 60)))} steps"
    if kind < 0.7:
        return f"turn {_pick(rng, ('left', 'right'))} and go {_pick(rng, DIRECTIONS)}"
    return f"{_pick(rng, ('play', 'stop', 'pause'))} the {_pick(rng, ('music', 'radio', 'song'))}"


def dial_command(rng: np.random.Generator) -> str:
    """A digit string with its carrier phrase."""
    carrier = _pick(rng, ("dial", "my number is", "the code is", "call"))
    return f"{carrier} {digit_string(rng, 3, 7)}"


def common_phrase(rng: np.random.Generator) -> str:
    """One of the fixed phrases."""
    return _pick(rng, COMMON_PHRASES)


Rule = Callable[[np.random.Generator], str]

# kind -> (rule, share of the sentences)
KINDS: dict[str, tuple[Rule, float]] = {
    "digits": (digit_string, 0.20),
    "number": (number, 0.10),
    "date": (date, 0.10),
    "time": (time_of_day, 0.08),
    "duration": (duration, 0.03),
    "dial": (dial_command, 0.04),
    "switch": (switch_command, 0.11),
    "set": (set_command, 0.09),
    "people": (people_command, 0.06),
    "shopping": (shopping_command, 0.06),
    "question": (question, 0.05),
    "movement": (movement_command, 0.04),
    "phrase": (common_phrase, 0.04),
}


def sentences(
    rng: np.random.Generator, *, held_out: bool, kinds: tuple[str, ...] = tuple(KINDS)
) -> Iterator[tuple[str, str]]:
    """Endless random (kind, sentence) pairs from one side of the split.

    Parameters
    ----------
    rng
        Source of randomness; the same state gives the same sentences.
    held_out
        True for sentences that only tests may use, False for training sentences.
    kinds
        Which kinds of :data:`KINDS` to draw from, in proportion to their shares.
    """
    shares = np.array([KINDS[kind][1] for kind in kinds])
    shares = shares / shares.sum()
    while True:
        kind = kinds[int(rng.choice(len(kinds), p=shares))]
        sentence = KINDS[kind][0](rng)
        if is_held_out(sentence) == held_out:
            yield kind, sentence


def vocabulary(n_samples: int = 40_000, seed: int = 0) -> tuple[str, ...]:
    """All words of the training sentences, sorted; found by drawing ``n_samples`` of them."""
    source = sentences(np.random.default_rng(seed), held_out=False)
    words: set[str] = set()
    for _ in range(n_samples):
        words.update(next(source)[1].split())
    return tuple(sorted(words))
