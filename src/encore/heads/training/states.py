"""The states of many responses in a file: computed once, read block by block."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encore.errors import InputError
from encore.files import StrPath, atomic_write, read_json
from encore.heads.files.safetensors import Array
from encore.heads.model.backbone import Backbone
from encore.heads.model.conversation import Conversation

_WINDOW = 2048  # conversations sorted by length together; at most these are lost if the run stops
_BLOCK = 8192


@dataclass(frozen=True)
class States:
    """States in a ``.npy`` file, shape (n_responses, hidden_size), float32.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    n_cut : int
        How many of the texts were cut.
    """

    path: Path
    n_cut: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_responses, hidden_size)."""
        return tuple(np.load(self.path, mmap_mode="r").shape)

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Rows a block at a time, read from the file: only one block is in memory."""
        n_rows, size = self.shape
        offset = self.path.stat().st_size - n_rows * size * 4
        for first in range(0, n_rows, _BLOCK):
            here = slice(first, min(n_rows, first + _BLOCK))
            count = (here.stop - here.start) * size
            place = offset + here.start * size * 4
            yield here, np.fromfile(self.path, "<f4", count, offset=place).reshape(-1, size)


def compute_states(
    backbone: Backbone,
    conversations: Iterable[Conversation],
    path: StrPath,
    *,
    key: str,
    on_progress: Callable[[int], None] = lambda n_done: None,
) -> States:
    """Compute the states of conversations into a file, resuming where an earlier run stopped.

    Parameters
    ----------
    backbone : Backbone
        What computes them.
    conversations : iterable
        In the order of the file.
    path : path-like
        The file, ending in ``.npy``; next to it, a ``.json`` file records how far it is.
    key : str
        What the states depend on. A file with another key is refused.
    on_progress : callable
        Called with the number of conversations done.

    Raises
    ------
    InputError
        If the file holds states of something else.
    """
    path, size = Path(path), backbone.hidden_size
    n_done, n_cut = _progress(path, key)
    if n_done and path.stat().st_size < len(_header(n_done, size)) + n_done * size * 4:
        raise InputError(
            f"{path}: it is shorter than what was written. Remove it and {path.name}.json."
        )
    rest = iter(itertools.islice(conversations, n_done, None))
    with path.open("r+b" if n_done else "w+b") as file:
        start = _header(n_done, size)
        file.truncate(len(start) + n_done * size * 4)
        file.seek(0, 2)
        while window := list(itertools.islice(rest, _WINDOW)):
            texts = [backbone.reader(conversation) for conversation in window]
            if not file.tell():
                file.write(start)
            file.write(backbone.states(texts).astype("<f4").tobytes())
            n_done += len(window)
            n_cut += sum(text.n_cut > 0 for text in texts)
            file.seek(0)
            file.write(_header(n_done, size))
            file.flush()
            os.fsync(file.fileno())  # before the note that says they are there
            file.seek(0, 2)
            _note_progress(path, key, n_done, n_cut)
            on_progress(n_done)
    return States(path, n_cut)


def _header(n_rows: int, size: int) -> bytes:
    """The start of a ``.npy`` file; always of one length, so that it can be rewritten."""
    described = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({n_rows}, {size}), }}"
    return (
        b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + described.ljust(117).encode() + b"\n"
    )


def _progress(path: Path, key: str) -> tuple[int, int]:
    note = _note_path(path)
    if not path.exists() or not note.exists():
        return 0, 0
    try:
        told = read_json(note, "the progress of states")
        found, n_done, n_cut = told["key"], told["n_done"], told["n_cut"]
        if not all(type(count) is int and count >= 0 for count in (n_done, n_cut)):
            raise ValueError(f"counts of {n_done!r:.20} and {n_cut!r:.20}")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{note}: not what was written there ({error}). Remove it.") from error
    if found != key:
        raise InputError(
            f"{path}: it holds the states of other texts or of another backbone. Give another "
            f"file, or remove it."
        )
    return n_done, n_cut


def _note_progress(path: Path, key: str, n_done: int, n_cut: int) -> None:
    with atomic_write(_note_path(path)) as temporary:
        told = {"key": key, "n_done": n_done, "n_cut": n_cut}
        temporary.write_text(json.dumps(told), encoding="utf-8")


def _note_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def split_of(groups: Iterable[str], n_splits: int) -> NDArray[np.int64]:
    """A split for every row, the same within a group, from a digest of the group's name."""
    from hashlib import blake2b

    numbers = [
        int.from_bytes(blake2b(g.encode(errors="surrogatepass")).digest()[:8]) for g in groups
    ]
    return np.array([number % n_splits for number in numbers], dtype=np.int64)
