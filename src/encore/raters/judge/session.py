"""What is asked in one call, with what this endpoint supports, and asked again if need be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from encore.errors import EndpointError, InputError
from encore.raters.judge.answers import Reply, answer_of, answers_of
from encore.raters.judge.capabilities import MOST_ALTERNATIVES, Capabilities
from encore.raters.judge.endpoint import (
    Endpoint,
    Filtered,
    GivenUp,
    Rejected,
    Unanswered,
)
from encore.raters.judge.opening import Opening
from encore.raters.judge.options import JudgeOptions
from encore.raters.judge.prompt import (
    ANSWER_START,
    Asks,
    Fence,
    codes_of,
    conversation_prompt,
    parts_of,
    rating_schema,
    ratings_schema,
    rule_prompt,
    rules_prompt,
)
from encore.raters.judge.responses import is_count
from encore.raters.judge.schedule import Unit, Work
from encore.raters.judge.truncate import LEAST_ROOM, estimate, truncate
from encore.raters.protocol import Answer, Ledger, Reason, Usage

# Room for what the endpoint's chat template puts around a prompt.
_TEMPLATE_TOKENS = 128
# What a tokenizer may add to a text.
_ADDED_TOKENS = 8
# The first that fits.
_REASONS = {Filtered: Reason.REFUSED, Rejected: Reason.REJECTED, GivenUp: Reason.FAILED}
# A code, what may stand around it, and enough of anything else to see what it is. A judge that
# answers as asked ends after two.
_ANSWER_TOKENS = 8
# An answer in JSON, with its spaces.
_JSON_TOKENS = 48


class Session:
    """Asks one judge at one endpoint, for one run.

    Parameters
    ----------
    model : str
        The model's name.
    options : JudgeOptions
        How it is asked.
    endpoint : Endpoint
        Where to ask.
    ledger : Ledger
        Where answers go.
    asks : Asks
        What the judge is asked.
    """

    def __init__(
        self,
        model: str,
        options: JudgeOptions,
        endpoint: Endpoint,
        ledger: Ledger,
        *,
        asks: Asks = Asks.RATING,
    ) -> None:
        self.model = model
        self.options = options
        self.endpoint = endpoint
        self.ledger = ledger
        self.asks = asks
        self.n_slots: int | None = None
        self._rules = tuple(ledger.rules)
        self._codes = [codes_of(rule, asks) for rule in self._rules]
        self._capabilities = Capabilities()
        self._opening = Opening(endpoint)
        self._room: int | None = None
        self._has_tokenizer = True
        self._has_probabilities = False
        if options.reading == "text":
            self._capabilities.n_alternatives = 0

    async def begin(self) -> None:
        """Ask the endpoint first for its slots, if it is llama.cpp, and its longest prompt."""
        limits: list[Any] = [self.options.max_input_tokens]
        props = await self.endpoint.ask("/props")
        n_slots = props.get("total_slots") if isinstance(props, dict) else None
        if is_count(n_slots) and n_slots:
            # Each slot has its own cache, and the server must be told which to use.
            self.n_slots = n_slots
            settings = props.get("default_generation_settings")
            limits.append(settings.get("n_ctx") if isinstance(settings, dict) else None)
        else:
            listed = await self.endpoint.ask("/models")
            models = listed.get("data") if isinstance(listed, dict) else listed
            models = models if isinstance(models, list) else []
            named = [m for m in models if isinstance(m, dict) and m.get("id") == self.model]
            limits += [m.get("max_model_len") for m in named]
        known = [limit for limit in limits if is_count(limit) and limit]
        if known:
            self._room = min(known) - await self._overhead()
            if self._room < LEAST_ROOM:
                taken = min(known) - self._room
                raise InputError(
                    f"prompts of {min(known)} tokens leave no room for a response: rules and "
                    f"template take {taken}, and a response needs at least {LEAST_ROOM} more. "
                    f"Raise the limit."
                )

    async def ask(self, work: Work, unit: Unit, worker: int) -> None:
        """Make one call about an item, and keep its answers."""
        wanted = {(rule.id, sample) for rule, sample in self.ledger.wants(work.item)}
        rules = [self._rules[place] for place in unit.rules]
        if not any((rule.id, unit.sample) in wanted for rule in rules):
            return  # another process was faster
        if not work.prompt:
            await self._prepare(work)
        call = _Call(work.prompt, unit, worker)
        answers = await (self._all_rules(call) if self.options.batch_rules else self._one(call))
        for rule, answer in zip(rules, answers, strict=True):
            if (rule.id, unit.sample) in wanted and self._may_keep(answer):
                said = self.endpoint.redacted(answer.reply)
                answer = replace(answer, n_cut=work.n_cut, reply=said)
                self.ledger.keep(work.item, rule, answer, unit.sample)
                self._opening.see(answer)

    async def _one(self, call: _Call) -> list[Answer]:
        """Ask about one rule, and again in stricter words if the reply is not an answer."""
        place = call.unit.rules[0]
        asked = rule_prompt(self._rules[place], self.asks)
        body = self._body(call, asked, prefill=self.options.prefill)
        reply, usage = await self._reply(body)
        if isinstance(reply, Reply):
            answer = answer_of(reply, self._codes[place])
            if answer.reason is None:
                return [replace(answer, usage=usage)]
        elif reply.reason is not Reason.MALFORMED:
            return [replace(reply, usage=usage)]
        return [await self._strict(call, place, usage)]

    async def _strict(self, call: _Call, place: int, spent: Usage) -> Answer:
        """Ask about one rule again, so that the answer can only be a level."""
        rule = self._rules[place]
        schema = rating_schema(rule, self.asks)
        body = self._body(call, rule_prompt(rule, self.asks, strict=True), schema=schema)
        reply, usage = await self._reply(body)
        answer = answer_of(reply, self._codes[place]) if isinstance(reply, Reply) else reply
        return replace(answer, usage=spent + usage)

    async def _all_rules(self, call: _Call) -> list[Answer]:
        """Ask about all rules in one call, then one by one about those without an answer."""
        schema = ratings_schema(self._rules, self.asks)
        body = self._body(call, rules_prompt(self._rules, self.asks), schema=schema)
        reply, usage = await self._reply(body)
        if isinstance(reply, Reply):
            answers = answers_of(reply, self._codes)
        elif reply.reason is Reason.MALFORMED:
            answers = [reply] * len(self._rules)
        else:
            return [replace(reply, usage=Usage() if n else usage) for n in range(len(self._rules))]
        for place, answer in enumerate(answers):
            cost = usage if place == 0 else Usage()
            answers[place] = replace(answer, usage=cost)
            if answer.reason is not None:
                answers[place] = await self._strict(call, place, cost)
        return answers

    async def _reply(self, body: dict[str, Any]) -> tuple[Reply | Answer, Usage]:
        """The reply to one body, or the answer that says why there is none."""
        spent = Usage()
        while True:
            try:
                done = await self._capabilities.complete(self.endpoint, body, self._said)
            except Unanswered as error:
                reason = next(r for kind, r in _REASONS.items() if isinstance(error, kind))
                return Answer(reason=reason, reply=str(error)), spent + error.usage
            reply, usage, asked = done
            spent += usage
            self._has_probabilities |= reply.tokens is not None
            missing = reply.text and reply.tokens is None and not (reply.trouble or reply.refused)
            if missing and "logprobs" in asked and not self._has_probabilities:
                self._capabilities.n_alternatives = 0
                self._said("no logprobs")
                if asked[self._capabilities.max_tokens] == 1:
                    continue  # too short for an answer in words: ask again
            return reply, spent

    def _may_keep(self, answer: Answer) -> bool:
        """Tell the user once what is wrong; stop where probabilities are demanded and unread."""
        if answer.reason is Reason.TRUNCATED:
            self.ledger.note(
                f"Note: {self.endpoint.base_url}: answers are cut off before they give a level. A "
                f"judge that thinks first needs room for that (--max-answer-tokens 2048), or its "
                f"thinking turned off."
            )
        if not answer.trouble or self.options.reading == "text":
            return True
        told = f"{self.endpoint.base_url}: token probabilities cannot be read ({answer.trouble})"
        if self.options.reading == "probabilities":
            self.endpoint.stop(
                EndpointError(f"{told}. Read ratings from the words instead (--reading text).")
            )
            return False
        self.ledger.note(f"Note: {told}; such ratings are read from the words and have no spread.")
        return True

    def _said(self, change: str) -> None:
        """Tell the user what the endpoint cannot do, and what that does to ratings."""
        if change == "no logprobs" and self.options.reading == "probabilities":
            self.endpoint.stop(
                EndpointError(
                    f"{self.endpoint.base_url} gives no token probabilities. Read ratings from "
                    f"its words (--reading text), with --n-samples for a spread."
                )
            )
        meaning = {
            "no logprobs": "it gives no token probabilities, so ratings are read from its words "
            "and have no spread; --n-samples gives one",
            "no seed": "it accepts no seed, so another run may give other ratings",
            "no temperature": "it sets the temperature itself, so another run may give other "
            "ratings",
            "no response_format": "it accepts no JSON schema, so more answers may be malformed",
        }
        kind, _, number = change.partition(" ")
        if kind == "max_tokens" and number:
            meaning[change] = (
                f"it wants room for {number} tokens in every answer, so each may cost that many"
            )
        most = max(len(codes.names) for codes in self._codes)
        if kind == "top_logprobs" and int(number) < most:
            meaning[change] = (
                f"it gives the {number} most likely tokens, fewer than the {most} that an answer "
                f"may be, so spreads are a little too small"
            )
        if change in meaning:
            self.ledger.note(f"Note: {self.endpoint.base_url}: {meaning[change]}.")

    def _body(
        self,
        call: _Call,
        asked: str,
        *,
        schema: dict[str, Any] | None = None,
        prefill: bool = False,
    ) -> dict[str, Any]:
        messages = [{"role": "user", "content": call.prompt + asked}]
        body: dict[str, Any] = {"model": self.model, "messages": messages}
        if prefill:
            messages.append({"role": "assistant", "content": ANSWER_START})
            body |= {"add_generation_prompt": False, "continue_final_message": True}
        body |= {
            "temperature": self.options.temperature,
            "seed": self.options.seed + call.unit.sample,
        }
        if self.n_slots is not None:
            body |= {"id_slot": call.worker, "cache_prompt": True}
        if schema is not None:
            body["response_format"] = schema
        n_tokens = _JSON_TOKENS * len(call.unit.rules) if schema else _ANSWER_TOKENS
        body |= {"max_tokens": self.options.max_answer_tokens or n_tokens}
        body |= {"logprobs": True, "top_logprobs": MOST_ALTERNATIVES, **self.options.extra}
        return body

    async def _prepare(self, work: Work) -> None:
        """Write the prompt that all rules share."""
        fence = Fence.of(work.item, self.options.fence_key)
        parts = parts_of(work.item, self.asks)
        if self._room is not None:
            parts, work.n_cut = await truncate(parts, self._room, self._count, fence.mark)
        work.prompt = conversation_prompt(parts, fence, self.asks)

    async def _overhead(self) -> int:
        """Prompt tokens besides the conversation's, for the longest rule."""
        asked = (
            rules_prompt(self._rules, self.asks)
            if self.options.batch_rules
            else max((rule_prompt(rule, self.asks, strict=True) for rule in self._rules), key=len)
        )
        marks = conversation_prompt([], Fence("0" * 12), self.asks)
        answer = self.options.max_answer_tokens or _JSON_TOKENS * (
            len(self._rules) if self.options.batch_rules else 1
        )
        return await self._count(marks + asked) + answer + _TEMPLATE_TOKENS

    async def _count(self, text: str) -> int:
        """Tokens of a text: the endpoint's own count where it has one, else an estimate."""
        if self._has_tokenizer:
            body = {"content": text, "prompt": text, "model": self.model}
            counted = await self.endpoint.ask("/tokenize", {**body, "add_special_tokens": False})
            tokens = counted.get("tokens") if isinstance(counted, dict) else None
            # A token has at least one byte; a few may be added at the beginning and the end.
            most = len(text.encode("utf-8", "replace")) + _ADDED_TOKENS
            if isinstance(tokens, list) and bool(text) <= len(tokens) <= most:
                return len(tokens)
            self._has_tokenizer = False
        return await estimate(text)


@dataclass(frozen=True)
class _Call:
    """One call: the shared prompt, what is asked, and the worker that asks."""

    prompt: str
    unit: Unit
    worker: int
