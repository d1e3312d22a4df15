"""Ratings as other libraries hold them: every form that is taken, by every verb that takes ratings.

JAX is not among the development's packages: what stands for its arrays has the two protocols that
they have, ``__array__`` and ``__dlpack__``.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import encore
from encore import PreferencePairs, RatingsTable, Rulebook
from encore.arrays import as_floats
from encore.errors import InputError, RatingsError
from encore.ratings import as_pairs, as_ratings
from encore.reporting.gather import gather


def library(name: str) -> Any:
    """A library whose data are taken; it may be absent only in the bare install."""
    if os.environ.get("ENCORE_BARE"):
        return pytest.importorskip(name, reason=f"bare install without {name}")
    return importlib.import_module(name)


datasets, pd, pl, torch = map(library, ("datasets", "pandas", "polars", "torch"))
NAN = float("nan")
RULES = Rulebook.from_ids(["harm", "tone"], [1, 2, 3, 4])
VALUES = np.array([[1, 4], [2, NAN], [4, 1], [3, 3], [2, 2], [4, 4]])
PROMPTS = ["p", "p", "q", "q", "r", "r"]
COLUMNS: dict[str, list[Any]] = {
    "prompt_id": PROMPTS,
    "response_id": list("ababab"),
    "harm": [1, 2, 4, 3, 2, 4],
    "tone": [4, None, 1, 3, 2, 4],
}
PAIRS: dict[str, list[Any]] = {
    "id": ["1", "2", "3"],
    "chosen.harm": [4, 4, 2],
    "chosen.tone": [4, 1, 2],
    "rejected.harm": [2, 3, 1],
    "rejected.tone": [None, 3, 1],
}


class Foreign:
    """An array of a library that hands its numbers over by both protocols, as JAX's does."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.values, dtype)

    def __dlpack__(self, **how: Any) -> Any:
        return self.values.__dlpack__(**how)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.values.__dlpack_device__()


class OnlyDlpack:
    """An array of a library that has the newer protocol alone."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        self.values = values

    def __dlpack__(self, **how: Any) -> Any:
        return self.values.__dlpack__(**how)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.values.__dlpack_device__()


class Elsewhere(Foreign):
    """An array whose numbers are on a device, and are not handed over unasked, as CuPy's."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.\nUse .get().")


