"""A model's folder: its configuration, its tensors, its rules."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from encore.errors import CheckpointError, DocumentError
from encore.extras import require
from encore.files import StrPath, file_digest, read_json
from encore.heads.files.safetensors import Stored, Tensor, read_header
from encore.rules import Rulebook

RULES_FILE = "rules.toml"
ADAPTER_CONFIG = "adapter_config.json"
_ADAPTERS = ("adapter_model.safetensors", "adapter_model.bin")
INDEX_FILE = "model.safetensors.index.json"
_VOCABULARIES = (
    *("tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model"),
    *("vocab.txt", "vocab.json"),
)
_TOKENIZER_FILES = (
    *_VOCABULARIES,
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt"),
    *("chat_template.jinja", "chat_template.json"),
)
_TEMPLATE_FILES = ("tokenizer_config.json", "chat_template.jinja", "chat_template.json")
_MERGE = (
    "Merge it and save the whole: PeftModel.from_pretrained(base, adapter)"
    ".merge_and_unload().save_pretrained(folder), and the tokenizer beside it."
)
_HIDDEN = ("hidden_size", "n_embd", "d_model", "dim")
_WANTED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", RULES_FILE, "README.md")


@dataclass(frozen=True)
class Checkpoint:
    """A Hugging Face checkpoint on disk, opened and checked; no tensor is read yet.

    Parameters
    ----------
    name : str
        As the user named it.
    folder : pathlib.Path
        Where its configuration, tokenizer and rules are.
    config : mapping
        What ``config.json`` says.
    tensors : mapping of str to Stored or ndarray of float32
        Where each tensor is stored, or the tensor itself if it was made in memory.
    rules : Rulebook, optional
        What its heads rate.
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    rules: Rulebook | None = None

    @classmethod
    def open(cls, source: StrPath) -> Checkpoint:
        """Open a folder, or a model on the hub: ``owner/name`` or ``owner/name@revision``.

        Raises
        ------
        CheckpointError
            If there is no such model, or it is incomplete.
        """
        folder = Path(source)
        if not os.path.isdir(folder):
            folder = _fetch(str(source))
        config = _read_config(folder)
        rules_path = folder / RULES_FILE
        rules = Rulebook.load(rules_path) if rules_path.is_file() else None
        tensors: dict[str, Tensor] = {**_heads_beside(folder), **dict(_read_tensors(folder))}
        unmerged = next((name for name in tensors if ".lora_A." in name), None)
        if unmerged is not None:
            raise CheckpointError(f"{folder}: an adapter that is not merged ({unmerged}). {_MERGE}")
        return cls(str(source), folder, config, tensors, rules)

    def with_config(self, **changes: Any) -> Checkpoint:
        """A copy with some keys of its configuration changed; None removes a key."""
        config = {**self.config, **changes}
        return replace(self, config={k: v for k, v in config.items() if v is not None})

    @property
    def hidden_size(self) -> int:
        """The size of one hidden state of the backbone."""
        config = self.config.get("text_config") or self.config
        size = next((config[name] for name in _HIDDEN if name in config), None)
        if not isinstance(size, int):
            raise CheckpointError(f"{self.name}: config.json states no hidden_size.")
        return size

    @property
    def is_virtual(self) -> bool:
        """Whether any tensor is not simply one of its folder's."""
        return any(
            not isinstance(tensor, Stored) or tensor.path.parent != self.folder
            for tensor in self.tensors.values()
        )

    @property
    def tokenizer_files(self) -> list[Path]:
        """The files of its tokenizer.

        Raises
        ------
        CheckpointError
            If it has none.
        """
        if not any((self.folder / name).is_file() for name in _VOCABULARIES):
            raise CheckpointError(
                f"{self.name}: no tokenizer; expected tokenizer.json or another vocabulary beside "
                f"config.json. Save it there with tokenizer.save_pretrained."
            )
        return [self.folder / name for name in _TOKENIZER_FILES if (self.folder / name).is_file()]

    @property
    def has_adapter_config(self) -> bool:
        """Whether it says what adapter it has; Transformers would then look for its weights."""
        return (self.folder / ADAPTER_CONFIG).is_file()

    @property
    def asks_for_the_date(self) -> bool:
        """Whether its chat template does, so that texts would be read differently every day."""
        told = (path for path in self.tokenizer_files if path.name in _TEMPLATE_FILES)
        return any(b"strftime_now" in path.read_bytes() for path in told)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of everything its values depend on: configuration, tensors, tokenizer."""
        seen = hashlib.sha256(json.dumps(dict(self.config), sort_keys=True).encode())
        files = {t.path for t in self.tensors.values() if isinstance(t, Stored)}
        for path in (*sorted(files), *self.tokenizer_files):
            seen.update(_content_digest(path).encode())
        for name, tensor in self.tensors.items():
            seen.update(name.encode())
            if not isinstance(tensor, Stored):
                seen.update(tensor.tobytes())
        return seen.hexdigest()


def _content_digest(path: Path) -> str:
    """SHA-256 of a file; the hub's cache names large files by theirs."""
    named = path.resolve().name
    return named if path.is_symlink() and len(named) == 64 else file_digest(path)


