"""What people call their columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

ROLES: dict[str, tuple[str, ...]] = {
    "prompt_id": (
        *("prompt_id", "promptid", "query_id", "question_id", "instruction_id", "conversation_id"),
        *("instance_id", "example_id", "item_id", "task_id", "sample_id", "doc_id"),
    ),
    "prompt": ("prompt", "question", "query", "instruction", "user_prompt", "input", "user"),
    "response_id": (
        *("response_id", "responseid", "completion_id", "answer_id", "output_id"),
        *("generation_id", "candidate_id", "candidate"),
    ),
    "response": (
        *("response", "completion", "answer", "output", "generation", "response_text"),
        *("model_output", "model_response", "text"),
    ),
    "model": ("model", "model_name", "model_id", "policy", "generator"),
    "subset": ("subset", "category", "dataset", "section"),
    "rule": (
        *("rule", "rule_id", "rule_name", "criterion", "criterion_id", "criterion_name"),
        *("criteria", "dimension", "metric", "attribute", "principle", "aspect", "rubric"),
        *("rubric_item", "constitution_rule"),
    ),
    "score": (
        *("score", "rating", "value", "grade", "verdict", "judgement", "judgment", "points"),
        *("level", "result", "passed"),
    ),
    "spread": ("spread", "entropy"),
    "reason": (
        *("reason", "rationale", "explanation", "justification", "reasoning", "comment"),
        *("feedback", "critique"),
    ),
    "rater": (
        *("rater", "rater_id", "judge", "judge_id", "judge_model", "judge_name", "annotator"),
        *("annotator_id", "evaluator", "grader", "labeler", "worker_id"),
    ),
    "repeat": ("repeat", "repetition", "trial", "replicate", "sample_idx", "sample_index", "run"),
    "applies": ("applies", "applicable"),
    "not_applicable": ("not_applicable",),
}
"""What a column may be, and what people call it; the likeliest names come first."""

SUMMARIES = ("overall", "total", "mean", "average", "avg", "sum", "aggregate", "final", "reward")
LABELS = ("label", "gold", "human", "preference", "preferred", "outcome", "target", "ranking")
_OTHER = (
    *("id", "uid", "uuid", "index", "idx", "row", "rank", "position", "turn", "seed", "epoch"),
    *("temperature", "top_p", "length", "tokens", "latency", "duration", "time", "timestamp"),
    *("date", "year", "version", "split", "weight", "price", "usage", "lang", "language"),
    *("created", "created_at", "order", "batch", "source", "messages", "system"),
)
_COST = (
    *("toxic", "harm", "violat", "violen", "cost", "risk", "unsafe", "bias", "hate", "hatred"),
    *("insult", "threat", "error", "refus", "hallucinat", "leak", "jailbreak", "decepti", "lie"),
    *("lying", "danger", "abus", "offens", "obscen", "profan", "stereotyp", "severity", "crime"),
    *("criminal", "illegal", "weapon", "fraud", "spam", "sexual", "nsfw", "selfharm", "malicious"),
    *("mistake", "flaw", "fault", "bad", "wrong", "misinformation", "disinformation", "penalty"),
    *("loss", "distance", "perplexity", "rude", "sycophan", "discriminat", "extremis", "terror"),
    *("manipulat", "plagiar", "dishonest", "inaccura", "incorrect", "irrelevan", "inappropriate"),
    *("incoheren", "inconsisten", "verbos", "repetiti", "redundan", "noise", "slur", "gore"),
)
_NEGATES = re.compile(
    r"(?:^|_)(?:no|not|non|without|avoid\w*|free|absence|lack|prevent\w*|anti|resist\w*|safe\w*|"
    r"against|declin\w*|refrain\w*|compl\w*|adher\w*|mitigat\w*|awareness|caution|protect\w*)"
    r"(?:_|$)|less(?:ness)?(?:_|$)|^(?:non|un|in|anti)(?=harm|toxic|bias|violen|offens)"
)
_TOKENS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
CONTAINERS = re.compile(
    r"(?:llm_?|model_?)?(?:judge\w*?|scores?|ratings?|evals?|evaluations?|grades?|rubrics?|"
    r"metrics?|rules?|criteria|results?|verdicts?|judgements?|judgments?|labels?|rewards?)"
)
"""What stands before, or around, the names of rules."""
_SCORE_ENDINGS = ("score", "rating", "value", "grade", "verdict", "level")
_BESIDE = {
    **dict.fromkeys(("spread", "entropy"), "spread"),
    **dict.fromkeys(ROLES["reason"], "reason"),
    **dict.fromkeys(("applies", "applicable"), "applies"),
    **dict.fromkeys(("p", "probabilities", "probs"), "p"),
    **dict.fromkeys(("samples",), "samples"),
}


def plain_name(name: str) -> str:
    """A name as it is compared: small letters, words joined by underscores.

    Examples
    --------
    >>> plain_name("Response ID"), plain_name("promptId"), plain_name("a.b")
    ('response_id', 'prompt_id', 'a_b')
    """
    spaced = _TOKENS.sub("_", name.strip())
    return re.sub(r"[^\w]+|_+", "_", spaced.casefold()).strip("_")


def role_of(names: Iterable[str], role: str, taken: Iterable[str] = ()) -> str | None:
    """The column that has a role by its name; the last part of a nested name counts."""
    left = [name for name in names if name not in set(taken)]
    for called in (plain_name, lambda name: plain_name(name.rpartition(".")[2])):
        of = {called(name): name for name in reversed(left)}
        for known in ROLES[role]:
            if known in of:
                return of[known]
    return None


def beside(name: str) -> tuple[str, str] | None:
    """The column that this one stands beside, and as what: ``privacy_reason``.

    Examples
    --------
    >>> beside("privacy.reason"), beside("tone_spread"), beside("privacy")
    (('privacy', 'reason'), ('tone', 'spread'), None)
    """
    for cut in (".", "_", " ", "-"):
        base, _, ending = name.rpartition(cut)
        if base and ending.casefold() in _BESIDE:
            return base, _BESIDE[ending.casefold()]
    return None


def bare_name(name: str) -> str:
    """A rule's name without what only says that it is a score.

    Examples
    --------
    >>> bare_name("privacy.score"), bare_name("tone_rating"), bare_name("score")
    ('privacy', 'tone', 'score')
    """
    for cut in (".", "_", " ", "-"):
        base, _, ending = name.rpartition(cut)
        if base and ending.casefold() in _SCORE_ENDINGS:
            return base
    return name


def is_no_rating(name: str) -> bool:
    """Whether the name is that of something else than a rating: an id, a label, a summary."""
    words = plain_name(name.rpartition(".")[2])
    parts = words.split("_")
    if (
        words in _OTHER
        or parts[0] in ("n", "num")
        or parts[-1] in ("id", "tokens", "seconds", "ms")
    ):
        return True
    return parts[0] in LABELS or words in SUMMARIES or parts[0] in SUMMARIES or "human" in parts


def sounds_bad(name: str) -> bool:
    """Whether more of what the rule is called would be worse.

    Examples
    --------
    >>> sounds_bad("toxicity"), sounds_bad("harmlessness"), sounds_bad("no_violence")
    (True, False, False)
    """
    words = plain_name(name)
    if _NEGATES.search(words):
        return False
    return any(part.startswith(_COST) for part in words.split("_")) or words.startswith("self_harm")


def near(name: str, known: Iterable[str]) -> str | None:
    """The name that was meant: the same but for case and signs, or else the most alike.

    Examples
    --------
    >>> near("privacy", ["Privacy ", "tone"]), near("privacy", ["tone"])
    ('Privacy ', None)
    """
    import difflib

    plain: Mapping[str, str] = {plain_name(bare_name(other)): other for other in known}
    found = difflib.get_close_matches(plain_name(name), list(plain), n=1, cutoff=0.75)
    return plain[found[0]] if found else None
