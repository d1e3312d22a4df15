"""Rewards for a whole file, streamed, or for a frame."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from encore.errors import InputError, RatingsError
from encore.files import StrPath, digest, refuse_overwrite
from encore.ratings import PreferencePairs, RatingsTable
from encore.ratings.forms import is_rows, settled
from encore.ratings.ids import ID_COLUMNS
from encore.ratings.origin import SIDES, Origin
from encore.ratings.write import open_table
from encore.rewards.compose import AppliesBy
from encore.rewards.contributions import Contributions
from encore.rewards.files import METADATA
from encore.rewards.forms import Form, form_text
from encore.rewards.reward import Reward, as_reward
from encore.rules.rule import CONTRIBUTION
from encore.weights import Weights

if TYPE_CHECKING:
    import pyarrow as pa

# What tells rows apart travels with the rewards; texts do not.
_ID_COLUMNS = ("id", "prompt_id", "response_id", "subset", "model", "repeat")
_VETOED_BY, _UNKNOWN_BECAUSE = "vetoed_by", "unknown_because"
_MADE = ("reward", _VETOED_BY, _UNKNOWN_BECAUSE)


@dataclass(frozen=True)
class Scored:
    """What :func:`score` wrote.

    Parameters
    ----------
    n_rows : int
        Rows, which are pairs in the pairs layout.
    n_rewards : int
        Rewards: one a row, or two a pair.
    n_unknown : int
        Of these, the unknown ones, which are null in the file.
    unknown_because : mapping of str to int
        How many are unknown for which reason: too much of the weight is unrated, or no rule with
        weight applies.
    vetoed_by : mapping of str to int
        How many rewards each rule vetoes.
    """

    n_rows: int
    n_rewards: int
    n_unknown: int
    unknown_because: Mapping[str, int] = field(default_factory=dict)
    vetoed_by: Mapping[str, int] = field(default_factory=dict)


@overload
def score(
    ratings: Any,
    reward: Reward | Weights | StrPath,
    out: StrPath,
    *,
    keep: Sequence[str] = (),
    form: Form | str | None = None,
    max_missing: float | None = None,
    applies_by: AppliesBy | None = None,
    contributions: bool = False,
    format: str | None = None,
) -> Scored: ...


@overload
def score(
    ratings: Any,
    reward: Reward | Weights | StrPath,
    out: None = None,
    *,
    keep: Sequence[str] = (),
    form: Form | str | None = None,
    max_missing: float | None = None,
    applies_by: AppliesBy | None = None,
    contributions: bool = False,
    format: str | None = None,
) -> Any: ...


def score(
    ratings: Any,
    reward: Reward | Weights | StrPath,
    out: StrPath | None = None,
    *,
    keep: Sequence[str] = (),
    form: Form | str | None = None,
    max_missing: float | None = None,
    applies_by: AppliesBy | None = None,
    contributions: bool = False,
    format: str | None = None,
) -> Any:
    """Give the reward of every response in a file or a frame.

    The result holds the id columns of the ratings plus ``reward``, or ``chosen.reward`` and
    ``rejected.reward`` for pairs. A file that is written to a file is streamed in bounded memory
    (but held in memory where how far rules apply is averaged by prompt), and what is written
    appears whole or not at all.

    Parameters
    ----------
    ratings : path, frame or array
        Ratings in either layout.
    reward : Reward, Weights or path
        What to score with, such as a ``weights.json``.
    out : path-like, optional
        The ``.parquet``, ``.csv`` or ``.jsonl`` file to write.
    keep : sequence of str
        More columns of the ratings to keep, such as ``prompt`` and ``response``.
    form, max_missing, applies_by : optional
        Instead of the reward's own; see :func:`encore.compose`.
    contributions : bool, default False
        Whether to add the columns ``<rule>.contribution`` (empty where a rule has no part),
        ``vetoed_by`` (a list of rules) and ``unknown_because``; with ``chosen.`` and ``rejected.``
        before them for pairs.
    format : {"parquet", "csv", "jsonl"}, optional
        Of a stream; see :func:`encore.ratings.write.table_format`.

    Returns
    -------
    Scored, frame or ndarray
        What was written, with *out*. Otherwise the rewards: a pandas or polars frame or a
        ``Dataset`` for such a one, rows for rows, an array (or, with *contributions*,
        :class:`Contributions`) for an array or a `RatingsTable`, and an Arrow table for all else.

    Raises
    ------
    InputError
        If *out* is *ratings*, or its ending is unknown; or if an array is to be written, which has
        no ids.
    MismatchError
        If the ratings were made with other rules.
    RatingsError
        If there are no rows, a column to keep is absent, or the ratings table's contract is broken;
        nothing is written then.

    Examples
    --------
    >>> import tempfile
    >>> from encore import calibrate, examples, weigh
    >>> weights = weigh(calibrate(examples.ratings_path(), examples.rules()))
    >>> score(examples.ratings_path(), weights, tempfile.mkdtemp() + "/rewards.parquet")
    Scored(n_rows=698, n_rewards=1396, n_unknown=0, unknown_because={}, vetoed_by={})
    >>> score(examples.ratings_path(), weights).column_names
    ['id', 'prompt_id', 'subset', 'repeat', 'chosen.reward', 'rejected.reward']
    """
    reward = as_reward(reward, form=form, max_missing=max_missing, applies_by=applies_by)
    _refuse_made(keep, _MADE if contributions else _MADE[:1])
    settled_ratings = settled(ratings)
    if isinstance(settled_ratings, np.ndarray | list | tuple | RatingsTable | PreferencePairs):
        if out is not None or keep:
            raise InputError(
                f"{type(ratings).__name__} has no columns to write or keep; give a frame or a file."
            )
        return reward.contributions(settled_ratings) if contributions else reward(settled_ratings)
    scoring = _Scoring(reward, keep, contributions)
    if out is not None:
        return _write(ratings, scoring, out, format=format)
    import pyarrow as pa

    scored = list(scoring.batches(ratings))
    if not any(map(len, scored)):
        raise _no_rows(ratings)
    return _like(ratings, pa.concat_tables(scored, promote_options="permissive"))


def _refuse_made(keep: Sequence[str], made: Sequence[str]) -> None:
    """Refuse to keep columns whose names are those of columns made here."""
    names = {f"{side}{name}" for side in ("", *(f"{side}." for side in SIDES)) for name in made}
    endings = (CONTRIBUTION,) if len(made) > 1 else ()
    if twice := [name for name in keep if name in names or name.endswith(endings)]:
        raise InputError(f"the columns {twice} are made here, so they cannot be kept; rename them.")


def _write(ratings: Any, scoring: _Scoring, out: StrPath, *, format: str | None) -> Scored:
    if _is_path(ratings):
        refuse_overwrite(out, ratings)
    n_rows = n_rewards = 0
    reward = scoring.reward
    metadata = {
        **METADATA,
        "encore.weights_digest": digest(reward.weights.to_dict()),
        "encore.form": form_text(reward.form),
    }
    with open_table(out, format=format, metadata=metadata) as write:
        for scored in scoring.batches(ratings):
            write(scored)
            n_rows += len(scored)
            n_rewards += len(scored) * (1 + ("chosen.reward" in scored.column_names))
        if not n_rows:
            raise _no_rows(ratings)
    unknown = dict(scoring.unknown_because)
    return Scored(n_rows, n_rewards, sum(unknown.values()), unknown, dict(scoring.vetoed_by))


def _is_path(ratings: Any) -> bool:
    return isinstance(ratings, str | os.PathLike)


def _no_rows(ratings: Any) -> RatingsError:
    source = str(ratings) if _is_path(ratings) else "ratings"
    return RatingsError("no rows; expected at least one response.", source=source)


def _like(ratings: Any, scored: pa.Table) -> Any:
    """The rewards as a frame of the library that the ratings came from."""
    library = type(ratings).__module__.partition(".")[0]
    if library == "pandas":
        return scored.to_pandas()
    if library == "polars":
        import polars

        return polars.from_arrow(scored)
    if library == "datasets":
        import datasets

        return datasets.Dataset(scored)
    return scored.to_pylist() if is_rows(ratings) else scored


class _Scoring:
    """Rewards batch by batch, and what has been met so far."""

    def __init__(self, reward: Reward, keep: Sequence[str], contributions: bool) -> None:
        self.reward = reward
        self.unknown_because: Counter[str] = Counter()
        self.vetoed_by: Counter[str] = Counter()
        self._keep = keep
        self._contributions = contributions

    def batches(self, ratings: Any) -> Iterator[pa.Table]:
        """The ids of each batch with its rewards."""
        from encore.ratings.arrow import to_arrow
        from encore.ratings.files import arrow_batches

        rules, n_rows = self.reward.weights.rules, 0
        source = str(ratings) if _is_path(ratings) else "ratings"
        if _is_path(ratings):
            also, keep = ("subset", "model"), tuple(self._keep)
            batches = self._whole(arrow_batches(ratings, rules, also=also, keep=keep), source)
        else:
            batches = iter([to_arrow(ratings, "ratings")])
        for batch in batches:
            if absent := [name for name in self._keep if name not in batch.column_names]:
                raise RatingsError(f"no column {absent} to keep.", source=source)
            yield self._score(batch, Origin(source, n_rows + 1))
            n_rows += len(batch)

    def _whole(self, batches: Iterator[pa.Table], source: str) -> Iterator[pa.Table]:
        """The batches; all as one where a prompt's responses, wherever they are, are averaged."""
        from encore.ratings.files import joined

        first = next(batches, None)
        if first is None:
            return
        applies = any(name.endswith(".applies") for name in first.column_names)
        if applies and self.reward.applies_by == "prompt":
            yield joined([first, *batches], source)
            return
        yield first
        yield from batches

    def _score(self, batch: pa.Table, origin: Origin) -> pa.Table:
        import pyarrow as pa

        from encore.ratings.arrow import is_pairs, ratings_of, to_responses

        rules, paired = self.reward.weights.rules, is_pairs(batch.column_names)
        responses = to_responses(batch, rules, origin.source, origin.first_row)
        found = self.reward.composed(ratings_of(responses, rules, replace(origin, paired=paired)))
        reasons = [reason or None for reason in found.reasons.tolist()]
        self.unknown_because.update(reason for reason in reasons if reason)
        vetoed = zip(rules.ids, found.vetoed.sum(axis=0).tolist(), strict=True)
        self.vetoed_by.update({name: n for name, n in vetoed if n})
        # Unknown is null in the file: NaN would compare and average as if it were a number.
        columns = {"reward": pa.array(found.rewards, from_pandas=True)}
        if self._contributions:
            columns |= _contributed(found.contributions(), reasons)
        ids = _ids(batch, self._keep, origin)
        sides = [f"{side}." for side in SIDES] if paired else [""]
        for name, column in columns.items():
            for position, side in enumerate(sides):
                ids = ids.append_column(f"{side}{name}", column[position :: len(sides)])
        return ids


