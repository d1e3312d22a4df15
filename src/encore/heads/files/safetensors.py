"""Safetensors files on disk: reading their headers, and writing new files from old block by block.

The format is 8 bytes with the length of a header, the header (JSON: name → type, shape and place),
and the numbers of all tensors without gaps.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.errors import CheckpointError
from encore.files import StrPath, atomic_write, readable
from encore.parsing import json_value

Array = NDArray[np.float32]
_PREFIX = 8
_MAX_HEADER = 100_000_000  # the format's own limit
_MAX_DIMENSIONS = 32  # NumPy 1 has no more
_BLOCK = 1 << 24
_BYTES = {
    **{"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4},
    **{"F16": 2, "BF16": 2, "I16": 2, "U16": 2},
    **{"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1},
}
# The bits that are all set in numbers that are not finite.
_EXPONENT = {
    **{"F64": ("<u8", 0x7FF0_0000_0000_0000), "F32": ("<u4", 0x7F80_0000), "F16": ("<u2", 0x7C00)},
    **{"BF16": ("<u2", 0x7F80), "F8_E5M2": ("<u1", 0x7C), "F8_E4M3": ("<u1", 0x7F)},
}
_NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


@dataclass(frozen=True)
class Stored:
    """One tensor in a file.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    kind : str
        Its type as the format names it, such as ``"BF16"``.
    shape : tuple of int
        Its shape.
    begin, end : int
        Where its bytes are in the file.
    """

    path: Path
    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def is_float(self) -> bool:
        """Whether it holds floating-point numbers; integer buffers may be stored beside them."""
        return self.kind in _NUMPY

    def read(self) -> Array:
        """The numbers as float32.

        Raises
        ------
        CheckpointError
            If they are not floating-point numbers.
        """
        if not self.is_float:
            raise CheckpointError(
                f"{self.path}: numbers of type {self.kind}; expected floats. Save it in bfloat16 "
                f"or float32."
            )
        count = (self.end - self.begin) // _BYTES[self.kind]
        raw = np.fromfile(self.path, _NUMPY[self.kind], count, offset=self.begin)
        if self.kind == "BF16":  # the upper half of a float32
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        return raw.astype(np.float32).reshape(self.shape)

    def blocks(self) -> Iterator[bytes]:
        """Its bytes, a few megabytes at a time."""
        with self.path.open("rb") as file:
            file.seek(self.begin)
            left = self.end - self.begin
            while left:
                block = file.read(min(left, _BLOCK))
                if not block:
                    raise CheckpointError(f"{self.path}: it shrank while it was being read.")
                left -= len(block)
                yield block


Tensor = Stored | Array


def is_finite(tensor: Tensor) -> bool:
    """Whether all its numbers are finite; read a few megabytes at a time."""
    if not isinstance(tensor, Stored):
        return bool(np.isfinite(tensor).all())
    if tensor.kind not in _EXPONENT:  # whole numbers
        return True
    kind, bits = _EXPONENT[tensor.kind]
    numbers = (np.frombuffer(block, kind) for block in tensor.blocks())
    return not any(((block & bits) == bits).any() for block in numbers)


def numbers_of(tensor: Tensor) -> Array:
    """The numbers of a tensor, wherever it is."""
    return tensor.read() if isinstance(tensor, Stored) else tensor


def read_header(path: StrPath) -> dict[str, Stored]:
    """What a safetensors file holds; no numbers are read.

    Raises
    ------
    CheckpointError
        If it is not a safetensors file, is cut off, or its header contradicts itself.
    """
    path = readable(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(_PREFIX)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == _PREFIX else 0
        if not 2 <= length <= min(_MAX_HEADER, size - _PREFIX):
            raise _broken(path, f"its header of {length} bytes does not fit in its {size} bytes")
        text = file.read(length)
    try:
        header = json_value(text)
        tensors = {
            name: _entry(path, _PREFIX + length, entry)
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _broken(path, f"its header cannot be read: {error}") from error
    _check_places(path, tensors, _PREFIX + length, size)
    return tensors


def _entry(path: Path, start: int, entry: Mapping[str, Any]) -> Stored:
    begin, end = entry["data_offsets"]
    shape = tuple(entry["shape"])
    kind = entry["dtype"]
    if kind not in _BYTES:
        raise ValueError(f"it names an unknown type, {kind!r}")
    if len(shape) > _MAX_DIMENSIONS:
        raise ValueError(f"a shape of {len(shape)} dimensions")
    if not all(type(number) is int and 0 <= number < 2**63 for number in (begin, end, *shape)):
        raise ValueError(f"shape {list(shape)} at {[begin, end]} is not all whole numbers")
    if math.prod(shape) * _BYTES[kind] != end - begin:
        raise ValueError(f"shape {list(shape)} of {kind} does not take {end - begin} bytes")
    return Stored(path, kind, shape, start + begin, start + end)


def _check_places(path: Path, tensors: Mapping[str, Stored], start: int, size: int) -> None:
    """Refuse gaps, overlaps and a file that ends before its tensors do."""
    at = start
    for name, stored in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if stored.begin != at:
            raise _broken(path, f"tensor {name!r} does not begin where the one before it ends")
        at = stored.end
    if at > size:
        raise _broken(path, f"it should have {at} bytes and has {size}: it is cut off")
    if at < size:
        raise _broken(path, f"it should have {at} bytes and has {size}")


def _broken(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: not a complete safetensors file ({why}). Fetch or save it again."
    )


def write_tensors(path: StrPath, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file, atomically; stored tensors are copied block by block."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, tensor in tensors.items():
        kind = tensor.kind if isinstance(tensor, Stored) else "F32"
        length = tensor.end - tensor.begin if isinstance(tensor, Stored) else 4 * tensor.size
        offsets = [at, at := at + length]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": offsets}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of 8
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            if isinstance(tensor, Stored):
                file.writelines(tensor.blocks())
            else:
                file.write(np.ascontiguousarray(tensor, dtype="<f4").tobytes())


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name; copy it where the file system cannot."""
    real = source.resolve()  # the hub's cache holds links to its files
    try:
        os.link(real, target)
    except OSError:
        import shutil

        shutil.copyfile(real, target)
