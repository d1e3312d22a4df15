"""Rewards for a whole file, streamed, or for a frame."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from encore.errors import InputError, RatingsError
from encore.files import StrPath, digest, refuse_overwrite
from encore.ratings import PreferencePairs, RatingsTable
from encore.ratings.forms import is_rows, settled
from encore.ratings.ids import ID_COLUMNS
from encore.ratings.origin import SIDES, Origin
from encore.ratings.write import open_table
from encore.rewards.files import METADATA
from encore.rewards.reward import Reward, as_reward
from encore.weights import Weights

if TYPE_CHECKING:
    import pyarrow as pa

# What tells rows apart travels with the rewards; texts do not.
_ID_COLUMNS = ("id", "prompt_id", "response_id", "subset", "model", "repeat")
_REWARDS = ("reward", *(f"{side}.reward" for side in SIDES))


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
        Of these, the unknown ones: too much of the weight was unrated. They are null in the file.
    """

    n_rows: int
    n_rewards: int
    n_unknown: int


@overload
def score(
    ratings: Any,
    reward: Reward | Weights | StrPath,
    out: StrPath,
    *,
    keep: Sequence[str] = (),
    max_missing: float | None = None,
    format: str | None = None,
) -> Scored: ...


@overload
def score(
    ratings: Any,
    reward: Reward | Weights | StrPath,
    out: None = None,
    *,
    keep: Sequence[str] = (),
    max_missing: float | None = None,
    format: str | None = None,
) -> Any: ...


def score(
    ratings: Any,
    reward: Reward | Weights | StrPath,
    out: StrPath | None = None,
    *,
    keep: Sequence[str] = (),
    max_missing: float | None = None,
    format: str | None = None,
) -> Any:
    """Give the reward of every response in a file or a frame.

    The result holds the id columns of the ratings plus ``reward``, or ``chosen.reward`` and
    ``rejected.reward`` for pairs. A file that is written to a file is streamed in bounded memory,
    and what is written appears whole or not at all.

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
    max_missing : float, optional
        Instead of the reward's own; see :func:`encore.compose`.
    format : {"parquet", "csv", "jsonl"}, optional
        Of a stream; see :func:`encore.ratings.write.table_format`.

    Returns
    -------
    Scored, frame or ndarray
        What was written, with *out*. Otherwise the rewards: a pandas or polars frame or a
        ``Dataset`` for such a one, rows for rows, an array for an array or a `RatingsTable`, and
        an Arrow table for all else.

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
    Scored(n_rows=698, n_rewards=1396, n_unknown=0)
    >>> score(examples.ratings_path(), weights).column_names
    ['id', 'prompt_id', 'subset', 'repeat', 'chosen.reward', 'rejected.reward']
    """
    reward = as_reward(reward)
    if max_missing is not None:
        reward = replace(reward, max_missing=max_missing)
    if made := [name for name in keep if name in _REWARDS]:
        raise InputError(f"the columns {made} are made here, so they cannot be kept; rename them.")
    settled_ratings = settled(ratings)
    if isinstance(settled_ratings, np.ndarray | list | tuple | RatingsTable | PreferencePairs):
        if out is not None or keep:
            raise InputError(
                f"{type(ratings).__name__} has no columns to write or keep; give a frame or a file."
            )
        return reward(settled_ratings)
    if out is not None:
        return _write(ratings, reward, out, keep=keep, format=format)
    import pyarrow as pa

    scored = [table for table, _ in _batches(ratings, reward, keep)]
    if not any(map(len, scored)):
        raise _no_rows(ratings)
    return _like(ratings, pa.concat_tables(scored, promote_options="permissive"))


def _write(
    ratings: Any, reward: Reward, out: StrPath, *, keep: Sequence[str], format: str | None
) -> Scored:
    if _is_path(ratings):
        refuse_overwrite(out, ratings)
    n_rows = n_rewards = n_unknown = 0
    metadata = {**METADATA, "encore.weights_digest": digest(reward.weights.to_dict())}
    with open_table(out, format=format, metadata=metadata) as write:
        for scored, unknown in _batches(ratings, reward, keep):
            write(scored)
            n_rows, n_unknown = n_rows + len(scored), n_unknown + unknown
            n_rewards += len(scored) * (1 + ("chosen.reward" in scored.column_names))
        if not n_rows:
            raise _no_rows(ratings)
    return Scored(n_rows, n_rewards, n_unknown)


def _batches(ratings: Any, reward: Reward, keep: Sequence[str]) -> Iterable[tuple[pa.Table, int]]:
    """The ids of each batch with rewards, and how many rewards are unknown."""
    from encore.ratings.arrow import to_arrow
    from encore.ratings.files import arrow_batches

    rules, n_rows = reward.weights.rules, 0
    if _is_path(ratings):
        source = str(ratings)
        batches = arrow_batches(ratings, rules, also=("subset", "model"), keep=tuple(keep))
    else:
        source, batches = "ratings", iter([to_arrow(ratings, "ratings")])
    for batch in batches:
        if absent := [name for name in keep if name not in batch.column_names]:
            raise RatingsError(f"no column {absent} to keep.", source=source)
        yield _score(batch, reward, Origin(source, n_rows + 1), keep)
        n_rows += len(batch)


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


def _score(
    batch: pa.Table, reward: Reward, origin: Origin, keep: Sequence[str]
) -> tuple[pa.Table, int]:
    """A batch's ids with rewards, and how many rewards are unknown."""
    import pyarrow as pa

    from encore.ratings.arrow import is_pairs, ratings_of, to_responses
    from encore.ratings.columns import texts_of_ids

    rules, paired = reward.weights.rules, is_pairs(batch.column_names)
    responses = to_responses(batch, rules, origin.source, origin.first_row)
    rewards = reward(ratings_of(responses, rules, replace(origin, paired=paired)))
    names = [f"{side}.reward" for side in SIDES] if paired else ["reward"]
    columns = rewards.reshape(-1, len(names))
    kept = dict.fromkeys([*_ID_COLUMNS, *keep])
    ids = batch.select([name for name in kept if name in batch.column_names])
    for name in {*ID_COLUMNS} & {*ids.column_names}:
        if not pa.types.is_integer(ids[name].type):  # 7.0 would be read as another id than 7
            read = texts_of_ids(ids[name], name, origin)
            ids = ids.set_column(ids.column_names.index(name), name, read)
    for position, name in enumerate(names):
        # Unknown is null in the file: NaN would compare and average as if it were a number.
        ids = ids.append_column(name, pa.array(columns[:, position], from_pandas=True))
    return ids, int(np.isnan(rewards).sum())
