"""Which prompts a calibration holds: their hashes, and a sample of them that merges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.calibration.fields import whole_number, whole_numbers

_STEP = 0x9E3779B97F4A7C15
_NOT_TEXT = 1 << 63
_BLOCK_BYTES = 1 << 20


def prompt_hashes(names: Sequence[Any]) -> NDArray[np.uint64]:
    """A 64-bit hash of each prompt, the same on every machine; 1 and "1" have different ones.

    Of a text, the hash is that of its UTF-8 bytes, cut into words of 64 bits (little-endian, the
    last one filled up with zeros). With ``mix`` the finaliser of SplitMix64 [1]_, modulo 2^64:

    ``mix(n_bytes + mix(word_1 + step) + mix(word_2 + 2 * step) + …)``, ``step`` 0x9e3779b97f4a7c15.

    Of anything else it is that of its ``repr``, with 2^63 added to ``n_bytes``.

    References
    ----------
    .. [1] Steele, Lea and Flood (2014), Fast Splittable Pseudorandom Number Generators, OOPSLA.

    Examples
    --------
    >>> [f"{value:016x}" for value in prompt_hashes(["1", 1, "a longer one"]).tolist()]
    ['3148715f5c36d393', '8c1f5a4902d7a0fd', '92c2f31389549a10']
    """
    kinds = np.zeros(len(names), dtype=np.uint64)
    try:
        parts = list(map(str.encode, names))
    except (TypeError, UnicodeEncodeError):
        parts = [
            (name if isinstance(name, str) else repr(name)).encode("utf-8", "surrogatepass")
            for name in names
        ]
        kinds[[not isinstance(name, str) for name in names]] = _NOT_TEXT
    sizes = np.fromiter(map(len, parts), np.int64, len(parts))
    starts = np.flatnonzero(np.diff(np.cumsum(sizes) // _BLOCK_BYTES, prepend=-1)).tolist()
    total = np.empty(len(parts), dtype=np.uint64)
    for start, end in zip(starts, [*starts[1:], len(parts)], strict=False):
        total[start:end] = _sum_of_words(parts[start:end], sizes[start:end])
    return _mix(total + sizes.astype(np.uint64) + kinds)


def _sum_of_words(parts: list[bytes], sizes: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The sum over each text's words, every one mixed with its place."""
    data = b"".join([*parts, bytes(8)])
    at_any_byte: NDArray[np.uint64] = np.ndarray(len(data) - 7, "<u8", data, strides=(1,))
    n_words = -(-sizes // 8)
    first = np.cumsum(n_words) - n_words
    offsets = 8 * (np.arange(int(n_words.sum())) - np.repeat(first, n_words))
    words = at_any_byte[np.repeat(np.cumsum(sizes) - sizes, n_words) + offsets]
    n_beyond = 8 - np.minimum(np.repeat(sizes, n_words) - offsets, 8)
    words &= np.uint64(2**64 - 1) >> (8 * n_beyond).astype(np.uint64)
    mixed = _mix(words + (offsets // 8 + 1).astype(np.uint64) * np.uint64(_STEP))
    total = np.zeros(len(sizes), dtype=np.uint64)
    total[n_words > 0] = np.add.reduceat(mixed, first[n_words > 0])
    return total


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@dataclass(frozen=True, eq=False, repr=False)
class PromptSample(Record):
    """The prompts with the smallest hashes, and how many runs of rows each has.

    A prompt with more than one run was split: across files that were calibrated separately, or by
    rows out of order. Its margins across runs are lost. The sample holds every prompt until there
    are more than ``SIZE``; then it is a uniform sample of the prompts, however the data
    was divided, so two samples merge into the sample of the union.

    Parameters
    ----------
    hashes : ndarray of uint64, shape (n_sampled,)
        Ascending.
    runs : ndarray of int64, shape (n_sampled,)
        Runs of contiguous rows per sampled prompt.
    n_runs : int
        Runs of all prompts.
    """

    SIZE = 512

    hashes: NDArray[np.uint64]
    runs: NDArray[np.int64]
    n_runs: int

    @classmethod
    def of(cls, hashes: NDArray[np.uint64]) -> PromptSample:
        """The sample of one hash per run."""
        distinct, runs = np.unique(hashes, return_counts=True)
        return cls(distinct[: cls.SIZE], runs[: cls.SIZE].astype(np.int64), len(hashes))

    def __add__(self, other: PromptSample) -> PromptSample:
        hashes, inverse = np.unique(
            np.concatenate([self.hashes, other.hashes]), return_inverse=True
        )
        runs = np.zeros(len(hashes), dtype=np.int64)
        np.add.at(runs, inverse, np.concatenate([self.runs, other.runs]))
        return PromptSample(hashes[: self.SIZE], runs[: self.SIZE], self.n_runs + other.n_runs)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PromptSample:
        """Read the sample of a document; raises ValueError if it is malformed."""
        hashes = np.array([int(value, 16) for value in data["hashes"]], dtype=np.uint64)
        runs = whole_numbers(data["runs"], "runs").astype(np.int64)
        found = cls(hashes, runs, whole_number(data["n_runs"], "n_runs"))
        if (
            runs.shape != hashes.shape
            or len(hashes) > cls.SIZE
            or (hashes[1:] <= hashes[:-1]).any()
        ):
            raise ValueError(
                f"prompts must be at most {cls.SIZE} ascending hashes, each with its runs"
            )
        if (runs < 1).any() or int(runs.sum()) > found.n_runs:
            raise ValueError(f"runs must be 1 or more per prompt, {found.n_runs} at most in all")
        return found

    @property
    def is_complete(self) -> bool:
        """Whether the sample holds every prompt, so that its counts are exact."""
        return int(self.runs.sum()) == self.n_runs

    @property
    def n_prompts(self) -> int:
        """Distinct prompts; estimated once there are more than the sample holds."""
        runs = int(self.runs.sum())
        return round(self.n_runs * len(self.runs) / runs) if runs else 0

    @property
    def n_split(self) -> int:
        """Prompts with more than one run; estimated in the same way."""
        if not len(self.runs):
            return 0
        return round(self.n_prompts * float((self.runs > 1).mean()))
