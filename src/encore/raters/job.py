"""A rating job: what is left to do, doing it, and the table of everything known so far."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from encore.errors import InputError, RatingsError
from encore.files import StrPath
from encore.raters.protocol import Answer, Item, Rater, Reason, Usage, is_unicode
from encore.raters.rated import Rated, coverage_of, rating_of, ratings_table
from encore.raters.rows import TextRow, Unreadable
from encore.raters.store import Store
from encore.raters.texts import Texts
from encore.rules import Rule, Rulebook, Rules, as_rulebook

# Items read ahead: within these, two processes on one store can keep out of each other's way.
_WINDOW = 1024
# Where responses that cannot be read have their ratings: the last row, which stays unrated.
_NOWHERE = -1
# Judges and files take no such text, and would say so when some of it is paid for.
_HALF = "holds half a character (a lone surrogate), which UTF-8 cannot hold. Remove it."


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Parameters
    ----------
    n_answers, n_done, n_unrated : int
        Answers that this run needs, those it has, and how many of these have no rating.
    usage : Usage
        What they cost.
    seconds : float
        Since the first call.
    """

    n_answers: int
    n_done: int
    n_unrated: int
    usage: Usage
    seconds: float


def rate(
    data: StrPath | Texts,
    rules: Rules,
    rater: Rater,
    *,
    scale: Any = None,
    store: Store | StrPath = ":memory:",
    on_progress: Callable[[Progress], None] | None = None,
) -> Rated:
    r"""Rate every response of *data* under every rule.

    Parameters
    ----------
    data : path-like or Texts
        Texts; see :class:`~encore.raters.Texts`.
    rules : Rulebook, path, catalogue's name, or list of ids
        What to rate under; see :func:`encore.rules.as_rulebook`.
    rater : Rater
        Who rates.
    scale : LevelScale, RangeScale or list of levels, optional
        The scale of a list of ids.
    store : Store or path-like
        Where every answer is kept as it comes, so that another run resumes from there.
    on_progress : callable, optional
        Called after every answer.

    Returns
    -------
    Rated
        The ratings; unrated cells are null, all of them if the rater gave none.

    Raises
    ------
    RatingsError
        If the data is not as described, or a text is not valid Unicode; nothing is asked then.
    StoppedError
        If the rater stops early. What it rated is in the store.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from encore import examples
    >>> from encore.raters import Recorded
    >>> data = Path(tempfile.mkdtemp()) / "texts.csv"
    >>> _ = data.write_text("id,prompt_id,prompt,chosen,rejected\nxs-001,p,Hi,Hello,No\n")
    >>> rated = rate(data, examples.rules(), Recorded(examples.ratings_path()))
    >>> rated.coverage[0].n_rated
    0
    """
    if not isinstance(store, Store):
        with Store(store) as opened:
            return rate(data, rules, rater, scale=scale, store=opened, on_progress=on_progress)
    job = Job(data, as_rulebook(rules, scale), rater, store)
    job.run(on_progress)
    return job.rated()


