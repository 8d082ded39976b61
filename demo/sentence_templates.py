"""Templates of the open sentences, one group for each kind of text.

A name in braces is filled in by :mod:`demo.open_sentences`: a word class in lower case, or a phrase
of :data:`PHRASES`; a caret asks for a capital. ``he``, ``him`` and ``his`` agree with the ``name``
or ``titled`` of the same sentence. Verbs are named by class and form: ``handle``, ``handled``,
``handles`` and ``handling``, and so on.
"""

from __future__ import annotations

PHRASES: dict[str, tuple[str, ...]] = {
    "object": (
        "the {thing}", "the {adj} {thing}", "{his} {adj} {thing}", "a {adj} {thing}",
        "the {person}'s {thing}", "a {thing} and a {thing}", "the {adj}, {adj} {thing}",
        "a {thing} made of {substance}", "the {thing} from {town}", "{number} {adj} {things}",
        "every {thing} in the {place}", "the {animal} and the {thing}", "a bag of {substance}",
    ),
    "someone": (
        "the {person}", "the {adj} {person}", "a {adj} {person}", "the {person} of the {place}",
        "{name}", "{titled}", "{his} {person}", "the {person} from {town}", "one of the {persons}",
        "nobody", "the {person} with the {adj} {thing}", "the {persons}", "both {persons}",
    ),
    "somewhere": (
        "in the {place}", "near the {place}", "{prep} the {place}", "{prep} the {adj} {place}",
        "in {town}", "on the road to {town}", "{prep} the {thing}", "at the {place}",
        "among the {things}", "between the {place} and the {place}", "in the south of {country}",
    ),
    "sometime": (
        "early in the morning", "late at night", "on {day}", "one {adj} evening in {month}",
        "at the end of {month}", "in the spring of that year", "at {clock}", "before sunrise",
        "after supper", "not long afterwards", "{number} years ago", "towards midnight",
        "at the very same moment", "during the long winter", "when the rain had stopped",
    ),
    "deed": (
        "{handled} {object}", "{treated} {someone}", "{moved} {somewhere}", "{was}",
        "{moved} {adv} {somewhere}", "{adv} {handled} {object}", "{handled} {object} {somewhere}",
        "{treated} {someone} {somewhere}", "{handled} {object} and {treated} {someone}",
    ),
    "clause": (
        "{someone} {deed}", "{name} {deed}", "the {thing} {happened}",
        "the {animal} {moved} {somewhere}",
        "the {abstract} of the {person} was {adj}", "there was a {adj} {thing} {somewhere}",
    ),
    "finding": (
        "the {science} depends on the {science}", "the {adj} {science} reduces the {science}",
        "the {science} of the {science} is {adj}", "every {science} has its own {science}",
        "no {science} can change without some {adj} {science}",
        "the {science} is {number} times as large",
    ),
}  # fmt: skip

