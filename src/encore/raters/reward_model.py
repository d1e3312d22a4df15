"""A multi-head reward model as a rater."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from functools import cached_property

from encore.heads import MultiHead
from encore.heads.model.conversation import Tokens
from encore.heads.model.linear_heads import check_names
from encore.raters.protocol import Answer, Identity, Item, Ledger, Reason, Usage

# Items sorted by length together; an interruption loses at most one batch of them.
_WINDOW = 512
_NOT_FINITE = "The model gives values that are not finite. Fetch it again, or try --dtype float32."


class Heads:
    """Gives each response the values of a model's heads, all in one pass of its backbone.

    Parameters
    ----------
    model : MultiHead
        A :class:`~encore.heads.HeadModel`, or several side by side.

    Examples
    --------
    >>> from encore.heads import HeadModel
    >>> Heads(HeadModel("encore:mini")).identity.rater["kind"]
    'heads'
    """

    def __init__(self, model: MultiHead) -> None:
        self.model = model

    @cached_property
    def identity(self) -> Identity:
        """The model by the digest of its files."""
        return Identity({"kind": "heads", **self.model.identity}, rules_go_by_ids=True)

    def __call__(self, items: Iterable[Item], ledger: Ledger) -> None:
        """Rate what the ledger wants.

        Raises
        ------
        MismatchError
            If a rule has no head.
        CheckpointError
            If the model cannot be loaded.
        """
        check_names(ledger.rules, self.model.names, "the model")
        head = {name: place for place, name in enumerate(self.model.names)}
        stream = iter(items)
        while window := list(itertools.islice(stream, _WINDOW)):
            talks = [item.conversation for item in window]
            for places, values, texts in self.model.batches(talks):
                for place, row, text in zip(places, values.tolist(), texts, strict=True):
                    if text.refused:
                        ledger.note(text.refused)
                    elif not all(map(math.isfinite, row)):
                        ledger.note(_NOT_FINITE)
                    usage = Usage(prompt_tokens=len(text))
                    for rule, sample in ledger.wants(window[place]):
                        answer = _answer(row[head[rule.id]], text, usage)
                        ledger.keep(window[place], rule, answer, sample)
                        usage = Usage()


def _answer(value: float, text: Tokens, usage: Usage) -> Answer:
    if text.refused:
        return Answer(reason=Reason.REJECTED, reply=text.refused, usage=usage)
    if not math.isfinite(value):
        return Answer(reason=Reason.MALFORMED, usage=usage, n_cut=text.n_cut)
    return Answer(value=value, usage=usage, n_cut=text.n_cut)
