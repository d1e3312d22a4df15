"""Frozen records that hold arrays: read-only, and compared by value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property, wraps
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.errors import InputError

Array = TypeVar("Array", bound=NDArray[Any])
_MOST_SHOWN = 60  # characters of a field in a repr
# Types of numbers that NumPy does not have by itself.
_SHORT_FLOATS = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
# Of these, frames and columns are read by Arrow, which knows what is empty in them.
_FRAMES = ("pandas", "polars", "pyarrow")


def read_only(array: Array) -> Array:
    """A view of an array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def as_floats(values: ArrayLike, what: str, otherwise: str = "unknown") -> NDArray[np.float64]:
    """Numbers as float64, with NaN where an array is masked.

    Arrays of torch, JAX and other libraries are taken too, and lists of them.

    Raises
    ------
    InputError
        If they are not all numbers: complex ones, dates, text and None are not.

    Examples
    --------
    >>> as_floats(np.ma.array([1, 2], mask=[False, True]), "weights").tolist()
    [1.0, nan]
    """
    values = as_numpy(values)
    if isinstance(values, list | tuple) and any(map(_is_foreign, {type(v) for v in values})):
        values = [as_numpy(value) for value in values]
    try:
        array = np.ma.array(values) if _has_mask(values) else np.asarray(values)
    except (ValueError, TypeError) as error:  # rows of unequal length
        raise InputError(f"{what} are not a table of numbers: {error}.") from error
    if array.dtype.name in _SHORT_FLOATS:
        array = array.astype(np.float32)
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"{what} are of type {array.dtype}; expected numbers, with NaN where {otherwise}."
        )
    with np.errstate(over="ignore"):  # a long double may be infinite as a double
        numbers = array.astype(np.float64, copy=False)
    if isinstance(numbers, np.ma.MaskedArray):
        return np.asarray(numbers.filled(np.nan))
    return np.asarray(numbers)


def is_array(values: Any) -> bool:
    """Whether this is an array, of NumPy or of another library, and no frame."""
    return isinstance(values, np.ndarray) or _is_foreign(type(values))


def as_numpy(values: Any) -> Any:
    """An array of another library as NumPy's; anything else as it is.

    A tensor of torch comes without its gradient, from any device, and bfloat16 as float32.

    Raises
    ------
    InputError
        If the other library does not hand the numbers over.
    """
    if not _is_foreign(type(values)):
        return values
    try:
        if _is_tensor(type(values)):
            if str(values.dtype).removeprefix("torch.") in _SHORT_FLOATS:
                values = values.float()
            if str(values.layout) != "torch.strided":
                values = values.to_dense()
            return values.numpy(force=True)
        return np.asarray(values) if hasattr(values, "__array__") else np.from_dlpack(values)
    except (TypeError, ValueError, RuntimeError, BufferError, NotImplementedError) as error:
        kind, reason = type(values), str(error).partition("\n")[0].rstrip(".")
        raise InputError(
            f"the numbers of a {kind.__module__}.{kind.__qualname__} cannot be read: {reason}. "
            f"Give it as a NumPy array."
        ) from error


def _is_tensor(kind: type) -> bool:
    return any(c.__name__ == "Tensor" and c.__module__ == "torch" for c in kind.__mro__)


def _is_foreign(kind: type) -> bool:
    """Whether objects of a type are arrays, but not NumPy's; frames and NumPy's numbers are not."""
    if issubclass(kind, np.ndarray | np.generic) or hasattr(kind, "__arrow_c_stream__"):
        return False
    if kind.__module__.partition(".")[0] in _FRAMES:
        return False
    return hasattr(kind, "__dlpack__") or hasattr(kind, "__array__")


def to_unit_size(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers divided by the power of 2 that brings the largest below 1; NaN stays.

    Nothing is rounded, and sums of squares are neither infinite nor 0.
    """
    _, exponent = np.frexp(np.nanmax(np.abs(values), initial=0.0))
    return np.asarray(np.ldexp(values, -int(exponent)))


def _has_mask(values: Any) -> bool:
    """Whether an array is masked, or a list holds one that is: NumPy would drop the mask."""
    if isinstance(values, list | tuple):
        return any(isinstance(value, np.ma.MaskedArray) for value in values)
    return isinstance(values, np.ma.MaskedArray)


class cached_array(cached_property[Array]):
    """``cached_property`` for an array; it is computed once, so it cannot be written to."""

    def __init__(self, function: Callable[[Any], Array]) -> None:
        @wraps(function)
        def computed(instance: Any) -> Array:
            return read_only(function(instance))

        super().__init__(computed)


class Record:
    """Base of frozen dataclasses that hold arrays; declare them with ``eq=False, repr=False``.

    The arrays are read-only. Two records of one class are equal if their values are (NaN equals
    NaN: both are undefined). There is no hash, and the ``repr`` is one line.
    """

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]  # only dataclasses inherit this
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, field.name, read_only(value))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(
            same(getattr(self, field.name), getattr(other, field.name))
            for field in fields(self)  # type: ignore[arg-type]
            if field.compare
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have none

    def __repr__(self) -> str:
        shown = (
            f"{field.name}={_short(getattr(self, field.name))}"
            for field in fields(self)  # type: ignore[arg-type]
            if field.repr
        )
        return f"{type(self).__name__}({', '.join(shown)})"


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, arrays by their entries and NaN equal to NaN.

    Examples
    --------
    >>> same({"a": np.array([1.0, np.nan])}, {"a": np.array([1.0, np.nan])})
    True
    >>> same((1, 2), (1, 3))
    False
    """
    if one is other:
        return True
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        one, other = np.asarray(one), np.asarray(other)
        numbers = one.dtype.kind == other.dtype.kind == "f"
        return bool(np.array_equal(one, other, equal_nan=numbers))
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (one != one and other != other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list | range) and isinstance(other, tuple | list | range):
        return len(one) == len(other) and all(map(same, one, other))
    if is_dataclass(one) and type(one) is type(other) and not isinstance(one, Record):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    return bool(one == other)


def _short(value: Any) -> str:
    """A field on one line: arrays by their shape, long values cut."""
    if isinstance(value, np.ndarray) and value.size > 6:
        return f"<{value.dtype} of shape {value.shape}>"
    if isinstance(value, np.ndarray):
        return str(value.tolist())
    shown = repr(value).replace("\n", " ")
    return shown if len(shown) <= _MOST_SHOWN else f"{shown[: _MOST_SHOWN - 1]}…"
