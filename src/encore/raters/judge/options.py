"""How a judge is asked."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from encore.errors import InputError
from encore.raters.judge.prompt import DEFAULT_FENCE_KEY

Reading = Literal["auto", "probabilities", "text"]
Applicability = Literal["auto", "prompt", "response", "none"]
APPLICABILITIES: tuple[Applicability, ...] = ("auto", "prompt", "response", "none")
# With more rules than this, prompts are asked about first, unless said.
MANY_RULES = 20
# Fields of a request's body that are never extra, and what sets them.
_OWN_FIELDS = {
    "model": "the rater's name does",
    "messages": "the template does",
    "temperature": "--temperature does",
    "seed": "--seed does",
    "n": "--n-samples does",
    "response_format": "the scale does",
    "add_generation_prompt": "--prefill does",
    "continue_final_message": "--prefill does",
    "id_slot": "the schedule does",
    "cache_prompt": "the schedule does",
    **dict.fromkeys(("logprobs", "top_logprobs", "n_probs"), "--reading does"),
    **dict.fromkeys(("stream", "stream_options"), "the endpoint's needs do"),
    **dict.fromkeys(
        (
            *("max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens"),
            "n_predict",
        ),
        "--max-answer-tokens does",
    ),
}


@dataclass(frozen=True)
class JudgeOptions:
    """How a judge is asked.

    All of it is part of who rates, except the number of samples, and which responses are rated
    under which rules.

    Parameters
    ----------
    reading : {"auto", "probabilities", "text"}
        Where a rating is read from: the probabilities of the level codes, or the reply's words;
        ``auto`` takes probabilities where the endpoint gives them.
    n_samples : int
        Answers per rule, drawn with different seeds; their pooled entropy is the spread.
    temperature : float, optional
        Of the answers; by default 0 for one sample and 1 for several.
    seed : int
        The first sample's; the others follow from it.
    batch_rules : bool
        Whether all rules are asked in one call.
    prefill : bool
        Whether the answer is started for the judge, so that its next token is a code. vLLM, SGLang
        and llama.cpp support this; most hosted endpoints do not.
    max_input_tokens : int, optional
        Longest prompt; by default the endpoint's own limit, if it states one.
    max_answer_tokens : int, optional
        Longest answer; for judges that think before they answer.
    applicability : {"auto", "prompt", "response", "none"}
        Who says how far a rule applies.

        - ``prompt``: the judge is asked once per prompt, before any response is shown, how likely
          the request is unsafe, *q*, and each rule at stake, *a*. A rule applies to the prompt's
          responses as far as 1 − q (1 − a); one that applies less than *applies_at_least* is not
          asked about.
        - ``response``: with each rating it may answer that the rule does not apply. A response can
          talk a rule away so: not for training.
        - ``none``: all rules apply.
        - ``auto``: ``prompt`` where there are more than 20 rules, else ``none``.
    applies_at_least : float
        How far a rule must apply to a prompt for its responses to be rated under it.
    extra : mapping
        More fields of the request's body, such as
        ``{"chat_template_kwargs": {"enable_thinking": false}}``. None that is set already, such
        as ``temperature``: a conflict is an error.
    fence_key : bytes
        Secret of the marks around judged text.
    """

    reading: Reading = "auto"
    n_samples: int = 1
    temperature: float | None = None
    seed: int = 0
    batch_rules: bool = False
    prefill: bool = False
    max_input_tokens: int | None = None
    max_answer_tokens: int | None = None
    applicability: Applicability = "auto"
    applies_at_least: float = 0.1
    extra: Mapping[str, Any] = field(default_factory=dict)
    fence_key: bytes = DEFAULT_FENCE_KEY

    def __post_init__(self) -> None:
        if self.reading not in ("auto", "probabilities", "text"):
            raise InputError(
                f"reading must be 'auto', 'probabilities' or 'text'; got {self.reading!r}."
            )
        if self.applicability not in APPLICABILITIES:
            raise InputError(
                f"applicability must be one of {', '.join(map(repr, APPLICABILITIES))}; got "
                f"{self.applicability!r}."
            )
        if not 0 <= self.applies_at_least <= 1:
            raise InputError(f"applies_at_least must be 0 to 1; got {self.applies_at_least}.")
        if self.n_samples < 1:
            raise InputError(f"a judge must be asked at least once; got {self.n_samples} samples.")
        temperature = self.temperature
        if temperature is None:
            temperature = 0.0 if self.n_samples == 1 else 1.0
        if not 0 <= temperature < math.inf:
            raise InputError(f"a temperature must be 0 or more; got {temperature}.")
        for name in ("max_input_tokens", "max_answer_tokens"):
            limit = getattr(self, name)
            if limit is not None and limit < 1:
                raise InputError(f"{name} must be 1 or more, or None; got {limit}.")
        _check_extra(self.extra)
        # As a float: 1 and 1.0 are the same rater.
        object.__setattr__(self, "temperature", float(temperature))
        if self.n_samples > 1 and self.temperature == 0:
            raise InputError(
                "several samples at temperature 0 are one answer repeated; give a "
                "temperature above 0, or one sample."
            )

    def asks_prompts(self, n_rules: int) -> bool:
        """Whether prompts are asked about first, where there are so many rules."""
        if self.applicability == "auto":
            return n_rules > MANY_RULES
        return self.applicability == "prompt"

    def to_dict(self) -> dict[str, Any]:
        """What ratings depend on, with the secret as its digest."""
        return {
            "reading": self.reading,
            "temperature": self.temperature,
            "seed": self.seed,
            "batch_rules": self.batch_rules,
            "prefill": self.prefill,
            "max_input_tokens": self.max_input_tokens,
            "max_answer_tokens": self.max_answer_tokens,
            "extra": dict(self.extra),
            "fence": hashlib.sha256(b"fence" + self.fence_key).hexdigest()[:12],
        }


def _check_extra(extra: Mapping[str, Any]) -> None:
    """Refuse what is set elsewhere, or what JSON cannot say."""
    for name in extra:
        if name in _OWN_FIELDS:
            raise InputError(
                f"extra holds {name!r}, which is set already: {_OWN_FIELDS[name]} that. Leave it "
                f"out of --extra."
            )
    try:
        if not all(isinstance(name, str) for name in extra):
            raise TypeError("a name is not text")
        json.dumps(dict(extra), allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"extra is not what JSON can say: {error}.") from error
