"""How far each rule applies to a response, by what a judge says about its prompt alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.errors import RatingsError
from encore.files import StrPath
from encore.raters.cells import RatedCells
from encore.raters.conversations import has_question
from encore.raters.protocol import Item, Reason
from encore.raters.questions import questions
from encore.raters.rows import TextRow, Unreadable
from encore.raters.texts import Note, Texts, silent
from encore.rules import Rulebook

_NO_PROMPT = "no prompt"


@dataclass(frozen=True)
class Prompts:
    """The prompts of some texts, one for each of their responses.

    Their items hold nothing of the responses, so that nothing which is asked about them, stored or
    decided can depend on one. Where there is no prompt there is no item.
    """

    texts: Texts

    @property
    def source(self) -> StrPath:
        """Where the texts are from."""
        return self.texts.source

    def distinct(self, note: Note = silent) -> Iterator[TextRow]:
        """The rows of the texts, each response's prompt in its place."""
        for row in self.texts.distinct(note):
            yield TextRow(row.ids, tuple(map(self._prompt, row.items)))

    def items(self) -> Iterator[Item]:
        """The prompts."""
        prompts = map(self._prompt, self.texts.items())
        return (prompt for prompt in prompts if isinstance(prompt, Item))

    def _prompt(self, item: Item | Unreadable) -> Item | Unreadable:
        if isinstance(item, Unreadable):
            return item
        if has_question(item.messages):
            return prompt_of(item)
        error = RatingsError(_NO_PROMPT, source=str(self.source))
        return Unreadable(item.prompt_id, item.response_id, error)


def prompt_of(item: Item) -> Item:
    """A response's prompt alone."""
    return Item(item.messages, "", item.prompt_id, item.response_id)


@dataclass(frozen=True, eq=False, repr=False)
class Applicability(Record):
    """How far rules apply to responses.

    Parameters
    ----------
    applies : ndarray of float, shape (n_responses, n_rules)
        From 0 to 1; 0 where it is too little to ask, 1 where it is not known.
    unsafe : ndarray of float, shape (n_responses,)
        How likely each one's request is unsafe; NaN where it is not known.
    unknown : ndarray of str, shape (n_responses, n_rules)
        Why it is not known; empty where it is.
    """

    applies: NDArray[np.float64]
    unsafe: NDArray[np.float64]
    unknown: NDArray[Any]


def applicability_of(told: RatedCells, rules: Rulebook, at_least: float) -> Applicability:
    """Applicability of the rules from the answers to their questions about prompts.

    A rule applies as far as 1 − q (1 − a): where a request is safe all rules do, where it is unsafe
    those at stake. A rule for safe requests applies as far as 1 − q.

    Parameters
    ----------
    told : RatedCells
        How likely the request is unsafe, then how likely each rule that is asked about is at stake,
        for each response's prompt.
    rules : Rulebook
        All rules.
    at_least : float
        Below this, a rule does not apply.

    Examples
    --------
    >>> from encore.rules import LevelScale, Rule
    >>> rules = Rulebook((Rule("kind", "Is kind.", LevelScale((0, 1))),))
    >>> told = RatedCells.empty(1, questions(rules))
    >>> told.values[:] = [[0.75, 0.5]]  # 1 − 0.75 (1 − 0.5)
    >>> applicability_of(told, rules, 0.1).applies.tolist()
    [[0.625]]
    """
    unsafe, place = told.values[:, 0], {id_: at for at, id_ in enumerate(questions(rules).ids)}
    applies = np.empty((len(unsafe), len(rules)))
    unknown = np.full(applies.shape, "", dtype=object)
    for position, rule in enumerate(rules):
        at = place.get(rule.id)
        at_stake = np.zeros_like(unsafe) if at is None else told.values[:, at]
        applies[:, position] = 1 - unsafe * (1 - at_stake)
        why = told.reasons[:, 0 if at is None else at]
        why = np.where(np.isnan(unsafe), told.reasons[:, 0], why)
        unknown[:, position] = np.where(np.isnan(applies[:, position]), why, "")
    unknown[unknown == Reason.UNREADABLE] = _NO_PROMPT
    applies[np.isnan(applies)] = 1.0
    applies[applies < at_least] = 0.0
    return Applicability(applies, unsafe, unknown)


@dataclass(frozen=True)
class PromptCoverage:
    """To how many prompts rules apply.

    Parameters
    ----------
    n_prompts, n_without : int
        Prompts, and to how many of them no rule applies.
    by_rule : mapping of str to int
        To how many of them each rule applies.
    """

    n_prompts: int
    n_without: int
    by_rule: Mapping[str, int]


def prompt_coverage(
    applies: NDArray[np.float64], prompts: NDArray[np.int64], rules: Rulebook, at_least: float
) -> PromptCoverage:
    """To how many prompts each rule applies, and to how many none.

    Parameters
    ----------
    applies : ndarray of float, shape (n_responses, n_rules)
        How far each rule applies; the same for all responses to a prompt.
    prompts : ndarray of int, shape (n_responses,)
        Which prompt each response answers.
    rules : Rulebook
        The rules.
    at_least : float
        Where a rule applies less, it does not.

    Examples
    --------
    >>> rules = Rulebook.from_ids(["privacy", "crime"], [0, 1])
    >>> applies = np.array([[0.9, 0.0], [0.9, 0.0], [0.05, 0.0]])
    >>> prompt_coverage(applies, np.array([0, 0, 1]), rules, 0.1)
    PromptCoverage(n_prompts=2, n_without=1, by_rule={'privacy': 1, 'crime': 0})
    """
    _, rows = np.unique(prompts, return_index=True)
    does = applies[rows] >= at_least
    by_rule = dict(zip(rules.ids, does.sum(axis=0).tolist(), strict=True))
    return PromptCoverage(len(rows), int((~does.any(axis=1)).sum()), by_rule)
