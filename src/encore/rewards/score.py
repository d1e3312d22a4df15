"""Rewards for a whole file, streamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from encore.errors import InputError, RatingsError
from encore.files import StrPath, digest, refuse_overwrite
from encore.ratings.origin import SIDES, Origin
from encore.ratings.write import open_table
from encore.rewards.files import METADATA
from encore.rewards.reward import Reward

if TYPE_CHECKING:
    import pyarrow as pa

# What tells rows apart travels with the rewards; texts do not.
_ID_COLUMNS = ("id", "prompt_id", "response_id", "subset", "model", "repeat")
_REWARDS = ("reward", *(f"{side}.reward" for side in SIDES))


@dataclass(frozen=True)
class Scored:
    """What :func:`score_file` wrote.

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


def score_file(
    ratings: StrPath,
    reward: Reward,
    out: StrPath,
    *,
    keep: Sequence[str] = (),
    format: str | None = None,
) -> Scored:
    """Write the reward of every response of a ratings file, in bounded memory, atomically.

    The result holds the id columns of the input plus ``reward``, or ``chosen.reward`` and
    ``rejected.reward`` for pairs.

    Parameters
    ----------
    ratings : path-like
        A ratings file of either layout.
    reward : Reward
        What to score with.
    out : path-like
        The ``.parquet``, ``.csv`` or ``.jsonl`` file to write.
    keep : sequence of str
        More columns of the input to keep, such as ``prompt`` and ``response``.
    format : {"parquet", "csv", "jsonl"}, optional
        Of a stream; see :func:`encore.ratings.write.table_format`.

    Raises
    ------
    InputError
        If *out* is *ratings*, or its ending is unknown.
    MismatchError
        If the ratings were made with other rules.
    RatingsError
        If the file has no rows, lacks a column to keep, or breaks the ratings table's contract;
        nothing is written then.

    Examples
    --------
    >>> import tempfile
    >>> from encore import examples, weights, calibrate
    >>> calibration = calibrate(examples.ratings_path(), examples.rules())
    >>> out = tempfile.mkdtemp() + "/rewards.parquet"
    >>> score_file(examples.ratings_path(), Reward(weights.Linear()(calibration)), out)
    Scored(n_rows=698, n_rewards=1396, n_unknown=0)
    """
    from encore.ratings.files import arrow_batches

    refuse_overwrite(out, ratings)
    if made := [name for name in keep if name in _REWARDS]:
        raise InputError(f"the columns {made} are made here, so they cannot be kept; rename them.")
    rules, also = reward.weights.rules, ("subset", "model")
    n_rows = n_rewards = n_unknown = 0
    metadata = {**METADATA, "encore.weights_digest": digest(reward.weights.to_dict())}
    with open_table(out, format=format, metadata=metadata) as write:
        for batch in arrow_batches(ratings, rules, also=also, keep=tuple(keep)):
            scored, unknown = _score(batch, reward, Origin(str(ratings), n_rows + 1), keep)
            write(scored)
            n_rows, n_unknown = n_rows + len(scored), n_unknown + unknown
            n_rewards += len(scored) * (1 + ("chosen.reward" in scored.column_names))
        if not n_rows:
            raise RatingsError("no rows; expected at least one response.", source=str(ratings))
    return Scored(n_rows, n_rewards, n_unknown)


def _score(
    batch: pa.Table, reward: Reward, origin: Origin, keep: Sequence[str]
) -> tuple[pa.Table, int]:
    """A batch's ids with rewards, and how many rewards are unknown."""
    import pyarrow as pa

    from encore.ratings.arrow import is_pairs, ratings_of, to_responses

    rules, paired = reward.weights.rules, is_pairs(batch.column_names)
    responses = to_responses(batch, rules, origin.source, origin.first_row)
    rewards = reward(ratings_of(responses, rules, replace(origin, paired=paired)))
    names = [f"{side}.reward" for side in SIDES] if paired else ["reward"]
    columns = rewards.reshape(-1, len(names))
    kept = dict.fromkeys([*_ID_COLUMNS, *keep])
    ids = batch.select([name for name in kept if name in batch.column_names])
    for position, name in enumerate(names):
        # Unknown is null in the file: NaN would compare and average as if it were a number.
        ids = ids.append_column(name, pa.array(columns[:, position], from_pandas=True))
    return ids, int(np.isnan(rewards).sum())
