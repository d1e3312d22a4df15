"""A judge behind an endpoint, from texts to the ratings table."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from encore import BudgetError, EndpointError, InputError, Rulebook
from encore.raters import Job, Judge, JudgeOptions, Limits, Rated, Store, Usage, rate
from encore.raters.judge import endpoint as endpoint_module
from encore.rules import LevelScale, RangeScale, Rule
from tests.raters.steady import Asked, SteadyEndpoint, chat, rating, weighed, whole
from tests.raters.unruly import Act, UnrulyEndpoint, rates, says, status

SCALE = LevelScale((1, 2, 3, 4, 5))
KIND = Rule("kind", "Is kind.", SCALE)
RULES = Rulebook((KIND, Rule("brief", "Is brief.", SCALE), Rule("true", "Tells no lie.", SCALE)))
KEY = "sk-very-secret"


@pytest.fixture(autouse=True)
def quick(peer: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    peer("aiohttp")
    monkeypatch.setattr(endpoint_module, "_BACKOFF", 0.002)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return texts(tmp_path, "one", "two", "three", "four")


def texts(folder: Path, *responses: str) -> Path:
    rows = [{"prompt": f"About {text}?", "response": text} for text in responses]
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def judge(server: SteadyEndpoint, *, limits: Limits | None = None, **options: Any) -> Judge:
    return Judge("m", server.url, options=JudgeOptions(**options), limits=limits, api_key=KEY)


def scripted(data: Path, *script: Act, rules: Rulebook | None = None, **options: Any) -> Any:
    """The ratings, the requests and the notes of a run over replies in this order."""
    limits = Limits(concurrency=1, attempts=2)
    with UnrulyEndpoint(script=script) as server, Store() as store:
        job = Job(data, rules or Rulebook((KIND,)), judge(server, limits=limits, **options), store)
        job.run()
        return job.rated(), server.asked, job.notes


def column(rated: Rated, name: str = "kind") -> list[Any]:
    return list(rated.table.column(name).to_pylist())


# --- what is read ---------------------------------------------------------------------------


def test_each_rating_is_the_expected_level_of_its_own_prompt(data: Path) -> None:
    with SteadyEndpoint(0.0) as server:
        rated = rate(data, RULES, judge(server))
    values = {(text, rule.id): value for text, rule, value in cells(rated)}
    assert len(server.asked) == len(values) == 12
    for asked in server.asked:
        top = rating(asked.prompt)["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        expected = sum(int(t["token"]) * math.exp(t["logprob"]) for t in top)
        assert values[about(asked)] == pytest.approx(expected)


def cells(rated: Rated) -> list[tuple[str, Rule, float]]:
    names = ("one", "two", "three", "four")
    return [
        (name, rule, rated.table.column(rule.id)[place].as_py())
        for place, name in enumerate(names)
        for rule in RULES
    ]


def about(asked: Asked) -> tuple[str, str]:
    text = asked.prompt.split("<<response to rate ")[1].split("\n")[1]
    rule = next(rule.id for rule in RULES if f"Rule: {rule.text}\n" in asked.prompt)
    return text, rule


def test_the_conversation_is_one_prefix_for_all_rules(data: Path) -> None:
    with SteadyEndpoint(0.0) as server:
        rate(data, RULES, judge(server))
    prefixes: dict[str, set[str]] = {}
    for asked in server.asked:
        prefix, _, rest = asked.prompt.partition("\n\nRule: ")
        prefixes.setdefault(about(asked)[0], set()).add(prefix)
        assert rest.startswith(next(rule.text for rule in RULES if rule.id == about(asked)[1]))
    assert len(prefixes) == 4 and all(len(same) == 1 for same in prefixes.values())


def test_a_short_answer_is_asked_for_at_temperature_zero_with_a_fixed_seed(data: Path) -> None:
    with SteadyEndpoint(0.0) as server:
        rate(data, RULES, judge(server))
    for asked in server.asked:
        assert {**asked.body, "messages": None} == {
            **{"model": "m", "messages": None, "temperature": 0.0, "seed": 0, "max_tokens": 8},
            **{"logprobs": True, "top_logprobs": 20},
        }


def test_a_begun_answer_is_gone_on_with(data: Path) -> None:
    with SteadyEndpoint(0.0) as server:
        rate(data, RULES, judge(server, prefill=True, extra={"top_k": 3}))
    body = server.asked[0].body
    assert body["messages"][1] == {"role": "assistant", "content": "Rating: "}
    assert (body["add_generation_prompt"], body["continue_final_message"]) == (False, True)
    assert body["top_k"] == 3


def test_words_are_read_where_there_are_no_probabilities_and_it_is_said(data: Path) -> None:
    rated, asked, notes = scripted(data, says(chat("4")))
    assert column(rated) == [4.0] * 4 and "kind.spread" not in rated.table.column_names
    # A level in words needs room, and there is: nothing is asked twice.
    assert [request.body["max_tokens"] for request in asked] == [8, 8, 8, 8]
    assert len(notes) == 1 and "gives no token probabilities" in notes[0]


def test_missing_probabilities_are_an_error_where_they_are_demanded(data: Path) -> None:
    with pytest.raises(EndpointError, match=r"gives no token probabilities\. Read ratings from"):
        scripted(data, says(chat("4")), reading="probabilities")


NAMELESS = weighed("token_id:19", {"token_id:19": 1.0}, message={"content": "4"})
NULL = chat(
    "4", logprobs={"content": [{"token": "4", "top_logprobs": [{"token": "4", "logprob": None}]}]}
)


@pytest.mark.parametrize(
    ("reply", "why"),
    [(NAMELESS, "its tokens are not spelled like its words"), (NULL, "a log probability is null")],
)
def test_probabilities_that_cannot_be_read_leave_the_words_and_it_is_said_once(
    data: Path, reply: Any, why: str
) -> None:
    rated, asked, notes = scripted(data, says(reply))
    assert column(rated) == [4.0] * 4 and "kind.spread" not in rated.table.column_names
    # They are still asked for: another reply may have some that can be read.
    assert len(asked) == 4 and all("logprobs" in request.body for request in asked)
    assert len(notes) == 1 and f"token probabilities cannot be read ({why})" in notes[0]
    assert scripted(data, says(reply), reading="text")[2] == []


def test_where_probabilities_are_demanded_the_words_are_not_kept(data: Path) -> None:
    with UnrulyEndpoint(script=[rates, says(NAMELESS)]) as server, Store() as store:
        who = judge(server, limits=Limits(concurrency=1), reading="probabilities")
        job = Job(data, Rulebook((KIND,)), who, store)
        with pytest.raises(EndpointError, match=r"cannot be read .*--reading text"):
            job.run()
        assert [value is None for value in column(job.rated())] == [False, True, True, True]


def test_a_refusal_without_probabilities_does_not_turn_them_off(data: Path) -> None:
    blocked = chat("I cannot", finish="SAFETY", message={"content": None})
    rated, asked, notes = scripted(
        data, says(blocked), says(blocked), says(weighed("4", {"4": 1.0}))
    )
    assert rated.coverage[0].reasons == {"refused": 1} and column(rated)[1:] == [4.0] * 3
    assert all("logprobs" in request.body for request in asked) and notes == []


def test_a_judge_that_thinks_too_long_is_told_of(data: Path) -> None:
    message = {"content": None, "reasoning_content": "Let me see: 4"}
    rated, _, notes = scripted(data, says(chat("", "length", message=message)))
    assert rated.coverage[0].reasons == {"truncated": 4}
    assert len(notes) == 1 and "--max-answer-tokens" in notes[0]


@pytest.mark.parametrize("scale", [LevelScale(tuple(range(11))), RangeScale(0.0, 1.0)])
@pytest.mark.parametrize("word", ["I", "A"])
def test_the_first_token_of_a_refusal_is_no_level(data: Path, scale: Any, word: str) -> None:
    rules = Rulebook((Rule("kind", "Is kind.", scale),))
    refusal = weighed(word, {word: 0.93, "As": 0.07}, finish="length")
    rated, _, _ = scripted(data, says(refusal), rules=rules)
    assert column(rated) == [None] * 4


def test_samples_are_drawn_with_their_own_seeds_and_pooled(tmp_path: Path) -> None:
    script = [says(chat(level)) for level in ("5", "5", "2", "5")]
    one = texts(tmp_path, "one")
    rated, asked, _ = scripted(one, *script, reading="text", n_samples=4, seed=10)
    assert [request.body["seed"] for request in asked] == [10, 11, 12, 13]
    assert {request.body["temperature"] for request in asked} == {1.0}
    # Three of four say 5: (3 * 5 + 2) / 4, and the entropy of (3/4, 1/4) with 1 / (2 * 4) for the
    # second level of four answers.
    assert column(rated) == [pytest.approx(4.25)]
    entropy = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    assert column(rated, "kind.spread") == [pytest.approx(entropy + 1 / 8)]


# --- unrated --------------------------------------------------------------------------------

STRICT = 'Write only JSON of this form: {"rating": 5}'


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (chat("I would rather not say."), "malformed"),
        (chat("9"), "out of scale"),
        (chat("<think>Let me", finish="length"), "truncated"),
        (chat("No.", finish="content_filter"), "refused"),
        (weighed("I", {"I": 0.9, "4": 0.1}), "malformed"),
    ],
)
def test_what_is_no_level_is_asked_once_more_and_then_unrated(
    tmp_path: Path, reply: Any, reason: str
) -> None:
    rated, asked, _ = scripted(texts(tmp_path, "one"), says(reply), reading="text")
    assert column(rated) == [None] and rated.coverage[0].reasons == {reason: 1}
    assert [STRICT in request.prompt for request in asked] == [False, True]
    schema = asked[1].body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["rating"]["enum"] == [1, 2, 3, 4, 5]


def test_the_stricter_question_may_well_be_answered(tmp_path: Path) -> None:
    script = [says(chat("Very kind!")), says(chat('{"rating": 4}'))]
    rated, asked, _ = scripted(texts(tmp_path, "one"), *script, reading="text")
    assert column(rated) == [4.0] and rated.coverage[0].reasons == {}
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("replies", "options", "n_calls"),
    [
        # No level: asked again in stricter words.
        ([chat("Very kind!"), chat('{"rating": 4}')], {"reading": "text"}, 2),
        # Read neither time: the second call cost as much.
        ([chat("Very kind!"), chat("Kind!")], {"reading": "text"}, 2),
        # Cut off where a number may have gone on, and no probabilities.
        ([chat("4", "length"), chat('{"rating": 4}')], {}, 2),
    ],
)
def test_what_is_asked_again_costs_every_call(
    tmp_path: Path, replies: list[Any], options: dict[str, Any], n_calls: int
) -> None:
    script = [says(reply) for reply in replies]
    # Each call took 100 tokens in and 1 out.
    spent = cost(texts(tmp_path, "one"), Rulebook((KIND,)), *script, **options)
    assert spent == Usage(n_calls, 100 * n_calls, 0, n_calls)


def test_a_call_for_all_rules_is_counted_once_beside_those_asked_again(tmp_path: Path) -> None:
    # Of three rules the first and the last are not levels, so each is asked again alone: 1 + 2.
    script = [says(chat('{"1": 9, "2": 3, "3": 9}')), says(chat('{"rating": 2}'))]
    data = texts(tmp_path, "one")
    assert cost(data, RULES, *script, batch_rules=True, reading="text") == Usage(3, 300, 0, 3)


def cost(data: Path, rules: Rulebook, *script: Act, **options: Any) -> Usage:
    """What a run over replies in this order cost, by the answers that it keeps."""
    with UnrulyEndpoint(script=script) as server, Store() as store:
        job = Job(data, rules, judge(server, limits=Limits(concurrency=1), **options), store)
        job.run()
        return job.usage


def test_a_request_that_is_rejected_is_unrated_and_the_run_goes_on(tmp_path: Path) -> None:
    script = [rates, status(400, "the prompt is too long"), rates]
    rated, asked, _ = scripted(texts(tmp_path, "one", "two", "three"), *script)
    values = column(rated)
    assert (values[0] is None, values[1], values[2] is None) == (False, None, False)
    assert rated.coverage[0].reasons == {"rejected": 1} and len(asked) == 3


def test_no_answer_after_all_attempts_is_not_stored_and_asked_by_the_next_run(
    tmp_path: Path,
) -> None:
    data = texts(tmp_path, "one", "two", "three")
    script = [rates, status(500), status(500), rates]
    with UnrulyEndpoint(script=script) as server:
        who = judge(server, limits=Limits(concurrency=1, attempts=2))
        rated = rate(data, Rulebook((KIND,)), who, store=tmp_path / "s.sqlite")
        assert rated.coverage[0].reasons == {"failed": 1} and len(server.asked) == 4
        rated = rate(data, Rulebook((KIND,)), who, store=tmp_path / "s.sqlite")
        assert rated.coverage[0].n_rated == 3 and len(server.asked) == 5


def test_what_an_endpoint_does_not_understand_is_left_out_and_said_once(data: Path) -> None:
    script = [
        status(400, "Unknown field: seed"),
        status(400, "logprobs not supported"),
        says(chat("3")),
    ]
    rated, asked, notes = scripted(data, *script)
    assert column(rated) == [3.0] * 4
    assert "seed" in asked[0].body and all("seed" not in request.body for request in asked[1:])
    assert len(notes) == 2
    assert sum("accepts no seed" in note for note in notes) == 1
    assert sum("no token probabilities" in note for note in notes) == 1


# --- all rules in one call ------------------------------------------------------------------


def test_all_rules_are_asked_in_one_call(data: Path) -> None:
    said = says(chat('{"1": 5, "2": 3, "3": 1}'))
    rated, asked, _ = scripted(data, said, rules=RULES, batch_rules=True, reading="text")
    assert len(asked) == 4
    assert [column(rated, rule.id) for rule in RULES] == [[5.0] * 4, [3.0] * 4, [1.0] * 4]
    schema = asked[0].body["response_format"]["json_schema"]["schema"]
    assert sorted(schema["properties"]) == ["1", "2", "3"]


def test_a_rule_that_the_one_call_leaves_out_is_asked_alone(tmp_path: Path) -> None:
    script = [says(chat('{"1": 5, "3": 9}')), says(chat('{"rating": 2}'))]
    data = texts(tmp_path, "one")
    rated, asked, _ = scripted(data, *script, rules=RULES, batch_rules=True, reading="text")
    assert [column(rated, rule.id) for rule in RULES] == [[5.0], [2.0], [2.0]]
    assert [STRICT in request.prompt for request in asked] == [False, True, True]


def test_rated_together_and_rated_alone_are_different_ratings(data: Path, tmp_path: Path) -> None:
    with SteadyEndpoint(0.0, lambda prompt: '{"1": 5, "2": 3, "3": 1}') as server:
        store = tmp_path / "s.sqlite"
        rate(data, RULES, judge(server, batch_rules=True), store=store)
        n_asked = len(server.asked)
        # Another rule beside them may change what a judge says of each.
        rate(data, Rulebook(RULES.rules[:2]), judge(server, batch_rules=True), store=store)
        assert len(server.asked) > n_asked


# --- going on -------------------------------------------------------------------------------


def test_a_second_run_asks_nothing_and_a_new_rule_asks_for_itself(
    data: Path, tmp_path: Path
) -> None:
    with SteadyEndpoint(0.0) as server:
        for rules, n_asked in ((RULES.rules[:2], 8), (RULES.rules[:2], 8), (RULES.rules, 12)):
            rate(data, Rulebook(rules), judge(server), store=tmp_path / "s.sqlite")
            assert len(server.asked) == n_asked
    assert set(Counter(about(asked) for asked in server.asked).values()) == {1}


def test_a_changed_rule_is_rated_anew_and_no_other(data: Path, tmp_path: Path) -> None:
    with SteadyEndpoint(0.0) as server:
        rate(data, RULES, judge(server), store=tmp_path / "s.sqlite")
        changed = Rulebook((Rule("kind", "Is very kind.", SCALE), *RULES.rules[1:]))
        server.asked.clear()
        rate(data, changed, judge(server), store=tmp_path / "s.sqlite")
    assert len(server.asked) == 4
    assert all("Rule: Is very kind.\n" in asked.prompt for asked in server.asked)


def test_an_endpoint_that_dies_leaves_what_it_gave(tmp_path: Path) -> None:
    data = texts(tmp_path, *(f"text {n}" for n in range(30)))
    store = tmp_path / "s.sqlite"
    with UnrulyEndpoint(script=[*[rates] * 20, status(503)]) as server:
        who = judge(server, limits=Limits(concurrency=1, attempts=2))
        with pytest.raises(EndpointError, match="5 calls in a row failed"):
            rate(data, Rulebook((KIND,)), who, store=store)
        assert len(server.asked) == 20 + 5 * 2
    with SteadyEndpoint(0.0) as server:
        rated = rate(data, Rulebook((KIND,)), judge(server), store=store)
        assert len(server.asked) == 10 and rated.coverage[0].n_rated == 30


def test_a_budget_ends_the_run_with_what_it_bought(data: Path, tmp_path: Path) -> None:
    with SteadyEndpoint(0.0) as server:
        who = judge(server, limits=Limits(max_requests=5))
        with pytest.raises(BudgetError, match="the budget of 5 requests is spent"):
            rate(data, RULES, who, store=tmp_path / "s.sqlite")
        assert len(server.asked) == 5
    with Store(tmp_path / "s.sqlite") as store:
        assert store.info().raters[0]["n_answers"] == 5


def test_it_works_inside_an_event_loop_such_as_a_notebook_s(data: Path) -> None:
    async def cell() -> Rated:
        return rate(data, RULES, judge(server))

    with SteadyEndpoint(0.0) as server:
        assert asyncio.run(cell()).coverage[0].n_rated == 4


def test_the_key_is_in_no_file_no_note_and_no_message(data: Path, tmp_path: Path) -> None:
    script = [
        status(500, f"your key {KEY} is fine, we are not"),
        status(400, f"seed: not for {KEY}"),
        *[rates] * 10,
        status(401, f"{KEY} has expired"),
    ]
    with UnrulyEndpoint(script=script) as server, Store(tmp_path / "s.sqlite") as store:
        job = Job(data, RULES, judge(server, limits=Limits(concurrency=1)), store)
        with pytest.raises(EndpointError) as ended:
            job.run()
        job.rated().save(tmp_path / "out.parquet")
        said = f"{ended.value!r} {ended.value} {job.notes} {job.rater!r} {job.rater.identity}"
        files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert KEY not in said and len(job.notes) == 2
    assert KEY.encode() not in files and len(files) > 1000


# --- what the endpoint says of itself -------------------------------------------------------


@dataclass
class TalkingEndpoint(SteadyEndpoint):
    """Tells its longest prompt as vLLM does, or its slots as llama.cpp does; a word is a token."""

    max_model_len: int | None = None
    n_slots: int | None = None
    n_ctx: int = 4096

    async def other(self, head: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        path = head.split()[1]
        if path == "/props" and self.n_slots is not None:
            settings = {"n_ctx": self.n_ctx}
            told: Any = {"total_slots": self.n_slots, "default_generation_settings": settings}
        elif path == "/v1/models" and self.max_model_len is not None:
            told = {
                "data": [
                    {"id": "other", "max_model_len": 9},
                    {"id": "m", "max_model_len": self.max_model_len},
                ]
            }
        elif path == "/tokenize":
            told = {"tokens": json.loads(body)["content"].split()}
        else:
            told = None
        writer.write(whole(told, 404 if told is None else 200))


LONG = " ".join(f"w{number}" for number in range(2000))


@pytest.mark.parametrize(
    "endpoint",
    [TalkingEndpoint(0.0, max_model_len=600), TalkingEndpoint(0.0, n_slots=1, n_ctx=600)],
    ids=["vllm", "llama.cpp"],
)
def test_an_overlong_response_is_cut_to_what_the_endpoint_takes(
    endpoint: TalkingEndpoint, tmp_path: Path
) -> None:
    data = texts(tmp_path, LONG, "short")
    with endpoint as server:
        rated = rate(data, RULES, judge(server))
    assert rated.n_cut == 1
    sizes = sorted(len(asked.prompt.split()) for asked in server.asked)
    assert 300 < sizes[-1] < 600 and "tokens left out" in str([a.prompt for a in server.asked])
    # The shared part is cut once, so that it is still one prefix.
    assert len({asked.prompt.partition("\n\nRule: ")[0] for asked in server.asked}) == 2


def test_a_limit_of_ours_is_kept_where_the_endpoint_has_none(tmp_path: Path) -> None:
    with SteadyEndpoint(0.0) as server:
        rate(texts(tmp_path, LONG), RULES, judge(server, max_input_tokens=1000))
    # Without a tokenizer three bytes count as a token.
    assert all(1500 < len(asked.prompt.encode()) <= 3000 for asked in server.asked)


def test_a_limit_with_no_room_for_a_response_is_refused(data: Path) -> None:
    with (
        TalkingEndpoint(0.0, max_model_len=100) as server,
        pytest.raises(InputError, match="no room"),
    ):
        rate(data, RULES, judge(server))


def test_llama_cpp_is_asked_slot_by_slot(data: Path) -> None:
    with TalkingEndpoint(0.01, n_slots=2) as server:
        rate(data, RULES, judge(server, limits=Limits(concurrency=8)))
    assert server.most_in_flight == 2
    slots: dict[str, set[int]] = {}
    for asked in server.asked:
        slots.setdefault(about(asked)[0], set()).add(asked.body["id_slot"])
        assert asked.body["cache_prompt"] is True
    assert all(len(used) == 1 for used in slots.values())
    assert set.union(*slots.values()) == {0, 1}
