"""How pairs were made of labels, and what was left out."""

from __future__ import annotations

from dataclasses import dataclass

from encore.errors import RatingsError

MAX_PER_PROMPT = 20


@dataclass(frozen=True)
class Pairing:
    """How pairs were made of labels, and what was left out.

    Parameters
    ----------
    column : str
        The column of labels; empty where they came as an array.
    lower_is_better : bool
        Whether the response with the lower label is the chosen one, as among ranks.
    gap : float
        By how much the labels of a pair differ at least.
    standard_deviation : float
        Of the labels of all labelled responses (n - 1 in the denominator); the default gap.
    lowest, highest : float
        The range of the labels.
    is_outcome : bool
        Whether the labels have two values, such as 0 and 1.
    across_prompts : bool
        Whether pairs may join responses to different prompts; see :func:`encore.pairs`.
    prompts_together : int
        How many prompts are in a group at least, if so; otherwise 1.
    max_per_prompt : int
        At most so many pairs of one prompt were drawn.
    n_responses, n_labelled : int
        Responses, and those with a label.
    n_prompts : int
        Prompts of the pairs; groups of prompts where pairs join different ones.
    n_possible : int
        Pairs of labelled responses to one prompt, of which the next three are parts.
    n_tied, n_close, n_far : int
        With equal labels; with labels nearer than the gap; with labels that differ by the gap.
    n_pairs : int
        Of the last, how many were drawn.
    """

    column: str
    lower_is_better: bool
    gap: float
    standard_deviation: float
    lowest: float
    highest: float
    is_outcome: bool
    across_prompts: bool
    prompts_together: int
    max_per_prompt: int
    n_responses: int
    n_labelled: int
    n_prompts: int
    n_possible: int
    n_tied: int
    n_close: int
    n_far: int
    n_pairs: int

    @property
    def most(self) -> int:
        """How many pairs were drawn at most of a prompt, or of a group of prompts."""
        return self.max_per_prompt * self.prompts_together

    @property
    def sentence(self) -> str:
        """What the pairs are, and what was left out, as a person reads it."""
        unit = f"group of {self.prompts_together} prompts or more"
        unit = unit if self.across_prompts else "prompt"
        gap = f" by at least {self.gap:.4g}" if self.gap else ""
        is_default = " (one standard deviation)" if self.gap == self.standard_deviation else ""
        out = {
            "response without a label": self.n_responses - self.n_labelled,
            "pair of equal labels": self.n_tied,
            "pair nearer than the gap": self.n_close,
            f"pair beyond {self.most} a {unit.split()[0]}": self.n_far - self.n_pairs,
        }
        left_out = ", ".join(_counted(n, what) for what, n in out.items() if n)
        return (
            f"{_counted(self.n_pairs, 'pair')} of {_counted(self.n_prompts, unit)}, by "
            f"{f'the labels in {self.column!r}' if self.column else 'the labels given'} "
            f"({self.lowest:.4g} to {self.highest:.4g}, "
            f"{'lower' if self.lower_is_better else 'higher'} is better), which differ"
            f"{gap}{is_default}. Left out: {left_out or 'nothing'}."
        )

    def refusal(self, source: str) -> RatingsError:
        """Why there is no pair, with the next step."""
        return RatingsError(self._why_none(), source=source, column=self.column or None)

    def _why_none(self) -> str:
        if self.n_labelled < 2:
            return (
                f"{self.n_labelled} of {self.n_responses} responses have a label; a pair takes 2."
            )
        if not self.n_possible:
            return (
                "no two labelled responses answer the same prompt. Rate several responses to each "
                "prompt, or join different prompts with --across-prompts (across_prompts=True)."
            )
        if not self.n_close:
            return (
                f"all {self.n_possible:,} pairs of labelled responses to one prompt are tied: "
                f"labels do not say which is better."
            )
        return (
            f"no two responses to one prompt have labels that differ by {self.gap:.4g}: "
            f"{self.n_tied:,} pairs are tied, {self.n_close:,} differ by less. Give a smaller gap; "
            f"0 takes all that differ."
        )


def _counted(number: int, noun: str) -> str:
    """A number with its noun, whose first word is then in the plural."""
    first, *rest = noun.split(" ")
    return " ".join([f"{number:,}", first if number == 1 else f"{first}s", *rest])
