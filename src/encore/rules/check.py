"""What is wrong with the wording of rules, before a rater is paid to judge by them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from encore.rules.rule import Rule
from encore.rules.rulebook import Rulebook

# Share of words in common, stop words aside, from which two rules ask for the same thing.
_SAME_WORDS = 0.75
_STOP_WORDS = frozenset(
    "a about an and any anyone are as at be by do does for from has have in is it its of on or "
    "that the their them they this to with who whom which response assistant user".split()
)
_NEGATIONS = frozenset("no not never none nothing neither nor without cannot avoid refrain".split())
# A finite verb after a conjunction begins a second demand; a noun there only widens the first.
_VERBS = (
    "is|are|does|do|has|have|must|should|will|can|may|avoids?|contains?|declines?|explains?|"
    "follows?|gives?|keeps?|makes?|mentions?|offers?|points|presents?|provides?|refuses?|"
    "respects?|says|shows?|states?|tells?|uses?|warns?|writes?"
)
_DOUBLE = (
    (re.compile(r"\w\s*/\s*\w"), "joins alternatives with a slash"),
    (re.compile(r";|[.!]\s+\w"), "is more than one sentence"),
    (
        re.compile(rf"\b(?:and|or|but|nor)\s+(?:also\s+|then\s+)?(?:{_VERBS})\b"),
        "asks for two actions",
    ),
    (re.compile(r",[^,;]+\b(?:and|or)\b"), "lists three or more things"),
    (re.compile(r"\bnor\b|\bas well\b|,\s*(?:and|or|but)\b"), "asks for two things"),
)
_NEUTRAL = re.compile(
    r"(?:the (?:response|answer|reply) )?(?:is about|mentions|discusses|concerns|relates to|"
    r"describes|addresses|deals with|refers to|(?:the )?(?:level|degree|amount|extent) of|how|"
    r"whether)\b"
)
_DEMANDS = re.compile(
    r"(?:the (?:response|answer|reply|assistant|model|ai) (?:is|are|has|must|should|\w+s)\b|"
    rf"(?:{_VERBS})\b|(?:be|choose|prefer|ensure|please)\b|\w+[^s\W]s \w)"
)


class RuleTrouble(StrEnum):
    """What a finding is about."""

    DUPLICATE = "duplicate"
    DOUBLE_BARRELLED = "double-barrelled"
    NO_POLARITY = "no polarity"


@dataclass(frozen=True)
class RuleFinding:
    """One thing that is wrong with a rule.

    Parameters
    ----------
    rule : str
        The id of the rule.
    kind : RuleTrouble
        What it is about.
    message : str
        What is wrong, and what to do.
    """

    rule: str
    kind: RuleTrouble
    message: str


def check_rules(rules: Rulebook) -> tuple[RuleFinding, ...]:
    """Find rules that say the same thing, ask for two things, or do not say what is good.

    Two rules are duplicates if three quarters of their words are the same, whatever their
    polarity: a rule and its opposite are one rule stated twice. A rule is double-barrelled if it
    joins demands (``and/or``, a semicolon, a second verb, a list of three): a rater that finds one
    met and the other broken has no level to give. A rule has no polarity if it names a topic, asks
    a question or describes, so that nothing says which end of the scale is good. These are signs in
    the wording, not proofs: read the rule and decide.

    Parameters
    ----------
    rules : Rulebook
        What to check.

    Returns
    -------
    tuple of RuleFinding
        In the order of the rules; empty if nothing was found.

    Examples
    --------
    >>> from encore.rules import LevelScale, Rule
    >>> rule = Rule("polite", "Is polite and/or helpful.", LevelScale((1, 2, 3)))
    >>> [str(finding.kind) for finding in check_rules(Rulebook((rule,)))]
    ['double-barrelled']
    """
    position = {rule.id: place for place, rule in enumerate(rules)}
    found = [*_duplicates(rules)]
    for rule in rules:
        found += _double_barrelled(rule)
        found += _no_polarity(rule)
    return tuple(sorted(found, key=lambda finding: position[finding.rule]))


def _duplicates(rules: Rulebook) -> Iterator[RuleFinding]:
    words = [_words(rule) for rule in rules]
    for (first, one), (second, other) in combinations(zip(rules, words, strict=True), 2):
        if one == other or len(one & other) >= _SAME_WORDS * len(one | other):
            yield RuleFinding(
                second.id,
                RuleTrouble.DUPLICATE,
                f"says nearly the same as {first.id!r}. Keep one, or it counts twice.",
            )


def _words(rule: Rule) -> frozenset[str]:
    words = re.findall(r"[^\W_]+", rule.text.casefold())
    kept = (word for word in words if word not in _STOP_WORDS and word not in _NEGATIONS)
    # Inflections are the same word: insult, insults; hide, hiding.
    return frozenset(re.sub(r"(?<=\w{3})(?:ing|es|ed|s|e)$", "", word) for word in kept)


def _double_barrelled(rule: Rule) -> Iterator[RuleFinding]:
    text = rule.text.strip().rstrip(".!").casefold()
    for pattern, trouble in _DOUBLE:
        if pattern.search(text):
            yield RuleFinding(
                rule.id,
                RuleTrouble.DOUBLE_BARRELLED,
                f"{trouble}. Split it: a response may meet one part and not the other.",
            )
            return


def _no_polarity(rule: Rule) -> Iterator[RuleFinding]:
    text = rule.text.strip().casefold()
    words = re.findall(r"[^\W_]+", text)
    if "?" in text:
        trouble = "is a question"
    elif _NEGATIONS.intersection(words) and len(words) > 1:
        return
    elif _NEUTRAL.match(text):
        trouble = "describes without saying what is good"
    elif len(words) == 1 or not _DEMANDS.match(text):
        trouble = "names a topic"
    else:
        return
    yield RuleFinding(
        rule.id,
        RuleTrouble.NO_POLARITY,
        f"{trouble}. Say what a good response does or does not do.",
    )