NARRATIVE = (
    "{name} {deed}, and {clause}.",
    "{sometime}, {clause}.",
    "It was a {adj} and {adj} {place}, where {clause}.",
    "As {he} {moved} {somewhere}, {name} {deed}; but {clause}.",
    "{titled}, who had never before {handled_pp} {object}, {deed} with much {abstract}.",
    "There is a kind of {abstract} which neither {abstract} nor {abstract} can {handle}.",
    "{he} had {handled_pp} {object} {sometime}, and now {he} {deed}.",
    "Never had the {person} {treated_pp} so {adj} a {person}.",
    "The {adj} {place}, which lay {somewhere}, was full of {things} and {animals}.",
    "Not a {thing} remained of all that the {person} had once {handled_pp}.",
    "{treating} the {person}, {titled} {moved} {somewhere}, and {deed}.",
    "Having {handled_pp} {object}, the {adj} {person} {deed} {sometime}.",
    "{abstract} and {abstract} were written upon the face of the {adj} {person}.",
    "In those days the {persons} of {town} still {handled} the {substance} with their own hands.",
    "If {clause}, it was because {name} had {treated_pp} {someone}.",
    "{his} {thing} was {adj}, {his} {thing} {adj}, and {his} {abstract} {adj} beyond measure.",
    "When at length {he} {was}, the {animal} {moved} {somewhere}, and the {place} was {adj} again.",
    "The {person} {deed}, the {person} {was}, and the {animals} {moved} {somewhere}.",
    "No sooner had {name} {handled_pp} {object} than {clause}.",
    "Upon my word, the {abstract} of that {person} would {treat} a {person}.",
    "Thus it happened that {titled} {deed}, although {clause}.",
    "Beyond the {place} rose the {adj} {place}, and over all hung the {substance} of {month}.",
    "{he} was a {adj}, {adj} {person}, with {adj} hair and a {adj} {thing}.",
    "So great was {his} {abstract} that {he} {deed} without {abstract}.",
    "The {animals} {moved} {somewhere}, as if they had {treated_pp} the {person}.",
    "Far away, {prep} the {place}, a {adj} {animal} {was}, and the {person} listened with "
    "{abstract}.",
    "All this time {titled} said nothing, for {his} {abstract} was stronger than {his} {abstract}.",
    "Whoever {treated} the {person} must have known the {place} and its {adj} {things}.",
    "The road led {prep} the {place}, then {prep} the {adj} {place}, and at last to {town}.",
    "{he} looked at the {thing}, and at the {thing}, and could not {handle} either of them.",
    "Of the {number} {persons} who {moved} {somewhere}, only the {adj} one ever came back.",
    "That night the {person} dreamt of {adj} {animals}, of {substance}, and of a {adj} {place}.",
    "It may be {abstract}, or it may be {abstract}; but whatever it is, it will {treat} us all.",
    "{titled} had been a {person} in {country}, and spoke of it with {adj} {abstract}.",
    "The old {place} had {number} windows, {number} chimneys, and a {thing} that nobody {handled}.",
    "For {number} {units} they saw neither {animal} nor {person}, until {clause}.",
    "With a {adj} {thing} in one hand and a {adj} {thing} in the other, {name} {moved} "
    "{somewhere}.",
    "Some men are ruled by {abstract}, others by {abstract}, and a few by plain {abstract}.",
    "The more {he} {treated} the {person}, the more {adj} the {person} became.",
    "And so, while the {person} {was}, the {adj} {animal} {moved} {adv} {somewhere}.",
    "Little did {name} know that the {person} had already {handled_pp} {object}.",
    "There stood the {thing}, {adj} and {adj}, exactly as the {person} had described it.",
    '"{abstract}," wrote the {person}, "is the {person} of {abstract}."',
    "What became of the {adj} {thing}, or of the {person} who {handled} it, was never known.",
    "The {substance} was {adj}, the {substance} was {adj}, and {someone} {was} {somewhere}.",
)

PLAIN = (
    "{name} {was}.",
    "{clause}.",
    "{someone} {deed}.",
    "The {thing} {happened} {sometime}.",
    "They {deed} {adv}.",
    "We {handled} {object}.",
    "Nobody {was}.",
    "The {place} is {adj}.",
    "{name} likes {substance} with {substance}.",
    "My {person} {handles} {things} {somewhere}.",
    "The {animal} {moved} {somewhere}.",
    "{abstract} is better than {abstract}.",
    "This {thing} belongs to {titled}.",
    "I {handled} the {thing}.",
    "{adv}, {clause}.",
    "We bought {substance}, {substance}, {things} and a {adj} {thing}.",
    "The {things}, the {things} and the {animals} were {adj}.",
)

SHORT = (
    "{name} {was}.", "{adj} {substance}.", "What {adj} {things}!", "{adv} now.", "{handle} it.",
    "Who {was}?", "{titled}?", "The {adj} {thing}.", "Not {substance}!", "{number} {things}.",
    "Where is {name}?", "Thank you, {name}.", "They {was}.", "Never {handle} {substance}.",
    "To {town}, please.", "On {day}, then.", "{interjection}!", "Is it {adj}?", "At {clock}.",
    "{handle} the {thing}.", "{substance} and {substance}.", "What {abstract}!", "No {abstract}.",
)  # fmt: skip

QUESTIONS = (
    "Did {someone} {handle} {object}?",
    "Why is the {thing} {adj}?",
    "Where did {name} {handle} the {thing}?",
    "Have you ever {handled_pp} {object}?",
    "Who {treated} the {person} {somewhere}?",
    "Which of the {things} is {adj}, and which is {adj}?",
    "How many {things} are there {somewhere}?",
    "What would happen if {clause}?",
    "Would you {handle} the {thing}, or would you rather {treat} the {person}?",
    "When will the {person} {move} {somewhere}?",
    "Isn't it {adj} that {clause}?",
    "Could you {handle} {object} before {day}?",
    "How can {abstract} exist without {abstract}?",
    "Whose {thing} is this, and who {handled} it {somewhere}?",
    "Do you believe that {clause}?",
)