def _fetch(source: str) -> Path:
    """The cached folder of a model on the hub, downloaded if it is not there."""
    name, _, revision = source.partition("@")
    if name.count("/") != 1 or name.startswith((".", "/")):
        raise CheckpointError(
            f"{source}: no such folder. Give a model's folder, a model on the Hugging Face hub "
            f"(owner/name), or encore:mini."
        )
    hub = require("huggingface_hub", extra="heads", feature="A model from the hub")
    try:
        folder = hub.snapshot_download(name, revision=revision or None, allow_patterns=[*_WANTED])
    except Exception as error:  # whatever the hub, its cache or its network raises
        told = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"{source}: it is not a folder, and the hub did not provide it ({told}). Download "
            f"it where there is a network (hf download {name}) and give its folder."
        ) from error
    return Path(folder)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if (folder / ADAPTER_CONFIG).is_file():
        _refuse_adapter(folder)
    if not path.is_file():
        raise CheckpointError(f"{folder}: no config.json; expected a Hugging Face checkpoint.")
    config = read_object(path)
    if not isinstance(config.get("model_type"), str):
        raise CheckpointError(f"{path}: it states no model_type; expected a Hugging Face model.")
    return config


def _refuse_adapter(folder: Path) -> None:
    """Refuse an adapter without its model, or beside a model that may have it in it already."""
    has_model = any((folder / name).is_file() for name in ("model.safetensors", INDEX_FILE))
    adapter = next((name for name in _ADAPTERS if (folder / name).is_file()), None)
    if not has_model:
        base = read_object(folder / ADAPTER_CONFIG).get("base_model_name_or_path")
        raise CheckpointError(
            f"{folder}: an adapter alone, without the model that it adapts ({base}). {_MERGE}"
        )
    if adapter is not None:
        raise CheckpointError(
            f"{folder}: a model and an adapter ({adapter}); nothing says whether the adapter is "
            f"merged into the model. If it is, remove {adapter} and {ADAPTER_CONFIG}. {_MERGE}"
        )


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object beside a model.

    Raises
    ------
    CheckpointError
        If the file is none.
    """
    try:
        value = read_json(path, "a JSON object", finite=False)  # configurations do hold Infinity
    except DocumentError as error:
        raise CheckpointError(str(error)) from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected a JSON object.")
    return value


def _heads_beside(folder: Path) -> dict[str, Tensor]:
    """Heads in a file of their own, as ``value_head.safetensors``, which no index names."""
    found: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*head*.safetensors")):
        for name, tensor in read_header(path).items():
            bare = name in ("weight", "bias")
            found[f"{path.stem}.{name}" if bare else name] = tensor
    return found


def _read_tensors(folder: Path) -> Iterator[tuple[str, Stored]]:
    single, index = folder / "model.safetensors", folder / INDEX_FILE
    if single.is_file():  # with both, Transformers reads this one
        placed: Any = dict.fromkeys(read_header(single), single.name)
    elif index.is_file():
        placed = read_object(index).get("weight_map")
        if not isinstance(placed, dict) or not placed:
            raise CheckpointError(f"{index}: it has no weight_map.")
    else:
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        hint = (
            "its weights are pickled, which can run code; save them as safetensors "
            "(model.save_pretrained does)"
            if pickled
            else f"expected model.safetensors or {INDEX_FILE}"
        )
        raise CheckpointError(f"{folder}: no safetensors file; {hint}.")
    headers: dict[str, dict[str, Stored]] = {}
    for name, file in placed.items():
        if not isinstance(file, str) or Path(file).name != file:
            raise CheckpointError(f"{index}: {file!r} is not the name of a file beside it.")
        if file not in headers:
            if not os.path.isfile(folder / file):
                raise CheckpointError(f"{folder}: {file} is missing. Fetch the model again.")
            headers[file] = read_header(folder / file)
        if name not in headers[file]:
            raise CheckpointError(
                f"{folder / file}: no tensor {name!r}, which the index puts there."
            )
        yield name, headers[file][name]
