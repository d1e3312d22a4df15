"""Writing a checkpoint: the backbone's files linked where possible, the heads in their own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from encore.errors import InputError
from encore.files import StrPath
from encore.heads.files.checkpoint import INDEX_FILE, Checkpoint
from encore.heads.files.safetensors import (
    Array,
    Stored,
    Tensor,
    link_or_copy,
    read_header,
    write_tensors,
)
from encore.heads.model.padding import with_padding


def write_checkpoint(
    out: StrPath,
    backbone: Checkpoint,
    heads: Mapping[str, Array],
    texts: Mapping[str, str],
) -> None:
    """Write a folder that Transformers loads; it appears whole or not at all.

    A file whose tensors all keep their names is linked, not copied; others are copied tensor by
    tensor. No tensor of the backbone is changed or loaded into memory.

    Parameters
    ----------
    out : path-like
        The folder; it must be empty or not exist.
    backbone : Checkpoint
        Configuration, tokenizer and all tensors except those of the heads.
    heads : mapping of str to ndarray
        The heads' tensors by name; saved as float32, in the last file.
    texts : mapping of str to str
        More files, such as ``rules.toml`` and ``README.md``.

    Raises
    ------
    InputError
        If *out* is not free.
    """
    out = Path(out)
    check_free(out)
    backbone, padding = with_padding(backbone)
    work = out.with_name(f".{out.name}.{os.urandom(6).hex()}.part")
    work.mkdir()
    try:
        _write_shards(work, _by_file(backbone.tensors), heads)
        config = json.dumps(dict(backbone.config), indent=2, sort_keys=True)
        (work / "config.json").write_text(config + "\n", encoding="utf-8")
        for path in backbone.tokenizer_files:
            shutil.copyfile(path, work / path.name)
        for name, text in {**padding, **texts}.items():
            (work / name).write_text(text, encoding="utf-8")
        if out.is_dir():
            out.rmdir()
        work.replace(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_free(out: Path) -> None:
    """Refuse to overwrite anything.

    Raises
    ------
    InputError
        If *out* is not free, or its parent folder does not exist.
    """
    if not out.parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.parent}; make it first.")
    if out.is_dir() and out.samefile(Path.cwd()):
        raise InputError(f"{out}: it is the current folder; name a new one.")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(f"{out}: it already exists; write to a new folder.")


def _by_file(tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """The tensors of each file together, then those that are in no file."""
    files: dict[Path | None, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        path = tensor.path if isinstance(tensor, Stored) else None
        files.setdefault(path, {})[name] = tensor
    return list(files.values())


def _write_shards(folder: Path, parts: list[dict[str, Tensor]], heads: Mapping[str, Array]) -> None:
    shards: list[dict[str, Tensor]] = [*parts, dict(heads)]
    placed: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        placed |= dict.fromkeys(shard, name)
        source = next(iter(shard.values()))
        if isinstance(source, Stored) and read_header(source.path) == shard:
            link_or_copy(source.path, folder / name)
        else:
            write_tensors(folder / name, shard)
    size = sum(_n_bytes(tensor) for shard in shards for tensor in shard.values())
    index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(placed.items()))}
    (folder / INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _n_bytes(tensor: Tensor) -> int:
    return tensor.end - tensor.begin if isinstance(tensor, Stored) else tensor.size * 4