class Job:
    """One rating job: the data, the rules, the rater, the store, and how far it is.

    Parameters
    ----------
    data : path-like or Texts
        Texts to rate.
    rules : Rulebook
        What to rate under.
    rater : Rater
        Who rates.
    store : Store
        Where answers are kept.
    retry_unrated : bool
        Whether to forget the answers of earlier runs that gave no rating.

    Raises
    ------
    RatingsError
        If the data is not as described, or contains a response twice.
    """

    def __init__(
        self,
        data: StrPath | Texts,
        rules: Rulebook,
        rater: Rater,
        store: Store,
        *,
        retry_unrated: bool = False,
    ) -> None:
        self.texts = data if isinstance(data, Texts) else Texts(data)
        self.rules = rules
        self.rater = rater
        self.store = store
        self.notes: list[str] = []
        self.on_note: Callable[[str], None] = lambda message: None
        self.usage = Usage()
        self._identity = rater.identity
        self._failed: Counter[tuple[bytes, int]] = Counter()
        self._scan()
        self._rater_id = store.rater_id(self._identity)
        self._rule_ids = store.rule_ids(rules, self._identity)
        if retry_unrated:
            store.drop_unrated(list(self._keys), self._rater_id)
        self.n_stored = self.count_stored()

    def _scan(self) -> None:
        """Read the data once: its ids, and which rows share a rating."""
        for rule in self.rules:
            if not is_unicode(rule.id + rule.text):
                raise InputError(f"rule {rule.id!r} {_HALF}")
        self._ids: list[Mapping[str, Any]] = []
        self._keys: dict[bytes, int] = {}
        places: list[int] = []
        for number, row in enumerate(self.texts.distinct(self.note), start=1):
            if not all(map(is_unicode, _all_texts(row))):
                raise RatingsError(f"a text {_HALF}", source=str(self.texts.source), row=number)
            self._ids.append(row.ids)
            for item in row.items:
                if isinstance(item, Unreadable):
                    places.append(_NOWHERE)
                else:
                    key = self._identity.key(item)
                    places.append(self._keys.setdefault(key, len(self._keys)))
        self._places = np.array(places, dtype=np.int64)

    def note(self, message: str) -> None:
        """Tell the user something, once."""
        if message not in self.notes:
            self.notes.append(message)
            self.on_note(message)

    @property
    def n_responses(self) -> int:
        """Responses in the data."""
        return len(self._places)

    @property
    def n_distinct(self) -> int:
        """Distinct responses, by text and conversation: each is rated once."""
        return len(self._keys)

    @property
    def n_wanted(self) -> int:
        """Answers that complete the table."""
        return self.n_distinct * len(self.rules) * self._identity.n_samples

    def count_stored(self) -> int:
        """Answers for this job that the store holds now."""
        ours, n_samples = set(self._rule_ids), self._identity.n_samples
        stored = self.store.answered(list(self._keys), self._rater_id)
        return sum(rule in ours and sample < n_samples for _, rule, sample, _ in stored)

    def items(self) -> Iterator[Item]:
        """Each item that lacks an answer, once."""
        return (item for window in self._windows() for item in window)

    def wants(self, item: Item) -> list[tuple[Rule, int]]:
        """The rules, each with a sample number, that an item has no answer for."""
        stored = self.store.answered([self._identity.key(item)], self._rater_id)
        answered = {(rule, sample) for _, rule, sample, _ in stored}
        return [
            (rule, sample)
            for rule, number in zip(self.rules, self._rule_ids, strict=True)
            for sample in range(self._identity.n_samples)
            if (number, sample) not in answered
        ]

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> None:
        """Have the rater give what is missing.

        Raises
        ------
        StoppedError
            If it stops early.
        """
        if self.n_stored < self.n_wanted:
            ledger = _Ledger(self, on_progress)
            try:
                self.rater(ledger.items(self._windows()), ledger)
            finally:
                self.usage = ledger.usage

    def _windows(self) -> Iterator[list[Item]]:
        """The distinct items of the data that lack an answer, a window at a time."""
        seen: set[int] = set()
        window: dict[bytes, Item] = {}
        for item in self.texts.items():
            key = self._identity.key(item)
            place = self._keys.get(key)
            if place is not None and place not in seen:
                seen.add(place)
                window[key] = item
            if len(window) >= _WINDOW:
                yield self._open(window)
                window = {}
        yield self._open(window)

    def _open(self, window: Mapping[bytes, Item]) -> list[Item]:
        """The items of a window that are not fully answered."""
        ours, n_samples = set(self._rule_ids), self._identity.n_samples
        answered: Counter[bytes] = Counter()
        for key, rule, sample, _ in self.store.answered(list(window), self._rater_id):
            answered[key] += rule in ours and sample < n_samples
        wanted = len(self.rules) * n_samples
        return [item for key, item in window.items() if answered[key] < wanted]

    def rated(self) -> Rated:
        """The table of everything known now; what is not rated yet is null too."""
        values = np.full((self.n_distinct + 1, len(self.rules)), np.nan)
        spread = np.full_like(values, np.nan)
        reasons = np.full(values.shape, "not rated yet", dtype=object)
        reasons[_NOWHERE] = Reason.UNREADABLE
        cut = np.zeros(len(values), dtype=bool)
        for key, position, answers in self._answers():
            place = self._keys[key]
            rating = rating_of(answers, self.rules.rules[position])
            values[place, position], spread[place, position], reason = rating
            reasons[place, position] = reason
            cut[place] |= any(answer.n_cut for answer in answers)
        for (key, position), _ in self._failed.items():
            if np.isnan(values[self._keys[key], position]):
                reasons[self._keys[key], position] = Reason.FAILED
        values, spread, reasons = (part[self._places] for part in (values, spread, reasons))
        return Rated(
            self.rules,
            ratings_table(self._ids, self.rules, values, spread),
            coverage_of(self.rules, values, spread, reasons),
            int(cut[self._places].sum()),
            {**self.texts.provenance(), "rater": dict(self._identity.rater)},
            (self.texts.source, self.store.path, *getattr(self.rater, "files", ())),
            tuple(self.notes),
        )

    def _answers(self) -> Iterator[tuple[bytes, int, list[Answer]]]:
        """The answers about each distinct item under each rule."""
        position = {rule: place for place, rule in enumerate(self._rule_ids)}
        at: tuple[bytes, int] | None = None
        held: list[Answer] = []
        for key, rule, sample, answer in self.store.answers(list(self._keys), self._rater_id):
            if rule not in position or sample >= self._identity.n_samples:
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
    """Takes a job's answers into its store, and counts."""

    job: Job
    on_progress: Callable[[Progress], None] | None
    usage: Usage = field(default_factory=Usage)
    n_done: int = 0
    n_unrated: int = 0
    collided: bool = False
    began: float = field(default_factory=time.monotonic)
    # What the items in progress still need, as long as no other process writes to the store.
    _wanted: dict[bytes, list[tuple[Rule, int]]] = field(default_factory=dict)
    _version: int = -1

    @property
    def rules(self) -> Rulebook:
        return self.job.rules

    def items(self, windows: Iterator[list[Item]]) -> Iterator[Item]:
        """The items of each window, in order; in random order once another process rates too.

        In order, two processes that share a store would rate the same items at the same time.
        """
        for window in windows:
            while window:
                yield window.pop(random.randrange(len(window)) if self.collided else 0)

    def wants(self, item: Item) -> list[tuple[Rule, int]]:
        job = self.job
        if (version := job.store.version_of_others()) != self._version:
            self._wanted.clear()
            self._version = version
        key = job._identity.key(item)
        if key not in self._wanted:
            self._wanted[key] = job.wants(item)
        return self._wanted[key]

    def keep(self, item: Item, rule: Rule, answer: Answer, sample: int = 0) -> None:
        job = self.job
        key, position = job._identity.key(item), job.rules.position(rule.id)
        if answer.reason is Reason.FAILED:
            job._failed[key, position] += 1
        elif not job.store.put(key, job._rater_id, job._rule_ids[position], sample, answer):
            self.collided = True
        if left := [want for want in self._wanted.pop(key, ()) if want != (rule, sample)]:
            self._wanted[key] = left
        self.usage += answer.usage
        self.n_done += 1
        self.n_unrated += answer.reason is not None
        if self.on_progress is not None:
            seconds = time.monotonic() - self.began
            n_answers = job.n_wanted - job.n_stored
            progress = Progress(n_answers, self.n_done, self.n_unrated, self.usage, seconds)
            self.on_progress(progress)

    def note(self, message: str) -> None:
        self.job.note(message)