def rows_of(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Rows, in which an empty cell is left out."""
    return [
        {name: value for name, value in zip(columns, row, strict=True) if value is not None}
        for row in zip(*columns.values(), strict=True)
    ]


def shuffled(columns: dict[str, list[Any]]) -> Any:
    """A data set whose rows are not in the order in which it stores them."""
    backward = {name: column[::-1] for name, column in columns.items()}
    return datasets.Dataset.from_dict(backward).select(
        range(len(next(iter(columns.values()))) - 1, -1, -1)
    )


Array = np.ndarray[Any, Any]
ARRAYS: dict[str, Callable[[Array], Any]] = {
    "array": lambda values: values,
    "list": lambda values: values.tolist(),
    "tuple of lists": lambda values: tuple(values.tolist()),
    "masked": lambda values: np.ma.array(np.nan_to_num(values, nan=9), mask=np.isnan(values)),
    "masked integers": lambda values: np.ma.array(
        np.nan_to_num(values, nan=9).astype(int), mask=np.isnan(values)
    ),
    "list of masked": lambda values: list(np.ma.masked_invalid(values)),
    "float16": lambda values: values.astype(np.float16),
    "torch": torch.tensor,
    "torch float32": lambda values: torch.tensor(values, dtype=torch.float32),
    "torch bfloat16": lambda values: torch.tensor(values, dtype=torch.bfloat16),
    "torch float16": lambda values: torch.tensor(values, dtype=torch.float16),
    "torch with gradient": lambda values: torch.tensor(values, requires_grad=True) * 1,
    "torch parameter": lambda values: torch.nn.Parameter(torch.tensor(values).bfloat16()),
    "torch view": lambda values: torch.tensor(values.T.copy()).T,
    "torch sparse": lambda values: torch.tensor(values).to_sparse(),
    "list of tensors": lambda values: [torch.tensor(row, requires_grad=True) for row in values],
    "as JAX": Foreign,
    "list as JAX": lambda values: [Foreign(row) for row in values],
    "dlpack": OnlyDlpack,
}
FRAMES: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "columns": dict,
    "rows": rows_of,
    "tuple of rows": lambda columns: tuple(rows_of(columns)),
    "arrow": pa.table,
    "record batch": lambda columns: pa.RecordBatch.from_pydict(columns),
    "pandas": pd.DataFrame,
    "pandas, nullable": lambda columns: pd.DataFrame(columns).convert_dtypes(),
    "polars": pl.DataFrame,
    "polars, lazy": pl.LazyFrame,
    "datasets": datasets.Dataset.from_dict,
    "datasets, selected": shuffled,
    "datasets, torch": lambda columns: datasets.Dataset.from_dict(columns).with_format("torch"),
    "columns of tensors": lambda columns: {
        name: torch.tensor(np.array(column, float)) if "." in name or name in RULES.ids else column
        for name, column in columns.items()
    },
    "columns of masked": lambda columns: {
        name: np.ma.masked_invalid(np.array(column, float)) if name in RULES.ids else column
        for name, column in columns.items()
    },
    "rows of tensors": lambda columns: [
        {k: torch.tensor(v) if isinstance(v, int) else v for k, v in row.items()}
        for row in rows_of(columns)
    ],
    "rows with masks": lambda columns: [
        {
            name: np.ma.masked if value is None else value
            for name, value in zip(columns, row, strict=True)
        }
        for row in zip(*columns.values(), strict=True)
    ],
}
CALIBRATION = encore.calibrate(VALUES, RULES, prompts=PROMPTS)
WEIGHTS = encore.weigh(CALIBRATION, "linear")
TABLE = as_ratings(pa.table(COLUMNS), RULES)
PAIRED = as_pairs(pa.table(PAIRS), RULES)


def counted(calibration: encore.Calibration) -> list[Any]:
    """How often each level was given, and how many prompts there are."""
    return [*calibration.statistics.counts.ravel().tolist(), calibration.n_prompts]


def shown(data: Any) -> Any:
    """What a report is about."""
    return gather(data, RULES, None, np.random.default_rng(0))


OF_ARRAYS: dict[str, Callable[[Any], Any]] = {
    "as_ratings": lambda data: as_ratings(data, RULES).values,
    "RatingsTable": lambda data: RatingsTable(RULES, data).values,
    "calibrate": lambda data: counted(encore.calibrate(data, RULES, prompts=PROMPTS)),
    "compose": lambda data: encore.compose(data, WEIGHTS),
    "score": lambda data: encore.score(data, WEIGHTS),
    "reward": lambda data: encore.Reward(WEIGHTS)(data),
    "from_arrays": lambda data: PreferencePairs.from_arrays(data, data, RULES).ratings.values,
    "report": lambda data: shown(data).responses.values,
    "spread": lambda data: RatingsTable(RULES, VALUES, spread=data).spread,
}


@pytest.mark.parametrize("verb", OF_ARRAYS.values(), ids=OF_ARRAYS.keys())
@pytest.mark.parametrize("form", ARRAYS.values(), ids=ARRAYS.keys())
def test_every_array_is_read_as_numpys_by_every_verb(
    form: Callable[[Array], Any], verb: Callable[[Any], Any]
) -> None:
    np.testing.assert_array_equal(verb(form(VALUES)), verb(VALUES))


def rewards(scored: Any) -> list[Any]:
    """The rewards of any frame, as NaN where unknown."""
    if isinstance(scored, list):
        scored = pa.Table.from_pylist(scored)
    table = scored.data.table if isinstance(scored, datasets.Dataset) else pa.table(scored)
    return [table[name].to_pylist() for name in table.column_names if name.endswith("reward")]


OF_FRAMES: dict[str, Callable[[Any], Any]] = {
    "as_ratings": lambda data: as_ratings(data, RULES).values,
    "prompts": lambda data: as_ratings(data, RULES).prompts.codes,  # type: ignore[union-attr]
    "calibrate": lambda data: counted(encore.calibrate(data, RULES)),
    "compose": lambda data: encore.compose(data, WEIGHTS),
    "score": lambda data: np.array(rewards(encore.score(data, WEIGHTS)), float),
    "report": lambda data: shown(data).responses.values,
}


@pytest.mark.parametrize("verb", OF_FRAMES.values(), ids=OF_FRAMES.keys())
@pytest.mark.parametrize("form", FRAMES.values(), ids=FRAMES.keys())
def test_every_frame_is_read_as_arrows_by_every_verb(
    form: Callable[[dict[str, list[Any]]], Any], verb: Callable[[Any], Any]
) -> None:
    np.testing.assert_array_equal(verb(form(COLUMNS)), verb(pa.table(COLUMNS)))


OF_PAIRS: dict[str, Callable[[Any], Any]] = {
    "as_pairs": lambda data: as_pairs(data, RULES).margins,
    "calibrate": lambda data: counted(encore.calibrate(data, RULES)),
    "evaluate": lambda data: [
        each.value for each in encore.evaluate(data, WEIGHTS).overall.accuracy.values()
    ],
    "compare": lambda data: repr(encore.compare(data, RULES)),
    "weigh": lambda data: encore.weigh(CALIBRATION, "bradley_terry", pairs=data).values,
    "score": lambda data: np.array(rewards(encore.score(data, WEIGHTS)), float),
    "report": lambda data: shown(data).pairs.margins,
}


@pytest.mark.parametrize("verb", OF_PAIRS.values(), ids=OF_PAIRS.keys())
@pytest.mark.parametrize("form", FRAMES.values(), ids=FRAMES.keys())
def test_every_frame_of_pairs_is_read_by_every_verb(
    form: Callable[[dict[str, list[Any]]], Any], verb: Callable[[Any], Any]
) -> None:
    np.testing.assert_array_equal(verb(form(PAIRS)), verb(pa.table(PAIRS)))


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("rows", list),
        ("pandas", pd.DataFrame),
        ("polars", pl.DataFrame),
        ("polars, lazy", pl.DataFrame),
        ("datasets", datasets.Dataset),
        ("arrow", pa.Table),
        ("columns", pa.Table),
    ],
)
def test_rewards_come_in_the_form_of_the_ratings(form: str, kind: type) -> None:
    scored = encore.score(FRAMES[form](COLUMNS), WEIGHTS)
    assert isinstance(scored, kind)
    if isinstance(scored, list):
        assert list(scored[0]) == ["prompt_id", "response_id", "reward"]


def test_every_frame_can_be_scored_into_a_file(tmp_path: Path) -> None:
    for number, form in enumerate(FRAMES.values()):
        out = tmp_path / f"{number}.parquet"
        assert encore.score(form(COLUMNS), WEIGHTS, out).n_rows == 6
        assert pq.read_table(out)["prompt_id"].to_pylist() == PROMPTS


def test_prompts_may_be_a_tensor() -> None:
    table = RatingsTable(RULES, VALUES, torch.tensor([1, 1, 2, 2, 3, 3]))
    assert table == RatingsTable(RULES, VALUES, [1, 1, 2, 2, 3, 3])
    repeats = torch.tensor([0, 1, 0, 1, 0, 1])
    table = RatingsTable(RULES, VALUES, PROMPTS, ["a"] * 6, repeats)
    assert table.repeats is not None
    assert table.repeats.tolist() == [0, 1, 0, 1, 0, 1]


def test_a_masked_cell_is_unrated_and_no_number() -> None:
    table = as_ratings(np.ma.array([[1, 2], [3, 99]], mask=[[False, False], [False, True]]), RULES)
    assert table.unrated.tolist() == [[False, False], [False, True]]


def test_a_row_without_a_rule_is_unrated_under_it_wherever_it_stands() -> None:
    rows: list[dict[str, Any]] = [{"harm": 1}, {"harm": 2, "tone": 3}, {"tone": 4}]
    np.testing.assert_array_equal(as_ratings(rows, RULES).values, [[1, NAN], [2, 3], [NAN, 4]])


STREAM = datasets.Dataset.from_dict(COLUMNS).to_iterable_dataset()
SEVERAL = {"train": datasets.Dataset.from_dict(COLUMNS)}
TAKERS: dict[str, Callable[[Any], Any]] = {
    "as_ratings": lambda data: as_ratings(data, RULES),
    "as_pairs": lambda data: as_pairs(data, RULES),
    "calibrate": lambda data: encore.calibrate(data, RULES),
    "compose": lambda data: encore.compose(data, WEIGHTS),
    "score": lambda data: encore.score(data, WEIGHTS),
    "evaluate": lambda data: encore.evaluate(data, WEIGHTS),
    "compare": lambda data: encore.compare(data, RULES),
    "report": shown,
}


@pytest.mark.parametrize("verb", TAKERS.values(), ids=TAKERS.keys())
def test_a_stream_and_several_data_sets_are_refused_with_what_to_give(
    verb: Callable[[Any], Any],
) -> None:
    with pytest.raises(InputError, match=r"IterableDataset is a stream.*list\(data\)"):
        verb(STREAM)
    for several in (
        datasets.DatasetDict(SEVERAL),
        datasets.IterableDatasetDict({"train": STREAM}),
    ):
        with pytest.raises(InputError, match=r"1 data sets?; give .*data\['train'\]"):
            verb(several)


def test_what_the_refusals_say_to_give_is_taken() -> None:
    wanted = as_ratings(pa.table(COLUMNS), RULES).values
    np.testing.assert_array_equal(as_ratings(list(STREAM), RULES).values, wanted)
    np.testing.assert_array_equal(as_ratings(list(STREAM.take(2)), RULES).values, wanted[:2])
    np.testing.assert_array_equal(
        as_ratings(datasets.DatasetDict(SEVERAL)["train"], RULES).values, wanted
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (torch.empty((2, 2), device="meta"), r"numbers of a torch\.Tensor cannot be read.*meta"),
        (Elsewhere(VALUES), r"Elsewhere cannot be read: Implicit conversion.*allowed\. Give"),
        (torch.tensor([[1 + 2j, 1]]), "of type complex"),
        (torch.tensor([1.0]), r"shape \(1,\); expected \(n_rows, 2\)"),
        ([{"harm": 1, "tone": 2}, [1, 2]], r"ratings, row 2: expected a mapping of columns"),
        ([{"harm": 1, "tone": "a"}, {"harm": 1}], "tone"),
        ([], "shape"),
        (iter([[1, 2]]), "is not a ratings table"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_cannot_be_read_is_refused(data: Any, message: str) -> None:
    with pytest.raises((InputError, RatingsError), match=message):
        as_ratings(data, RULES)


def test_an_array_is_no_pairs_and_the_error_says_what_makes_them() -> None:
    for data in (VALUES, torch.tensor(VALUES), VALUES.tolist()):
        with pytest.raises(InputError, match=r"PreferencePairs\.from_arrays"):
            as_pairs(data, RULES)


def test_weights_and_margins_may_be_tensors_too() -> None:
    assert as_floats(torch.tensor([1.5, 2]).bfloat16(), "weights").tolist() == [1.5, 2]
    both: Any = [torch.tensor(1.0), 2.0]
    assert as_floats(both, "weights").tolist() == [1, 2]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_tensor_on_a_gpu_is_read() -> None:
    tensor = torch.tensor(VALUES, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    np.testing.assert_array_equal(as_ratings(tensor, RULES).values, VALUES)
    np.testing.assert_array_equal(encore.compose(tensor, WEIGHTS), encore.compose(VALUES, WEIGHTS))
