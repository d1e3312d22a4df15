"""A rating job: what is left to do, doing it, and the table of everything known so far."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from encore.files import StrPath
from encore.raters.applicability import Applicability, Prompts, applicability_of
from encore.raters.passes import Pass
from encore.raters.protocol import Answer, AsksPrompts, Rater, TwoPasses, Usage
from encore.raters.questions import questions
from encore.raters.rated import Rated, coverage_of, ratings_table
from encore.raters.store import Store
from encore.raters.texts import Texts
from encore.rules import Rulebook, Rules, as_rulebook


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Parameters
    ----------
    n_answers, n_done, n_unrated : int
        Answers that this run needs, at most, as long as it is asked which rules apply; those it
        has, and how many of these have no rating.
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

    Attributes
    ----------
    prompts : Pass or None
        The questions about prompts that come first, where the rater asks which rules apply.
    responses : Pass
        The ratings of responses.

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
        self.usage_of_prompts = Usage()
        self._counter = _Counter(0, None)
        passes = rater.passes(rules) if isinstance(rater, AsksPrompts) else None
        asked = None if passes is None else questions(rules)
        second = rater if passes is None else passes.second
        self.responses = Pass(self.texts, rules, second, store, note=self.note)
        self.prompts: Pass | None = None
        self._at_least = 0.0
        if passes is not None and asked is not None:
            self._add_prompts(passes, asked)
        if retry_unrated:
            for each in self._passes:
                each.drop_unrated()
        self.applicability()
        self.n_stored = self.count_stored()

    def _add_prompts(self, passes: TwoPasses, asked: Rulebook) -> None:
        texts = Prompts(self.texts)
        self.prompts = Pass(texts, asked, passes.first, self.store, note=self.note)
        self._at_least = passes.at_least
        if passes.note:
            self.note(passes.note)

    @property
    def _passes(self) -> tuple[Pass, ...]:
        return (self.responses,) if self.prompts is None else (self.prompts, self.responses)

    def note(self, message: str) -> None:
        """Tell the user something, once."""
        if message not in self.notes:
            self.notes.append(message)
            self.on_note(message)

    @property
    def n_responses(self) -> int:
        """Responses in the data."""
        return len(self.responses.places)

    @property
    def n_distinct(self) -> int:
        """Distinct responses, by text and conversation: each is rated once."""
        return self.responses.n_distinct

    @property
    def n_wanted(self) -> int:
        """Answers that complete the table; at most, as long as not all prompts are asked about."""
        return sum(each.n_wanted for each in self._passes)

    def count_stored(self) -> int:
        """Answers for this job that the store holds now."""
        return sum(each.n_stored() for each in self._passes)

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> None:
        """Have the rater give what is missing: first what it says of prompts, if it is asked.

        Raises
        ------
        StoppedError
            If it stops early.
        """
        self.ask_prompts(on_progress)
        counter = self._counter
        counter.n_answers = counter.n_done + self.responses.n_left()
        self.responses.run(counter)

    def ask_prompts(self, on_progress: Callable[[Progress], None] | None = None) -> None:
        """Begin a run, and have the rater say what is missing about prompts alone.

        Raises
        ------
        StoppedError
            If it stops early.
        """
        n_answers = sum(each.n_left() for each in self._passes)
        self._counter, self.usage_of_prompts = _Counter(n_answers, on_progress), Usage()
        if self.prompts is not None:
            try:
                self.prompts.run(self._counter)
            finally:
                self.usage_of_prompts = self._counter.usage
            self.applicability()

    @property
    def usage(self) -> Usage:
        """What the last run has cost."""
        return self._counter.usage

    def applicability(self) -> Applicability | None:
        """How far rules apply, as far as it is known by now; None if that is not asked.

        From then on the rules that do not apply are left out.

        A rater that sees all rules at once is asked about all where one applies: its ratings
        depend on them.
        """
        if self.prompts is None:
            return None
        responses = self.responses
        found = applicability_of(self.prompts.cells(), self.rules, self._at_least)
        readable = responses.places >= 0
        asked = np.ones_like(responses.asked)
        asked[responses.places[readable]] = found.applies[readable] > 0
        if responses.identity.sees_all_rules:
            asked[:] = asked.any(axis=1, keepdims=True)
        responses.asked = asked
        unknown = np.where(readable[:, None], found.unknown, "")
        return replace(found, unknown=unknown)

    def rated(self) -> Rated:
        """The table of everything known now; what is not rated yet is null too."""
        found = self.applicability()
        cells = self.responses.cells()
        if found is not None:
            cells = cells.as_far_as(found.applies)
        asked = {}
        if self.prompts is not None:
            rater = dict(self.prompts.identity.rater)
            asked = {"applicability": {"rater": rater, "at_least": self._at_least}}
        coverage = coverage_of(self.rules, cells, None if found is None else found.unknown)
        return Rated(
            self.rules,
            ratings_table(self.responses.ids, self.rules, cells, found),
            coverage,
            int(cells.cut.sum()),
            {**self.texts.provenance(), "rater": dict(self.responses.identity.rater), **asked},
            (self.texts.source, self.store.path, *getattr(self.rater, "files", ())),
            tuple(self.notes),
        )


@dataclass
class _Counter:
    """Counts the answers of a run as they come."""

    n_answers: int
    on_progress: Callable[[Progress], None] | None
    usage: Usage = field(default_factory=Usage)
    n_done: int = 0
    n_unrated: int = 0
    began: float = field(default_factory=time.monotonic)

    def __call__(self, answer: Answer) -> None:
        self.usage += answer.usage
        self.n_done += 1
        self.n_unrated += answer.reason is not None
        if self.on_progress is not None:
            seconds = time.monotonic() - self.began
            counts = (self.n_answers, self.n_done, self.n_unrated)
            self.on_progress(Progress(*counts, self.usage, seconds))
