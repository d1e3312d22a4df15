"""One pass over the data: what a rater is yet to say, having it said, and what all of it says."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from encore.errors import InputError, RatingsError
from encore.files import StrPath
from encore.raters.cells import RatedCells, rating_of
from encore.raters.protocol import Answer, Item, Rater, Reason, is_unicode
from encore.raters.rows import TextRow, Unreadable
from encore.raters.store import Store
from encore.raters.texts import Note
from encore.rules import Rule, Rulebook

# Items read ahead: within these, two processes on one store can keep out of each other's way.
_WINDOW = 1024
# Where what cannot be read has its ratings: the last row, which stays unrated.
_NOWHERE = -1
# Judges and files take no such text, and would say so when some of it is paid for.
_HALF = "holds half a character (a lone surrogate), which UTF-8 cannot hold. Remove it."

OnAnswer = Callable[[Answer], None]


class Readable(Protocol):
    """Texts that can be read again and again."""

    @property
    def source(self) -> StrPath:
        """Where they are from."""
        ...

    def distinct(self, note: Note) -> Iterator[TextRow]:
        """The rows, each item with its own ids."""
        ...

    def items(self) -> Iterator[Item]:
        """What is to be rated, without what cannot be read."""
        ...


class Pass:
    """One rater's answers about all items of some texts, under all rules or those that are asked.

    Parameters
    ----------
    texts : Readable
        What is rated.
    rules : Rulebook
        What it is rated under.
    rater : Rater
        Who rates.
    store : Store
        Where answers are kept.
    note : callable
        Told, once each, what a user should know.

    Attributes
    ----------
    ids : list of mapping
        Of each row of the texts.
    places : ndarray of int, shape (n_responses,)
        Where each response's item stands among the distinct ones; -1 where it cannot be read.
    asked : ndarray of bool, shape (n_distinct, n_rules)
        Which rules each distinct item is rated under; all, unless set.
    """

    def __init__(
        self, texts: Readable, rules: Rulebook, rater: Rater, store: Store, *, note: Note
    ) -> None:
        self.texts = texts
        self.rules = rules
        self.rater = rater
        self.store = store
        self.note = note
        self.identity = rater.identity
        self.ids: list[Mapping[str, Any]] = []
        self._keys: dict[bytes, int] = {}
        self._failed: Counter[tuple[bytes, int]] = Counter()
        self.places = self._scan()
        self.asked: NDArray[np.bool_] = np.ones((self.n_distinct, len(rules)), dtype=bool)
        self._rater_id = store.rater_id(self.identity)
        self._rule_ids = store.rule_ids(rules, self.identity)

    def _scan(self) -> NDArray[np.int64]:
        """Read the data once: its ids, and which rows share a rating."""
        for rule in self.rules:
            if not is_unicode(rule.id + rule.text):
                raise InputError(f"rule {rule.id!r} {_HALF}")
        places: list[int] = []
        for number, row in enumerate(self.texts.distinct(self.note), start=1):
            if not all(map(is_unicode, _all_texts(row))):
                raise RatingsError(f"a text {_HALF}", source=str(self.texts.source), row=number)
            self.ids.append(row.ids)
            for item in row.items:
                if isinstance(item, Unreadable):
                    places.append(_NOWHERE)
                else:
                    key = self.identity.key(item)
                    places.append(self._keys.setdefault(key, len(self._keys)))
        return np.array(places, dtype=np.int64)

    @property
    def n_distinct(self) -> int:
        """Distinct items, by text and conversation: each is rated once."""
        return len(self._keys)

    @property
    def n_wanted(self) -> int:
        """Answers that complete the pass."""
        return int(self.asked.sum()) * self.identity.n_samples

    @property
    def n_left_out(self) -> int:
        """Answers that are not asked for."""
        return int((~self.asked).sum()) * self.identity.n_samples

    def n_stored(self) -> int:
        """How many of them the store holds now."""
        return sum(self._n_answered(list(self._keys)).values())

    def n_left(self) -> int:
        """How many it does not hold."""
        return self.n_wanted - self.n_stored()

    def drop_unrated(self) -> None:
        """Forget the answers of earlier runs that gave no rating."""
        self.store.drop_unrated(list(self._keys), self._rater_id)

    def items(self) -> Iterator[Item]:
        """Each item that lacks an answer, once."""
        return (item for window in self._windows() for item in window)

    def distinct_items(self) -> Iterator[Item]:
        """Each item, once."""
        seen: set[int] = set()
        for item in self.texts.items():
            place = self._keys.get(self.identity.key(item))
            if place is not None and place not in seen:
                seen.add(place)
                yield item

    def asks(self, item: Item) -> list[Rule]:
        """The rules that an item is rated under."""
        asked = self.asked[self._keys[self.identity.key(item)]].tolist()
        return [rule for rule, is_asked in zip(self.rules, asked, strict=True) if is_asked]

    def wants(self, item: Item) -> list[tuple[Rule, int]]:
        """The rules, each with a sample number, that an item has no answer for."""
        key = self.identity.key(item)
        stored = self.store.answered([key], self._rater_id)
        answered = {(rule, sample) for _, rule, sample, _ in stored}
        asked = self.asked[self._keys[key]].tolist()
        return [
            (rule, sample)
            for rule, number, is_asked in zip(self.rules, self._rule_ids, asked, strict=True)
            for sample in range(self.identity.n_samples if is_asked else 0)
            if (number, sample) not in answered
        ]

    def run(self, on_answer: OnAnswer) -> None:
        """Have the rater say what is missing.

        Raises
        ------
        StoppedError
            If it stops early.
        """
        if self.n_left():
            ledger = _Ledger(self, on_answer)
            self.rater(ledger.items(self._windows()), ledger)

    def _windows(self) -> Iterator[list[Item]]:
        """The distinct items of the data that lack an answer, a window at a time."""
        window: dict[bytes, Item] = {}
        for item in self.distinct_items():
            window[self.identity.key(item)] = item
            if len(window) >= _WINDOW:
                yield self._open(window)
                window = {}
        yield self._open(window)

    def _open(self, window: Mapping[bytes, Item]) -> list[Item]:
        """The items of a window that are not fully answered."""
        answered, n_samples = self._n_answered(list(window)), self.identity.n_samples
        wanted = {key: int(self.asked[self._keys[key]].sum()) * n_samples for key in window}
        return [item for key, item in window.items() if answered[key] < wanted[key]]

    def _n_answered(self, keys: list[bytes]) -> Counter[bytes]:
        """How many of the answers that are asked for the store holds, by item."""
        position = {rule: place for place, rule in enumerate(self._rule_ids)}
        answered: Counter[bytes] = Counter()
        for key, rule, sample, _ in self.store.answered(keys, self._rater_id):
            if rule in position and sample < self.identity.n_samples:
                answered[key] += bool(self.asked[self._keys[key], position[rule]])
        return answered

    def cells(self) -> RatedCells:
        """Everything known now, response by response; what is not rated yet is empty too."""
        cells = RatedCells.empty(self.n_distinct + 1, self.rules)
        cells.reasons[_NOWHERE] = Reason.UNREADABLE
        for key, position, answers in self._answers():
            place = self._keys[key]
            cells.put(place, position, rating_of(answers, self.rules.rules[position]))
            cells.cut[place] |= any(answer.n_cut for answer in answers)
        for key, position in self._failed:
            place = self._keys[key]
            if np.isnan(cells.values[place, position]) and cells.applies[place, position]:
                cells.reasons[place, position] = Reason.FAILED
        return cells.take(self.places)

    def _answers(self) -> Iterator[tuple[bytes, int, list[Answer]]]:
        """The answers about each distinct item under each rule."""
        position = {rule: place for place, rule in enumerate(self._rule_ids)}
        at: tuple[bytes, int] | None = None
        held: list[Answer] = []
        for key, rule, sample, answer in self.store.answers(list(self._keys), self._rater_id):
            if rule not in position or sample >= self.identity.n_samples:
                continue
            if at is not None and at != (key, rule):
                yield at[0], position[at[1]], held
                held = []
            at = (key, rule)
            held.append(answer)
        if at is not None:
            yield at[0], position[at[1]], held


def _all_texts(row: TextRow) -> Iterator[str]:
    """Every text of a row that is asked about or written."""
    yield from (str(value) for value in row.ids.values())
    for item in row.items:
        yield from (item.prompt_id, item.response_id)
        if isinstance(item, Item):
            yield item.response
            for message in item.messages:
                yield from message


@dataclass
class _Ledger:
    """Takes a pass's answers into its store."""

    held: Pass
    on_answer: OnAnswer
    collided: bool = False
    # What the items in progress still need, as long as no other process writes to the store.
    _wanted: dict[bytes, list[tuple[Rule, int]]] = field(default_factory=dict)
    _version: int = -1

    @property
    def rules(self) -> Rulebook:
        return self.held.rules

    def items(self, windows: Iterator[list[Item]]) -> Iterator[Item]:
        """The items of each window, in order; in random order once another process rates too.

        In order, two processes that share a store would rate the same items at the same time.
        """
        for window in windows:
            while window:
                yield window.pop(random.randrange(len(window)) if self.collided else 0)

    def wants(self, item: Item) -> list[tuple[Rule, int]]:
        held = self.held
        if (version := held.store.version_of_others()) != self._version:
            self._wanted.clear()
            self._version = version
        key = held.identity.key(item)
        if key not in self._wanted:
            self._wanted[key] = held.wants(item)
        return self._wanted[key]

    def keep(self, item: Item, rule: Rule, answer: Answer, sample: int = 0) -> None:
        held = self.held
        key, position = held.identity.key(item), held.rules.position(rule.id)
        if answer.reason is Reason.FAILED:
            held._failed[key, position] += 1
        elif not held.store.put(key, held._rater_id, held._rule_ids[position], sample, answer):
            self.collided = True
        if left := [want for want in self._wanted.pop(key, ()) if want != (rule, sample)]:
            self._wanted[key] = left
        self.on_answer(answer)

    def note(self, message: str) -> None:
        self.held.note(message)