def _contributed(found: Contributions, reasons: list[str | None]) -> dict[str, pa.Array]:
    import pyarrow as pa

    absent = found.unrated | found.not_applicable
    parts = np.where(absent, np.nan, found.contributions)
    vetoed_by = [list(rules) or None for rules in found.vetoed_by]
    return {
        **{
            f"{rule_id}{CONTRIBUTION}": pa.array(part, from_pandas=True)
            for rule_id, part in zip(found.rules, parts.T, strict=True)
        },
        _VETOED_BY: pa.array(vetoed_by, pa.list_(pa.string())),
        _UNKNOWN_BECAUSE: pa.array(reasons, pa.string()),
    }


def _ids(batch: pa.Table, keep: Sequence[str], origin: Origin) -> pa.Table:
    """What tells rows apart, and the columns to keep."""
    import pyarrow as pa

    from encore.ratings.columns import texts_of_ids

    kept = dict.fromkeys([*_ID_COLUMNS, *keep])
    ids = batch.select([name for name in kept if name in batch.column_names])
    for name in {*ID_COLUMNS} & {*ids.column_names}:
        if not pa.types.is_integer(ids[name].type):  # 7.0 would be read as another id than 7
            read = texts_of_ids(ids[name], name, origin)
            ids = ids.set_column(ids.column_names.index(name), name, read)
    return ids
