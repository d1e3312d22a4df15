"""A judge: a language model behind an OpenAI-compatible endpoint, asked rule by rule."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from typing import Protocol, Self

from encore.errors import InputError, StoppedError
from encore.raters.judge.address import check_url
from encore.raters.judge.endpoint import Endpoint, Limits, Spending
from encore.raters.judge.options import MANY_RULES, JudgeOptions
from encore.raters.judge.prompt import TEMPLATE_VERSIONS, Asks
from encore.raters.judge.redact import check_key
from encore.raters.judge.schedule import Schedule, Unit, Work
from encore.raters.judge.session import Session
from encore.raters.judge.sync import run_to_end
from encore.raters.protocol import Identity, Item, Ledger, Rater, TwoPasses, is_unicode
from encore.rules import Rulebook


class Judge:
    """Rates with a language model behind an OpenAI-compatible endpoint.

    Parameters
    ----------
    model : str
        The model's name at the endpoint. The name, not the address, is part of who rates: a
        server may move.
    base_url : str
        The address, up to and including ``/v1``.
    options : JudgeOptions
        How it is asked.
    limits : Limits
        Concurrency, timeout, attempts and budget.
    api_key : str, optional
        Sent to the endpoint alone.

    Raises
    ------
    InputError
        If the address is not one, or the model's name or the key cannot be sent.
    MissingExtraError
        When it is called and aiohttp is not installed.

    Examples
    --------
    >>> judge = Judge("Qwen/Qwen3-8B", "http://localhost:8000/v1")
    >>> judge.identity.rater["model"]
    'Qwen/Qwen3-8B'
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        options: JudgeOptions | None = None,
        limits: Limits | None = None,
        api_key: str | None = None,
    ) -> None:
        if not model.strip() or not is_unicode(model):
            raise InputError(f"{model!r} is not the name of a model.")
        self.model = model
        self.base_url = check_url(base_url)
        self.options = options or JudgeOptions()
        self.limits = limits or Limits()
        self._api_key = check_key(api_key)
        self._asks = asks_of(self.options)
        self._spending: Spending | None = None

    def __repr__(self) -> str:
        return f"Judge({self.model!r}, {self.base_url!r})"

    @property
    def identity(self) -> Identity:
        """The model, the template and how it is asked."""
        rater = {
            "kind": "judge",
            "model": self.model,
            "template": TEMPLATE_VERSIONS[self._asks],
            **self.options.to_dict(),
        }
        if self._asks is not Asks.RATING:
            rater["asks"] = str(self._asks)
        return Identity(
            rater, n_samples=self.options.n_samples, sees_all_rules=self.options.batch_rules
        )

    def passes(self, rules: Rulebook) -> TwoPasses | None:
        """The judge in two passes of one budget, where prompts are asked about first."""
        return in_two(self, self.options, rules)

    def asking(self, asks: Asks, spending: Spending | None = None) -> Self:
        """The same judge, asked something else, and with a budget that others spend from too."""
        other = copy(self)
        other._asks, other._spending = asks, spending
        return other

    def endpoint(self, note: Callable[[str], None] = lambda message: None) -> Endpoint:
        """The endpoint, for an ``async with`` block."""
        return Endpoint(
            self.base_url, self.limits, api_key=self._api_key, note=note, spending=self._spending
        )

    def __call__(self, items: Iterable[Item], ledger: Ledger) -> None:
        """Rate what the ledger wants of each item.

        Raises
        ------
        EndpointError
            If the endpoint refuses, cannot be reached, or fails every time.
        BudgetError
            If the budget is spent.
        """
        run_to_end(self._rate(items, ledger))

    async def _rate(self, items: Iterable[Item], ledger: Ledger) -> None:
        async with self.endpoint(ledger.note) as endpoint:
            session = Session(self.model, self.options, endpoint, ledger, asks=self._asks)
            await session.begin()
            n_workers = min(self.limits.concurrency, session.n_slots or self.limits.concurrency)
            schedule = Schedule(
                _works(items, ledger, batch=self.options.batch_rules),
                session.ask,
                n_workers,
                own_caches=session.n_slots is not None,
            )
            running = asyncio.create_task(schedule.run())
            try:
                await asyncio.shield(running)
            except asyncio.CancelledError:
                ledger.note(
                    f"Stopping: waiting for {schedule.n_in_flight} calls in flight (interrupt "
                    f"again to drop them)."
                )
                schedule.stop()
                endpoint.stop(StoppedError("interrupted."))
                await asyncio.wait([running])
                raise


class _Judges(Protocol):
    """A judge, here or elsewhere."""

    def asking(self, asks: Asks, spending: Spending | None = None) -> Rater: ...


def asks_of(options: JudgeOptions) -> Asks:
    """What a judge is asked about a response."""
    return Asks.RATING_OR_NONE if options.applicability == "response" else Asks.RATING


def in_two(judge: _Judges, options: JudgeOptions, rules: Rulebook) -> TwoPasses | None:
    """A judge that is asked about prompts first, if the options or the number of rules say so."""
    if not options.asks_prompts(len(rules)):
        return None
    spending, note = Spending(), ""
    if options.applicability == "auto":
        note = (
            f"The judge is asked first which of the {len(rules)} rules apply to each prompt, "
            f"as by default with more than {MANY_RULES} rules (--applicability prompt)."
        )
    return TwoPasses(
        judge.asking(Asks.PROMPT, spending),
        judge.asking(asks_of(options), spending),
        options.applies_at_least,
        note,
    )


def _works(items: Iterable[Item], ledger: Ledger, *, batch: bool) -> Iterator[Work]:
    """Each item that is not rated yet with the calls to make about it."""
    position = {rule.id: place for place, rule in enumerate(ledger.rules)}
    for item in items:
        wanted = [(position[rule.id], sample) for rule, sample in ledger.wants(item)]
        if batch:
            all_rules = tuple(range(len(ledger.rules)))
            units = [Unit(all_rules, sample) for sample in sorted({s for _, s in wanted})]
        else:
            units = [Unit((place,), sample) for place, sample in wanted]
        if units:
            yield Work(item, deque(units))
