"""Multi-output ridge regression from sums, in one pass over any number of states."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.errors import InputError
from encore.heads.files.safetensors import Array

ALPHAS = tuple(float(alpha) for alpha in np.logspace(-4, 4, 17))
_Block = tuple[slice, Array]
_Floats = NDArray[np.float64]


@dataclass
class Sums:
    """What ridge regression needs from some rows; two of them can be added or subtracted.

    Parameters
    ----------
    n : float
        Rows.
    x, y : ndarray, shape (n_features,), (n_outputs,)
        Sums of features and of targets.
    xx, xy, yy : ndarray
        Sums of products, shapes (n_features, n_features), (n_features, n_outputs), (n_outputs,).
    """

    n: float
    x: _Floats
    y: _Floats
    xx: _Floats
    xy: _Floats
    yy: _Floats

    @classmethod
    def zero(cls, n_features: int, n_outputs: int) -> Sums:
        """The sums over no rows."""
        shapes = [(n_features,), (n_outputs,), (n_features, n_features)]
        shapes += [(n_features, n_outputs), (n_outputs,)]
        return cls(0.0, *(np.zeros(shape) for shape in shapes))

    def add(self, x: _Floats, y: _Floats) -> None:
        """Add rows of features and targets."""
        self.n += len(x)
        self.x += x.sum(axis=0)
        self.y += y.sum(axis=0)
        self.xx += x.T @ x
        self.xy += x.T @ y
        self.yy += (y**2).sum(axis=0)

    def __sub__(self, other: Sums) -> Sums:
        mine, theirs = vars(self), vars(other)
        return Sums(**{name: mine[name] - theirs[name] for name in mine})

    def __add__(self, other: Sums) -> Sums:
        mine, theirs = vars(self), vars(other)
        return Sums(**{name: mine[name] + theirs[name] for name in mine})

    def solve(self, alpha: float) -> tuple[_Floats, _Floats]:
        r"""Weights and intercepts: :math:`\min \sum (y - wx - b)^2 + \alpha \lVert w\rVert^2`."""
        mean_x, mean_y = self.x / self.n, self.y / self.n
        gram = self.xx - self.n * np.outer(mean_x, mean_x)
        gram.flat[:: len(gram) + 1] += alpha
        weight = np.linalg.solve(gram, self.xy - self.n * np.outer(mean_x, mean_y)).T
        return np.asarray(weight), np.asarray(mean_y - weight @ mean_x)

    def squared_error(self, weight: _Floats, bias: _Floats) -> _Floats:
        """Σ (y - wx - b)² of each output over these rows."""
        quadratic = ((weight @ self.xx) * weight).sum(axis=1)
        cross = (weight * self.xy.T).sum(axis=1)
        linear = bias * (self.n * bias - 2 * self.y + 2 * (weight @ self.x))
        return np.asarray(self.yy + quadratic - 2 * cross + linear)


@dataclass(eq=False, repr=False)
class RidgeFit:
    """Heads fitted by ridge regression.

    Parameters
    ----------
    weight, bias : ndarray, shape (n_rules, n_features), (n_rules,)
        From all rows.
    alphas : ndarray, shape (n_rules,)
        The penalty of each rule: of those tried, the one with the least error on held-out splits.
    split_weight, split_bias : ndarray, shape (n_splits, n_rules, n_features), (n_splits, n_rules)
        From all rows except those of each split.
    """

    weight: _Floats
    bias: _Floats
    alphas: _Floats
    split_weight: _Floats
    split_bias: _Floats

    def left_out(self, blocks: Iterable[_Block], splits: NDArray[np.int64]) -> _Floats:
        """The value of each row by heads that never saw its split, shape (n_rows, n_rules)."""
        values = np.empty((len(splits), len(self.bias)))
        for rows, states in blocks:
            for split in np.unique(splits[rows]):
                here = splits[rows] == split
                part = states[here] @ self.split_weight[split].T + self.split_bias[split]
                values[np.flatnonzero(here) + rows.start] = part
        return values


def fit_ridge(
    blocks: Iterable[_Block],
    targets: _Floats,
    splits: NDArray[np.int64],
    *,
    alphas: Iterable[float] = ALPHAS,
    names: Sequence[str] | None = None,
) -> RidgeFit:
    """Fit a head per rule in one pass over the states.

    Sums are kept per split and per set of rows that the targets of some rules share; each
    takes 8 · hidden_size² bytes.

    Parameters
    ----------
    blocks : iterable of (slice, ndarray of float32)
        Rows and their states; read once.
    targets : ndarray, shape (n_rows, n_rules)
        NaN where there is none: that rule skips the row, the others do not.
    splits : ndarray of int, shape (n_rows,)
        Which split each row belongs to, from 0.
    alphas : iterable of float
        Penalties to choose from.
    names : sequence of str, optional
        What the rules are called, for errors.

    Raises
    ------
    InputError
        If a rule has targets in one split only, or all its targets are the same.
    """
    check_targets(targets, splits, names or range(1, targets.shape[1] + 1))
    given = ~np.isnan(targets)
    n_splits, n_rules = int(splits.max()) + 1, targets.shape[1]
    masks, group = np.unique(given, axis=1, return_inverse=True)
    members = [np.flatnonzero(group == number) for number in range(masks.shape[1])]
    sums, shift = _collect(blocks, targets, splits, members)
    n_features = len(shift)
    fit = RidgeFit(
        np.empty((n_rules, n_features)),
        np.empty(n_rules),
        np.empty(n_rules),
        np.empty((n_splits, n_rules, n_features)),
        np.empty((n_splits, n_rules)),
    )
    for parts, rules in zip(sums, members, strict=True):
        _fit_group(fit, parts, rules, list(alphas))
    # The sums are of states minus a fixed vector, which keeps precision.
    fit.bias[:] -= fit.weight @ shift
    fit.split_bias[:] -= fit.split_weight @ shift
    return fit


def _collect(
    blocks: Iterable[_Block],
    targets: _Floats,
    splits: NDArray[np.int64],
    members: list[NDArray[np.int64]],
) -> tuple[list[list[Sums]], _Floats]:
    """Sums per group of rules and split, of states minus their first block's mean."""
    n_splits = int(splits.max()) + 1
    sums: list[list[Sums]] = []
    shift: _Floats = np.empty(0)
    for rows, states in blocks:
        x = states.astype(np.float64)
        if not np.isfinite(x).all():
            raise InputError("a state is not finite; train in float32 (--dtype float32).")
        if not sums:
            shift = x.mean(axis=0)
            sums = [[Sums.zero(len(shift), len(m)) for _ in range(n_splits)] for m in members]
        x -= shift
        for parts, rules in zip(sums, members, strict=True):
            y = targets[rows][:, rules]
            known = ~np.isnan(y[:, 0])
            for split in np.unique(splits[rows][known]):
                here = known & (splits[rows] == split)
                parts[split].add(x[here], y[here])
    return sums, shift


def _fit_group(
    fit: RidgeFit, parts: list[Sums], rules: NDArray[np.int64], alphas: list[float]
) -> None:
    total = Sums.zero(len(parts[0].x), len(rules))
    for part in parts:
        total = total + part
    used = [split for split, part in enumerate(parts) if part.n]
    errors = np.zeros((len(alphas), len(rules)))
    for split in used:
        others = total - parts[split]
        for row, alpha in enumerate(alphas):
            errors[row] += parts[split].squared_error(*others.solve(alpha))
    best = np.array(alphas)[errors.argmin(axis=0)]
    fit.alphas[rules] = best
    for alpha in np.unique(best):
        here = best == alpha
        weight, bias = total.solve(alpha)
        fit.weight[rules[here]], fit.bias[rules[here]] = weight[here], bias[here]
        for split, part in enumerate(parts):
            weight, bias = (total - part).solve(alpha)
            fit.split_weight[split, rules[here]] = weight[here]
            fit.split_bias[split, rules[here]] = bias[here]


def check_targets(targets: _Floats, splits: NDArray[Any], names: Iterable[object]) -> None:
    """Refuse a rule that has nothing to learn from, or nothing to validate on.

    Raises
    ------
    InputError
        If a rule has targets in one split only, or all its targets are the same.
    """
    given = ~np.isnan(targets)
    for rule, name in enumerate(names):
        here = targets[given[:, rule], rule]
        if len(here) < 2 or len(np.unique(splits[given[:, rule]])) < 2:
            raise InputError(
                f"rule {name!r} has {len(here)} targets, all of one prompt or in one split; "
                f"give more, or leave the rule out."
            )
        if (here == here[0]).all():
            raise InputError(
                f"rule {name!r}: all its {len(here)} targets are {here[0]:g}; there is "
                f"nothing to learn. Leave the rule out."
            )
