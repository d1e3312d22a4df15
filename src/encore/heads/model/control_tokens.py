"""Control tokens in texts: broken up, so that no text can close its turn or open another."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any

from encore.errors import InputError

_BRACKETED = re.compile(r"[<\[{|＜].*[>\]}|＞]", re.DOTALL)
_PASSES = 3  # breaking one token up may, by a blank, spell another


class ControlTokens:
    """The tokens of a tokenizer that structure a conversation, and the marks of its template.

    Parameters
    ----------
    tokenizer : transformers.PreTrainedTokenizerBase
        Its special tokens are control tokens, and so are other bracketed tokens that it adds where
        the template writes them.
    name : str
        The model, for errors.
    literals : iterable of str
        The texts that the template may write.
    marks : iterable of str
        Marks that are ordinary text to the tokenizer, but structure to the model.
    """

    def __init__(
        self,
        tokenizer: Any,
        name: str,
        *,
        literals: Iterable[str] = (),
        marks: Iterable[str] = (),
    ) -> None:
        written = "\0".join(literals)
        added = tokenizer.added_tokens_decoder
        control = {
            token.content: number
            for number, token in added.items()
            if token.special or (_BRACKETED.fullmatch(token.content) and token.content in written)
        }
        # A blank is no mark, nor is one letter, which padding is here and there.
        named = {text: number for text, number in control.items() if _structures(text)}
        self._name = name
        self._tokens = _any_of(named)
        self._all = _any_of({*named, *filter(_structures, marks)})
        # Any text that the vocabulary does not know is this one.
        self._numbers = frozenset(named.values()) - {tokenizer.unk_token_id}

    def escape(self, text: str) -> str:
        """A text with a blank after the first character of whatever would read as control.

        A text without any is returned as it is.
        """
        for _ in range(_PASSES):
            text, n_broken = self._all.subn(_broken, text)
            if not n_broken:
                break
        return text

    def count(self, text: str) -> int:
        """How many control tokens are written in a text."""
        return len(self._tokens.findall(text))

    def check(self, ids: Sequence[int], n_expected: int) -> None:
        """Refuse tokens with more control tokens than were written on purpose.

        Raises
        ------
        InputError
            If a text became one: by what the tokenizer does to characters before it splits them.
        """
        n_found = sum(map(self._numbers.__contains__, ids))
        if n_found > n_expected:
            raise InputError(
                f"{self._name}: its tokenizer reads a part of a text as one of its control tokens, "
                f"which could end a turn."
            )


def _structures(text: str) -> bool:
    return not text.isspace() and (len(text) > 1 or not text.isascii())


def _broken(found: re.Match[str]) -> str:
    return f"{found[0][0]} {found[0][1:]}" if len(found[0]) > 1 else " "


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """The longest of some texts, wherever one begins; linear in what it searches.

    A vocabulary may have thousands of control tokens, and a text that is written to be slow may
    have as many beginnings of one: so shared beginnings are tried once.
    """
    return re.compile(_alternatives(sorted(texts)) or r"(?!)")


def _alternatives(texts: Sequence[str]) -> str:
    parts = []
    for _, group in itertools.groupby(texts, key=lambda text: text[:1]):
        listed = list(group)
        ends_of_order = zip(listed[0], listed[-1], strict=False)
        start = "".join(
            a for a, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], ends_of_order)
        )
        rest = [text[len(start) :] for text in listed if text != start]
        ends = "?" if len(rest) < len(listed) else ""
        parts.append(re.escape(start) + (f"(?:{_alternatives(rest)}){ends}" if rest else ""))
    return "|".join(parts)