DIALOGUE = (
    '"{interjection}!" {said} {name}. "{clause}."',
    '"I have {handled_pp} {object}," {said} the {person}.',
    '"{handle} {object}," {said} {titled}, "or I shall {treat} the {person}."',
    '"Do you {handle} the {thing}?" {said} {name}. "Only on {day}s."',
    '"Who is that {person}?" {he} {said}. "It is {titled}."',
    '"Yes, {name}," {said} the {person}, "{clause}."',
    '"No," {he} {said} {adv}, "I never {treated} {someone}."',
    'The {person} {was} and {said}, "^{clause}."',
    '"Don\'t {handle} it!" {said} the {adj} {person}. "It\'s {adj}."',
    '"We\'ll {move} {somewhere}," {said} {name}, "and then we\'ll {handle} {object}."',
    '"It can\'t be {adj}," {he} {said}, "because {clause}."',
    '"You\'ve {treated_pp} my {person}," {said} {titled} {adv}.',
    '"My dear {titled}," {said} the {person}, "your {abstract} is {adj}."',
)

NEWS = (
    "The {politics} on the {politics} will be {handled_pp} in {town} on {day}.",
    "The {person} of {country} said on {day} that the {politics} was {adj}.",
    "Prices of {substance} rose by {number} percent in {month}, the {politics} reported.",
    "More than {bignumber} {persons} {moved} {somewhere} to protest against the {politics}.",
    "Police in {town} are looking for a {adj} {person} who {handled} {object}.",
    "{country} and {country} signed a {politics} on {substance} and {substance}.",
    "The {politics} rejected the {politics} by {number} votes to {number}.",
    "Heavy rain is expected {somewhere}, with up to {number} {units} of water.",
    "{titled} of {town}, aged {number}, won the first prize for {his} {adj} {thing}.",
    "Shares in the {substance} company fell to {price} after the {politics}.",
    "The flight from {town} to {town} was delayed by {number} hours.",
    "According to the {letters}, the {politics} costs {price} a year.",
    "In {year}, the {politics} of {country} ended {sometime}.",
    "The new {place} in {town} opens on the {ordinal} of {month}.",
    "Critics say that the {politics} ignores {abstract}, {abstract} and the {politics}.",
)

LECTURE = (
    "In this lecture we shall see that {finding}.",
    "If {finding}, then {finding}.",
    "The {science} was discovered by {titled} in {year}.",
    "Measure the {science} at {number} {units}, and compare it with the {science}.",
    "Let us assume, for the moment, that {finding}.",
    "The {science} consists of the {science}, the {adj} {science} and {number} {adj} parts.",
    "Figure {number} shows how the {science} follows the {science}.",
    "The experiment was repeated {number} times at {number} {units}.",
    "What we call {abstract} is, in the end, a {adj} form of {abstract}.",
    "The {adj} {science} moves at {bignumber} {units} per second.",
    "It follows that {finding}, unless the {science} is {adj}.",
    "Neither {science} nor {science} explains why {finding}.",
    "Doctor {surname} argues that {finding}; Professor {surname} disagrees.",
    "Remember that a {thing} of {substance} has its own {science}.",
)

LETTER = (
    "Dear {titled}, thank you for the {adj} {thing} which you sent on the {ordinal} of {month}.",
    "I hope that your {abstract} is as {adj} as it was in {town}.",
    "Please send {number} {units} of {substance} to {number} {surname} Street, {town}.",
    "We arrived in {town} on {day}, {adj} but happy.",
    "Your {person} {deed}, and sends you {his} love.",
    "The bill for the {things} comes to {price}, to be paid by the {ordinal} of {month}.",
    "With kind regards, {name} {surname}.",
    "P.S. The {animal} has {handled_pp} {object} again!",
    "I remain, {adv}, your {adj} {person}.",
    "Since I wrote to you in {month}, {clause}, and I have {handled_pp} {object}.",
    "Meet me {somewhere} at {clock}, and bring the {adj} {thing}.",
)

HOUSEHOLD = (
    "First {handle} the {thing}, then wash it with {adj} {substance}.",
    "Mix {number} spoons of {substance} with {number} spoons of {substance}.",
    "Turn the {thing} off at {clock}, and {handle} the {adj} {thing}.",
    "The {thing} is on the {ordinal} shelf, behind the {substance}.",
    "Add the {substance}, stir {adv}, and leave it for {number} minutes.",
    "We need {substance}, {substance} and {number} {adj} {things} for {day}.",
    "Our {letters} {thing} broke on {day}, so we must {handle} another.",
    "Take the {ordinal} turning on the left, {prep} the {place}.",
    "The number is {digits}.",
    "A ticket to {town} costs {price}.",
    "The train for {town} leaves from platform {number} at {clock}.",
)

GROUPS: tuple[tuple[float, tuple[str, ...]], ...] = (
    (0.34, NARRATIVE),
    (0.12, PLAIN),
    (0.09, QUESTIONS),
    (0.16, DIALOGUE),
    (0.09, NEWS),
    (0.08, LECTURE),
    (0.05, LETTER),
    (0.07, HOUSEHOLD),
)
"""Share of each kind of text, without the very short sentences."""
