"""What a reply of an endpoint means: an answer, something to ask again, or a refusal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeGuard

from encore.formatting import visible
from encore.raters.judge.answers import Reply, read_reply
from encore.raters.judge.stream import is_stream, joined
from encore.raters.protocol import Usage

RETRIED = frozenset({408, 409, 425, 429})  # and every 5xx: the same request may succeed later
# Statuses that refuse everything this run would ask.
REFUSING = {
    401: "the key is missing or wrong",
    402: "the account has no credit",
    403: "the key may not use this model",
    404: "there is no such model or route",
    405: "this is not a chat completions route",
}
MAX_TOKENS = 10**8  # that one call can take; a larger number is no count
_SHOWN, _READ = 300, 2000  # characters of a message that are shown, and that are read
# What an error calls itself where it has no number, without punctuation.
_NAMED = (
    (402, re.compile("insufficient(?:quota|balance|credit)|billing|payment")),
    (429, re.compile("ratelimit|toomany|exhausted|throttl|quota")),
    (401, re.compile("authenti|apikey|unauthori[sz]ed")),
    (403, re.compile("permission|forbidden")),
    (503, re.compile("overload|unavailable|servererror|internal|timeout|timedout|apierror")),
    (404, re.compile("notfound")),
    (400, re.compile("invalid|badrequest|unsupported|contextlength")),
)
# What content policies call themselves: OpenAI, Azure, LiteLLM, Moonshot, Alibaba, Volcengine.
_POLICY_NAMES = re.compile(
    "contentfilter|contentpolicy|contentmoderation|responsibleai|datainspectionfailed|"
    "sensitivecontent|prohibitedcontent|safetycheck|guardrail"
)
# What they say: the above, Anthropic, DeepSeek, xAI, OpenRouter, Google, Zhipu and others.
_POLICY_WORDS = re.compile(
    r"content[ _-](?:filter|management policy|policy|safety|moderation|exists risk)|"
    r"content_?policy_?violation|responsible ?ai|"
    r"violat\w+ (?:\S+ ){0,3}?(?:usage|content|safety|community|use)?[ _-]?(?:polic|guideline)|"
    r"(?:prompt|input|content|request|text|message)\S* (?:(?:was|were|is|has been|been) )?"
    r"(?:flagged|blocked|filtered)|flagged (?:as|by|for)|"
    r"(?:inappropriate|sensitive|unsafe|prohibited|harmful)[ _]content|considered high risk|"
    r"(?:output|response|prompt|input) blocked|blocked (?:output|response|prompt|input)|"
    r"safety (?:system|filter|setting|polic)|safety_check|guardrail|"
    r"(?:requires|by) moderation|敏感",
    re.IGNORECASE,
)
# What is said of an account, not of a conversation.
_ACCOUNT = re.compile(
    r"\baccounts?\b|terminated|suspended|deactivated|banned|"
    r"\b(?:resource|access|organi[sz]ation|subscription) (?:has been|was|is)\b",
    re.IGNORECASE,
)
_POLICY_STATUSES = frozenset({0, 400, 403, 422, 451})
# Fields of a request that a refusal may be about.
_FIELDS = re.compile(r"log_?prob|max_\w*tokens|response_format|\bseed\b|temperature", re.IGNORECASE)


class Verdict(Enum):
    """What a reply means for a request, and for the run."""

    ANSWERED = auto()
    LATER = auto()  # the same request may succeed later
    REJECTED = auto()  # this request will never be accepted
    FILTERED = auto()  # this conversation will not: a content policy stops it
    REFUSED = auto()  # nothing that this run asks will be


@dataclass(frozen=True)
class Response:
    """A reply of the endpoint.

    Parameters
    ----------
    verdict : Verdict
        What it means.
    status : int
        The status by HTTP, or by the error in a body that HTTP calls a success; 0 if unknown.
    said : str
        What the endpoint says, for people; empty where it answered.
    words : str
        Its own words only, and more of them.
    reply : Reply, optional
        Where it answered.
    usage : Usage, optional
        Tokens as the endpoint reports them; None where it does not.
    """

    verdict: Verdict
    status: int
    said: str = ""
    words: str = ""
    reply: Reply | None = None
    usage: Usage | None = None

    @property
    def may_be_no_route(self) -> bool:
        """Whether it may come from an address where nothing takes chat completions."""
        is_page = not self.status and self.said.startswith("HTTP 2")
        return is_page or self.status in (404, 405)


def understand(status: int, raw: bytes) -> Response:
    """What the status and the body of a reply mean."""
    body = _parsed(raw)
    if 200 <= status < 300:
        return _completed(status, raw, body)
    problem = _Problem.of(body)
    # OpenAI says "too many requests" to an account without credit, too.
    status = problem.status if (status, problem.status) == (429, 402) else status
    return _failed(status, f"HTTP {status}", problem, raw)


def _completed(status: int, raw: bytes, body: Any) -> Response:
    """What a body means that HTTP calls a success."""
    usage, is_error = reported_usage(body), _is_error(body)
    if is_error or not (isinstance(body, dict) and body.get("choices")):
        problem = _Problem.of(body)
        if is_error:
            name = problem.status or problem.names[:40] or "unknown"
            return _failed(problem.status, f"HTTP {status} with error {name}", problem, raw)
        if problem.is_policy(0):
            return _failed(0, f"HTTP {status}", problem, raw)
    try:
        return Response(Verdict.ANSWERED, status, reply=read_reply(body), usage=usage)
    except (ValueError, RecursionError) as error:
        why = str(error).partition(":")[0][:_SHOWN]
        said = f"HTTP {status}, but {why}: {_shown(raw) or 'an empty body'}"
        return Response(Verdict.LATER, 0, said, usage=usage)


def _failed(status: int, title: str, problem: _Problem, raw: bytes) -> Response:
    said = f"{title}: {_short(problem.words) or _shown(raw)}".rstrip(": ")
    return Response(_verdict(status, problem), status, said, problem.words)


def _verdict(status: int, problem: _Problem) -> Verdict:
    if problem.is_policy(status):
        return Verdict.FILTERED
    if status in (403, 404, 405) and _FIELDS.search(problem.words):
        return Verdict.REJECTED
    if status in REFUSING or 300 <= status < 400:
        return Verdict.REFUSED
    if not status or status in RETRIED or (status >= 500 and status != 501):
        return Verdict.LATER
    return Verdict.REJECTED


def _is_error(body: Any) -> bool:
    """Whether a body is an error, whatever HTTP says of it."""
    if not isinstance(body, dict):
        return False
    choices = body.get("choices")
    if body.get("error") or body.get("errors"):
        return True
    if isinstance(choices, list):
        return any(isinstance(choice, dict) and bool(choice.get("error")) for choice in choices)
    return any(isinstance(body.get(name), str) for name in ("message", "detail", "msg"))


@dataclass(frozen=True)
class _Problem:
    """An error as an endpoint words it.

    *names* are what its code and type are called, without punctuation; *status* is the one that
    they amount to, 0 if none.
    """

    words: str
    names: str
    status: int

    @classmethod
    def of(cls, body: Any) -> _Problem:
        found = list(_parts(body))
        codes = [value for kind, value in found if kind == "code"]
        words = dict.fromkeys(value for kind, value in found if kind == "words")
        names = [re.sub("[^a-z0-9]", "", code.lower()) for code in codes if not code.isdecimal()]
        statuses = [int(c) for c in codes if c.isdecimal() and len(c) == 3 and "400" <= c < "600"]
        statuses += [s for name in names for s, pattern in _NAMED if pattern.search(name)][:1]
        told = " ".join("; ".join(words)[:_READ].split())
        return cls(told, " ".join(names), next(iter(statuses), 0))

    def is_policy(self, status: int) -> bool:
        """Whether a content policy stopped one conversation."""
        if _POLICY_NAMES.search(self.names):
            return True
        if status not in _POLICY_STATUSES or _ACCOUNT.search(self.words):
            return False
        return _POLICY_WORDS.search(self.words) is not None


_CODES = ("code", "type", "status", "error_type", "error_code")
_WORDS = ("message", "msg", "detail", "error_description", "title", "raw", "reasons", "loc")
_INNER = (
    *("error", "errors", "innererror", "metadata", "detail", "reasons", "choices"),
    *("promptFeedback", "prompt_feedback"),
)


def _parts(error: Any, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Codes and words of an error in any of the shapes that are about; not what it quotes."""
    if isinstance(error, str):
        yield "words", error[:_READ]
    elif isinstance(error, list) and depth < 4:
        for part in error[:3]:
            yield from _parts(part, depth + 1)
    elif isinstance(error, Mapping) and depth < 4:
        yield from _own_parts(error)
        for name in _INNER:
            if name not in _WORDS or not isinstance(error.get(name), str):
                yield from _parts(error.get(name), depth + 1)


