from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from encore.errors import InputError
from encore.heads.training.ridge import ALPHAS, Sums, fit_ridge

Peer = Callable[[str], ModuleType]
Floats = NDArray[np.float64]


def blocks(states: NDArray[np.float32], size: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    for first in range(0, len(states), size):
        yield slice(first, min(first + size, len(states))), states[first : first + size]


def case(
    n: int = 300, n_features: int = 12
) -> tuple[NDArray[np.float32], Floats, NDArray[np.int64]]:
    """States far from zero and of uneven scales; four rules with holes, two of them alike."""
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(n, n_features)) * rng.uniform(0.1, 5, n_features)
    states = (spread + 30 * rng.normal(size=n_features)).astype(np.float32)
    targets = states @ rng.normal(size=(n_features, 4)) * 0.1 + rng.normal(size=(n, 4))
    targets[rng.random((n, 4)) < 0.3] = np.nan
    targets[:, 3] = np.where(np.isnan(targets[:, 2]), np.nan, rng.normal(size=n))
    return states, targets, rng.integers(0, 5, n)


@pytest.mark.parametrize("size", [1, 64, 1000])
def test_heads_are_those_of_sklearn_rule_by_rule(size: int, peer: Peer) -> None:
    ridge = peer("sklearn.linear_model").Ridge
    states, targets, splits = case()
    fit = fit_ridge(blocks(states, size), targets, splits)
    for rule in range(4):
        here = ~np.isnan(targets[:, rule])
        peers = ridge(alpha=fit.alphas[rule]).fit(states[here].astype(float), targets[here, rule])
        np.testing.assert_allclose(fit.weight[rule], peers.coef_, atol=1e-6)
        assert fit.bias[rule] == pytest.approx(peers.intercept_, abs=1e-6)


def test_penalties_are_those_of_the_least_error_on_folds_left_out(peer: Peer) -> None:
    ridge = peer("sklearn.linear_model").Ridge
    states, targets, splits = case()
    fit = fit_ridge(blocks(states, 64), targets, splits)
    x = states.astype(float)
    for rule in range(4):
        here = ~np.isnan(targets[:, rule])
        errors = []
        for alpha in ALPHAS:
            error = 0.0
            for split in range(5):
                seen, unseen = here & (splits != split), here & (splits == split)
                model = ridge(alpha=alpha).fit(x[seen], targets[seen, rule])
                error += float(((model.predict(x[unseen]) - targets[unseen, rule]) ** 2).sum())
            errors.append(error)
        assert fit.alphas[rule] == ALPHAS[int(np.argmin(errors))]


def test_values_left_out_are_those_of_heads_that_never_saw_the_fold(peer: Peer) -> None:
    ridge = peer("sklearn.linear_model").Ridge
    states, targets, splits = case()
    fit = fit_ridge(blocks(states, 64), targets, splits)
    values = fit.left_out(blocks(states, 7), splits)
    x, rule = states.astype(float), 1
    for split in range(5):
        seen = ~np.isnan(targets[:, rule]) & (splits != split)
        model = ridge(alpha=fit.alphas[rule]).fit(x[seen], targets[seen, rule])
        np.testing.assert_allclose(
            values[splits == split, rule], model.predict(x[splits == split]), atol=1e-6
        )


@given(st.integers(0, 2**32 - 1))
def test_sums_add_and_come_apart(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    whole, first, second = (Sums.zero(3, 2) for _ in range(3))
    whole.add(x, y)
    first.add(x[:8], y[:8])
    second.add(x[8:], y[8:])
    for name, part in vars(first + second).items():
        np.testing.assert_allclose(part, vars(whole)[name], atol=1e-12)
    for name, part in vars(whole - second).items():
        np.testing.assert_allclose(part, vars(first)[name], atol=1e-12)


def test_the_error_from_sums_is_the_error_from_rows() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    sums = Sums.zero(3, 2)
    sums.add(x, y)
    weight, bias = rng.normal(size=(2, 3)), rng.normal(size=2)
    wanted = ((y - x @ weight.T - bias) ** 2).sum(axis=0)
    np.testing.assert_allclose(sums.squared_error(weight, bias), wanted)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda targets: targets.__setitem__((slice(None), 1), np.nan),
            "rule 'true' has 0 targets",
        ),
        (
            lambda targets: targets.__setitem__((slice(None), 1), 2.0),
            "targets are 2; there is nothing",
        ),
    ],
)
def test_a_rule_that_teaches_nothing_is_an_error(
    change: Callable[[Floats], Any], says: str
) -> None:
    states, targets, splits = case()
    change(targets)
    with pytest.raises(InputError, match=says):
        fit_ridge(blocks(states, 64), targets, splits, names=("kind", "true", "short", "calm"))


def test_states_that_are_not_finite_are_an_error() -> None:
    states, targets, splits = case()
    states[200, 3] = np.inf
    with pytest.raises(InputError, match="not finite"):
        fit_ridge(blocks(states, 64), targets, splits)


_CAPPED = """
import sys, resource, numpy as np
from pathlib import Path
from encore.heads.training.ridge import fit_ridge
from encore.heads.training.states import States
n, size, path = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
targets = np.load(path.with_name("targets.npy"))
cap = 200_000_000 + resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
resource.setrlimit(resource.RLIMIT_DATA, (cap, cap))
fit = fit_ridge(States(path).blocks(), targets, np.arange(n) % 2)
np.savez(path.with_name("fit.npz"), weight=fit.weight, alphas=fit.alphas)
"""


def test_states_larger_than_the_memory_cap_are_read_once_through(
    tmp_path: Path, peer: Peer
) -> None:
    # 400 MB of states, with 200 MB to work in; a loop over rows in chunks is the second road.
    n, size = 400_000, 256
    rng = np.random.default_rng(0)
    states = np.lib.format.open_memmap(
        tmp_path / "states.npy", mode="w+", dtype="<f4", shape=(n, size)
    )
    truth = rng.normal(size=size)
    targets = np.empty((n, 2))
    gram, cross, mean = np.zeros((size, size)), np.zeros(size), np.zeros(size)
    for first in range(0, n, 20_000):
        part = rng.normal(size=(20_000, size)).astype("<f4")
        states[first : first + 20_000] = part
        targets[first : first + 20_000, 0] = part @ truth + rng.normal(size=20_000)
        gram += part.T.astype(float) @ part
        cross += part.T.astype(float) @ targets[first : first + 20_000, 0]
        mean += part.sum(axis=0, dtype=float) / n
    targets[:, 1] = np.where(np.arange(n) % 3 == 0, np.nan, targets[:, 0])
    states.flush()
    np.save(tmp_path / "targets.npy", targets)
    command = [sys.executable, "-c", _CAPPED, str(n), str(size), str(tmp_path / "states.npy")]
    subprocess.run(command, check=True)
    fit = np.load(tmp_path / "fit.npz")
    centred = gram - n * np.outer(mean, mean) + fit["alphas"][0] * np.eye(size)
    wanted = np.linalg.solve(centred, cross - n * mean * targets[:, 0].mean())
    np.testing.assert_allclose(fit["weight"][0], wanted, atol=1e-6)
    assert (tmp_path / "states.npy").stat().st_size > 2 * 200_000_000
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY  # only the child
