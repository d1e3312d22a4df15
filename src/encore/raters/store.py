"""The store: every answer of every rater, in one SQLite file that survives a killed process."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from encore.errors import DocumentError, StoppedError
from encore.files import StrPath
from encore.parsing import json_value
from encore.raters.database import COLUMNS, MEMORY, open_database
from encore.raters.protocol import Answer, Identity, Reason, Usage, short_digest
from encore.raters.questions import each_question
from encore.rules import Rulebook, Scale

_TEXT, _NUMBER = str | None, float | None
_KINDS: tuple[Any, ...] = (_NUMBER, _NUMBER, _TEXT, _TEXT, float, str, *[int] * 5)
_ANSWERED = (bytes, int, int, int)
_FAR_FUTURE = 1e11  # seconds: the year 5138
# SQLite takes at most 32,766 values in one statement.
_KEYS_AT_ONCE = 1000


@dataclass(frozen=True)
class StoreInfo:
    """What a store holds.

    Parameters
    ----------
    path : str
        The file.
    n_bytes : int
        Its size.
    raters : tuple of dict
        Per rater and template: who it is, and counts of conversations, rules, answers, unrated
        answers and tokens.
    """

    path: str
    n_bytes: int
    raters: tuple[dict[str, Any], ...]


class Store:
    """Answers keyed by rater, rule, conversation with response, and sample.

    Each answer is written, in a transaction of its own, before anything else happens with it. A
    killed process loses the calls in flight, a power cut perhaps the last answers; neither damages
    the file. Texts are not stored, only their digests and the judges' replies.

    Parameters
    ----------
    path : path-like
        The file; created on first use. ``":memory:"`` keeps nothing.

    Raises
    ------
    DocumentError
        If the file is something else, or of a newer version.

    Examples
    --------
    >>> with Store(":memory:") as store:
    ...     store.info().raters
    ()
    """

    def __init__(self, path: StrPath = MEMORY) -> None:
        self.path = str(path)
        self._open_files = ExitStack()

    @cached_property
    def _database(self) -> sqlite3.Connection:
        """The open file: opened late, so that a run that never starts leaves no file."""
        return open_database(self.path, self._open_files)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._open_files.close()

    def rater_id(self, identity: Identity) -> int:
        """The number of a rater in this file; a new rater gets one."""
        text = json.dumps(identity.rater, sort_keys=True)
        return self._id("rater", short_digest(text), {"identity": text})

    def rule_ids(self, rules: Rulebook, identity: Identity) -> list[int]:
        """The numbers of rules in this file, one for each rule of *rules*.

        By text and scale, and by rulebook or id if that matters; where rules share text and
        scale, all but the first by their ids too.
        """
        book = rules.digest if identity.sees_all_rules else None
        seen: set[tuple[str, Scale]] = set()
        numbers = []
        for rule in rules:
            judged = (rule.text, rule.scale)
            by_id = identity.rules_go_by_ids or judged in seen
            seen.add(judged)
            columns = {
                "text": rule.text,
                "scale": json.dumps(rule.scale.to_dict(), sort_keys=True),
                "rulebook": book,
                "id": rule.id if by_id else None,
            }
            numbers.append(self._id("rule", short_digest(columns), columns))
        return numbers

    def _id(self, kind: str, digest: bytes, columns: dict[str, Any]) -> int:
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        self._write(
            f"INSERT OR IGNORE INTO {kind}s (digest, {names}) VALUES (?, {marks})",
            (digest, *columns.values()),
        )
        return self._count(f"SELECT {kind} FROM {kind}s WHERE digest = ?", (digest,))

    def put(self, key: bytes, rater: int, rule: int, sample: int, answer: Answer) -> bool:
        """Store an answer; False if there is one already, which is kept."""
        probabilities = answer.probabilities
        usage = answer.usage
        done = self._write(
            f"INSERT OR IGNORE INTO answers (conversation, rater, rule, sample, made, {COLUMNS}) "
            f"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(key, rater, rule, sample, time.time()),
                *(answer.value, answer.spread, answer.reason),
                None if probabilities is None else json.dumps(probabilities),
                answer.applies,
                answer.reply.encode("utf-8", "replace").decode(),
                *(usage.n_requests, usage.prompt_tokens),
                *(usage.cached_tokens, usage.completion_tokens, answer.n_cut),
            ),
        )
        return done == 1

    def version_of_others(self) -> int:
        """A number that changes when another process, but not this one, writes to the file."""
        return self._count("PRAGMA data_version")

    def answered(self, keys: Sequence[bytes], rater: int) -> Iterator[tuple[bytes, int, int, bool]]:
        """Conversation, rule, sample, and whether it is rated, of each answer about *keys*."""
        for part in _parts(keys):
            marks = ", ".join("?" * len(part))
            yield from self._rows(
                f"SELECT conversation, rule, sample, reason IS NULL FROM answers "
                f"WHERE conversation IN ({marks}) AND rater = ?",
                (*part, rater),
                kinds=_ANSWERED,
            )

    def answers(
        self, keys: Sequence[bytes], rater: int
    ) -> Iterator[tuple[bytes, int, int, Answer]]:
        """Conversation, rule, sample and answer, of each answer about *keys*, in a fixed order."""
        for part in _parts(keys):
            marks = ", ".join("?" * len(part))
            rows = self._rows(
                f"SELECT conversation, rule, sample, {COLUMNS} FROM answers "
                f"WHERE conversation IN ({marks}) AND rater = ? "
                f"ORDER BY conversation, rule, sample",
                (*part, rater),
                kinds=(bytes, int, int, *_KINDS),
            )
            for key, rule, sample, *columns in rows:
                try:
                    yield key, rule, sample, _answer(columns)
                except (ValueError, TypeError) as error:
                    raise self._damaged(error) from error

    def drop_unrated(self, keys: Sequence[bytes], rater: int) -> int:
        """Forget the answers about *keys* that gave no rating, so that they are asked for again."""
        dropped = 0
        for part in _parts(keys):
            marks = ", ".join("?" * len(part))
            dropped += self._write(
                f"DELETE FROM answers WHERE conversation IN ({marks}) AND rater = ? "
                f"AND reason IS NOT NULL",
                (*part, rater),
            )
        return dropped

    def info(self) -> StoreInfo:
        """What the store holds, rater by rater."""
        rows = self._rows(
            "SELECT raters.identity, count(DISTINCT conversation), count(DISTINCT rule), count(*), "
            "sum(reason IS NOT NULL), sum(n_requests), sum(prompt_tokens), sum(completion_tokens), "
            "min(made), max(made) FROM answers JOIN raters USING (rater) GROUP BY rater "
            "ORDER BY rater",
            kinds=(str, *[int] * 7, float, float),
        )
        names = (
            *("n_conversations", "n_rules", "n_answers", "n_unrated", "n_requests"),
            *("prompt_tokens", "completion_tokens", "first", "last"),
        )
        raters = [
            {"rater": self._rater(row[0]), **dict(zip(names, row[1:], strict=True))} for row in rows
        ]
        if any(not 0 <= entry["first"] <= entry["last"] < _FAR_FUTURE for entry in raters):
            raise self._damaged("an answer made at no time")
        pages = self._count("PRAGMA page_count") * self._count("PRAGMA page_size")
        return StoreInfo(self.path, pages, tuple(raters))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every answer with its rater and rule, as plain data."""
        names = ["conversation", "rater", "rule", "scale", "sample", *COLUMNS.split(", "), "made"]
        rows = self._rows(
            f"SELECT lower(hex(conversation)), raters.identity, rules.text, rules.scale, sample, "
            f"{COLUMNS}, made FROM answers JOIN raters USING (rater) JOIN rules USING (rule) "
            f"ORDER BY answers.rater, answers.rule, conversation, sample",
            kinds=(str, str, str, str, int, *_KINDS, float),
        )
        for row in rows:
            yield dict(zip(names, row, strict=True))

    def gc(
        self,
        *,
        rules: Rulebook | None = None,
        older_than: float | None = None,
        unrated: bool = False,
        dry_run: bool = False,
    ) -> int:
        """Remove answers that no run will need, and free the space.

        Parameters
        ----------
        rules : Rulebook, optional
            Remove answers under every other rule, and to every other question about prompts.
        older_than : float, optional
            Remove answers made more than this many seconds ago.
        unrated : bool
            Remove answers that gave no rating.
        dry_run : bool
            Only count.

        Returns
        -------
        int
            How many answers were removed, or would be.
        """
        chosen: list[str] = []
        values: list[Any] = []
        if rules is not None:
            kept = (*rules, *each_question(rules))
            texts = [(r.text, json.dumps(r.scale.to_dict(), sort_keys=True)) for r in kept]
            marks = ", ".join(["(?, ?)"] * len(texts))
            chosen.append(
                f"rule NOT IN (SELECT rule FROM rules WHERE (text, scale) IN (VALUES {marks}))"
            )
            values += [part for text in texts for part in text]
        if older_than is not None:
            chosen.append("made < ?")
            values.append(time.time() - older_than)
        if unrated:
            chosen.append("reason IS NOT NULL")
        if not chosen:
            return 0
        where = " OR ".join(f"({condition})" for condition in chosen)
        if dry_run:
            return self._count(f"SELECT count(*) FROM answers WHERE {where}", values)
        # Raters and rules stay: a run in progress uses their numbers.
        removed = self._write(f"DELETE FROM answers WHERE {where}", values)
        self._write("VACUUM")
        return removed

    def _rows(
        self, statement: str, values: Iterable[Any] = (), *, kinds: Sequence[Any]
    ) -> Iterator[tuple[Any, ...]]:
        """The rows that a statement finds, their columns known to be of these kinds."""
        seen: set[tuple[type, ...]] = set()
        try:
            for row in self._database.execute(statement, tuple(values)):
                types = tuple(map(type, row))
                if types not in seen:
                    if not all(map(issubclass, types, kinds)):
                        raise self._damaged(f"values of the types {[t.__name__ for t in types]}")
                    seen.add(types)
                yield row
        except sqlite3.Error as error:
            raise self._damaged(error) from error

    def _count(self, statement: str, values: Iterable[Any] = ()) -> int:
        """The whole number that a statement finds."""
        for (number,) in self._rows(statement, values, kinds=(int,)):
            return int(number)
        raise self._damaged("a row cannot be found")

    def _rater(self, identity: str) -> dict[str, Any]:
        try:
            rater = json_value(identity)
        except ValueError as error:
            raise self._damaged(error) from error
        if not isinstance(rater, dict):
            raise self._damaged(f"{identity!r:.60} is no rater")
        return rater

    def _damaged(self, why: object) -> DocumentError:
        return DocumentError(
            f"{self.path}: the store cannot be read ({why}). If it is damaged, `sqlite3 FILE "
            f".recover` may save what it holds; else give another file."
        )

    def _write(self, statement: str, values: Iterable[Any] = ()) -> int:
        """Run a statement that changes rows, and return how many."""
        try:
            return self._database.execute(statement, tuple(values)).rowcount
        except sqlite3.OperationalError as error:
            raise StoppedError(
                f"{self.path}: the store cannot be written ({error}). What was stored is safe; "
                f"free some space or unlock the file, and run again."
            ) from error
        except sqlite3.Error as error:
            raise self._damaged(error) from error


def _parts(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        yield keys[start : start + _KEYS_AT_ONCE]


def _answer(columns: Sequence[Any]) -> Answer:
    value, spread, reason, probabilities, applies, reply, *usage, n_cut = columns
    if not 0 <= applies <= 1 or [value is None, reason is None] == [True, applies > 0]:
        raise ValueError("an answer is neither a rating nor why there is none")
    return Answer(
        value,
        spread,
        None if reason is None else Reason(reason),
        None if probabilities is None else tuple(map(float, json_value(probabilities))),
        applies,
        reply,
        Usage(*usage),
        n_cut,
    )