def _own_parts(error: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Codes and words of an error without what is inside it."""
    if error.get("blockReason") or error.get("block_reason"):
        yield "code", "content_filter"
    for name in _CODES:
        code = error.get(name)
        if isinstance(code, str | int) and not isinstance(code, bool):
            yield "code", str(code)[:100]
    for name in _WORDS:
        if isinstance(value := error.get(name), str):
            yield "words", value[:_READ]
    if isinstance(where := error.get("loc"), list):
        yield "words", ".".join(str(part)[:40] for part in where[:9])


def _parsed(raw: bytes) -> Any:
    """The JSON of a body, or of a stream of chunks; else plain text; None for a page."""
    try:
        return joined(raw) if is_stream(raw) else json.loads(raw)
    except (ValueError, RecursionError):
        text = raw[:_READ].decode("utf-8", "replace").strip()
        return None if text.startswith("<") else text  # a page says little of what is wrong


def _shown(raw: bytes) -> str:
    """The beginning of a body, for people."""
    return _short(raw[: 4 * _SHOWN].decode("utf-8", "replace"))


def _short(text: str) -> str:
    return visible(" ".join(text.split())[:_SHOWN]).rstrip(".")


def reported_usage(body: Any) -> Usage | None:
    """Tokens as the endpoint reports them; None where it does not, or reports no counts."""
    used = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(used, dict):
        return None
    prompt, completion = used.get("prompt_tokens"), used.get("completion_tokens")
    details = used.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    # No prompt is empty: zero stands for "not counted".
    if not is_count(prompt) or not prompt or not is_count(completion):
        return None
    return Usage(0, prompt, min(cached, prompt) if is_count(cached) else 0, completion)


def is_count(value: Any) -> TypeGuard[int]:
    """Whether a number from outside is a whole number that tokens can come to."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS
