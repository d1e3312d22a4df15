"""Whole runs against endpoints with habits of their own: what a user is told, and what is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encore import EncoreError, EndpointError, InputError, RatingsError, Rulebook
from encore.cli.main import main
from encore.raters import Item, Job, Judge, JudgeOptions, Limits, Rated, Store, choose_rules, rate
from encore.raters.judge import endpoint as endpoint_module
from encore.raters.judge.opening import MAX_UNREAD
from encore.rules import LevelScale, Rule
from tests.raters.judge.test_responses import POLICIES
from tests.raters.steady import Asked, SteadyEndpoint, chat, weighed, whole
from tests.raters.unruly import Act, UnrulyEndpoint, says, status

KIND = Rulebook((Rule("kind", "Is kind.", LevelScale((1, 2, 3, 4, 5))),))
KEY = "sk-very-secret-key"
FOUR = weighed("4", {"4": 0.7, "5": 0.3})  # 4.3


@pytest.fixture(autouse=True)
def quick(peer: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    peer("aiohttp")
    monkeypatch.setattr(endpoint_module, "_BACKOFF", 0.002)


@dataclass
class Run:
    """What a run came to."""

    rated: Rated | None
    error: EncoreError | None
    asked: list[Asked]
    notes: list[str]
    stored: list[dict[str, Any]]

    @property
    def values(self) -> list[float | None]:
        assert self.rated is not None, self.error
        return list(self.rated.table.column("kind").to_pylist())


def texts(folder: Path, n: int) -> Path:
    path = folder / "texts.jsonl"
    rows = [{"prompt": f"Question {number}?", "response": f"R{number}."} for number in range(n)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def judged(data: Path, server: SteadyEndpoint, *, concurrency: int = 1, **options: Any) -> Run:
    """A run against a server, two attempts a call."""
    limits = Limits(concurrency=concurrency, attempts=2)
    who = Judge("m", server.url, options=JudgeOptions(**options), limits=limits, api_key=KEY)
    with Store() as store:
        job = Job(data, KIND, who, store)
        try:
            job.run()
            rated, error = job.rated(), None
        except EncoreError as stopped:
            rated, error = None, stopped
        return Run(rated, error, server.asked, job.notes, list(store.rows()))


def scripted(folder: Path, n: int, *script: Act, **options: Any) -> Run:
    with UnrulyEndpoint(script=script) as server:
        return judged(texts(folder, n), server, **options)


# --- HTTP 200 is no success -------------------------------------------------------------------

BUSY = {"error": {"message": "Rate limit exceeded", "code": 429}, "user_id": "u"}


def test_every_other_reply_is_an_error_with_status_200_and_all_is_rated(tmp_path: Path) -> None:
    run = scripted(tmp_path, 8, *[says(FOUR), says(BUSY)] * 8, says(FOUR))
    assert run.values == [pytest.approx(4.3)] * 8
    # The first call is answered at once, each other one after an error.
    assert len(run.asked) == 1 + 2 * 7


@pytest.mark.parametrize(
    "body",
    [
        BUSY,
        {"choices": []},
        {"choices": None},
        {"id": "x"},
        [],
        b"",
        b"<html>busy</html>",
        b"OK",
        b"{",
    ],
)
def test_an_unreadable_reply_is_no_answer_and_stored_as_none(tmp_path: Path, body: Any) -> None:
    run = scripted(tmp_path, 3, says(FOUR), says(body), says(body), says(FOUR))
    assert run.values[1] is None and run.values[::2] == [pytest.approx(4.3)] * 2
    assert run.rated is not None and run.rated.coverage[0].reasons == {"failed": 1}
    assert len(run.stored) == 2


def test_a_run_without_a_readable_reply_stops_and_says_what_it_got(tmp_path: Path) -> None:
    run = scripted(tmp_path, 30, says(b"<html>Log in</html>"))
    assert isinstance(run.error, EndpointError) and run.stored == []
    assert "not a chat completion: <html>Log in</html>" in str(run.error)


def test_a_run_whose_first_answers_are_all_malformed_stops_with_the_count(tmp_path: Path) -> None:
    run = scripted(tmp_path, 60, says(chat("Good day! \x1b[2J")), reading="text")
    assert isinstance(run.error, EndpointError)
    assert f"none of the first {MAX_UNREAD} answers is a rating: 20 malformed" in str(run.error)
    assert r"The last: 'Good day! \x1b[2J'" in str(run.error)
    # Each was asked for twice, the second time in stricter words.
    assert (len(run.stored), len(run.asked)) == (20, 40)


def test_malformed_and_unreadable_answers_are_counted_together(tmp_path: Path) -> None:
    # In turn: malformed (twice asked), unreadable (twice tried).
    script = [says(chat("Hm.")), says(chat("Hm.")), says(b"?"), says(b"?")] * 40
    run = scripted(tmp_path, 60, *script, reading="text")
    assert "the first 20 answers is a rating: 10 malformed, 10 failed" in str(run.error)


def test_one_rating_among_the_first_keeps_the_run_going(tmp_path: Path) -> None:
    script = [*[says(chat("Hm."))] * 38, says(chat("4")), says(chat("Hm."))]
    run = scripted(tmp_path, 60, *script, reading="text")
    assert run.values == [None] * 19 + [4.0] + [None] * 40


def test_refusals_neither_count_among_the_first_nor_end_the_count(tmp_path: Path) -> None:
    refused = says(chat("", finish="content_filter"))
    filtered = status(400, "Output blocked by content filtering policy")
    # 30 refused, 10 malformed (each asked twice), 30 filtered: the run lives …
    script = [*[refused] * 30, *[says(chat("Hm."))] * 20, *[filtered] * 30]
    run = scripted(tmp_path, 70, *script, reading="text")
    assert run.rated is not None
    assert run.rated.coverage[0].reasons == {"refused": 60, "malformed": 10}
    # … and after ten more malformed ones it does not.
    run = scripted(tmp_path, 90, *script, says(chat("Hm.")), reading="text")
    assert "the first 20 answers is a rating: 20 malformed" in str(run.error)


# --- content policies -------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize(("code", "body"), POLICIES)
def test_forty_filtered_conversations_end_no_run(
    tmp_path: Path, code: int, body: Any, concurrency: int
) -> None:
    run = scripted(tmp_path, 42, *[says(body, code)] * 40, says(FOUR), concurrency=concurrency)
    assert run.rated is not None, run.error
    assert run.rated.coverage[0].reasons == {"refused": 40} and len(run.asked) == 42
    assert {row["reason"] for row in run.stored} == {"refused", None}


def test_what_is_sent_in_vain_is_counted_among_the_requests(tmp_path: Path) -> None:
    data = texts(tmp_path, 3)
    filtered = status(400, "Content Exists Risk")
    script = [status(400, "logprobs is not supported"), filtered, says(chat("4"))]
    with UnrulyEndpoint(script=script) as server, Store() as store:
        job = Job(data, KIND, Judge("m", server.url, limits=Limits(concurrency=1)), store)
        job.run()
        assert job.usage.n_requests == len(server.asked) == 4


# --- errors in foreign words ------------------------------------------------------------------

NO_LOGPROBS = [
    (403, "You are not allowed to request logprobs from this model"),
    (400, "logprobs not supported"),
    (400, "Logprobs is not enabled for models/gemini-2.5-pro"),
    (400, "Unable to submit request because Logprobs is not supported for this model."),
    (422, "body.logprobs: Extra inputs are not permitted"),
    (400, "property 'logprobs' is unsupported"),
    (400, 'Invalid JSON payload received. Unknown name "top_logprobs": Cannot find field.'),
    (400, "x does not support parameters: ['logprobs', 'top_logprobs'], for model=x-3.5-4"),
    (501, "log probabilities are not implemented"),
    (400, "20 is greater than the maximum of 1 - 'logprobs'"),
]


@pytest.mark.parametrize(("code", "message"), NO_LOGPROBS)
def test_where_no_probabilities_are_given_the_words_are_read(
    tmp_path: Path, code: int, message: str
) -> None:
    run = scripted(tmp_path, 3, status(code, message), says(chat("4")))
    assert run.values == [4.0] * 3
    assert [("logprobs" in asked.body) for asked in run.asked] == [True, False, False, False]
    assert sum("no token probabilities" in note for note in run.notes) == 1


@pytest.mark.parametrize(
    ("message", "most"),
    [
        ("Requested sample logprobs of 20, which is is greater than max allowed: 5", 5),
        ("Invalid value for 'top_logprobs': must be less than or equal to 5.", 5),
        ("top_logprobs: Expected at most 5, got 20", 5),
        ("top_logprobs must be between 0 and 5", 5),
        ("Range of top_logprobs should be [0, 5]", 5),
        ("top_logprobs: expected a value <= 5, but got 20 instead (model x-4.1-8b)", 5),
        ("1 validation error: top_logprobs Input should be less than or equal to 10", 10),
        ("Cannot request more than 5 logprobs.", 5),
        ("logprobs may be at most 3", 3),
        # Text Generation Inference.
        ("Input validation error: `top_n_tokens` must be >= 0 and <= 5. Given: 20", 5),
        ("the value of top_logprobs is too large", 5),
    ],
)
def test_as_many_alternatives_are_asked_for_as_the_endpoint_says(
    tmp_path: Path, message: str, most: int
) -> None:
    class Limited(UnrulyEndpoint):
        async def respond(self, asked: Asked, writer: Any) -> None:
            too_many = asked.body["top_logprobs"] > most
            await (status(400, message) if too_many else says(FOUR))(asked, writer)

    with Limited() as server:
        run = judged(texts(tmp_path, 3), server)
    assert run.values == [pytest.approx(4.3)] * 3
    assert [asked.body["top_logprobs"] for asked in run.asked] == [20, most, most, most]
    # Five levels: fewer alternatives cannot show them all.
    assert len(run.notes) == (most < 5)


@pytest.mark.parametrize(
    "message",
    [
        "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got "
        "1 instead.",
        "max_tokens: minimum value 16",
        "max_completion_tokens must be at least 16",
        "'max_tokens' is too small: expected a value ≥ 16",
    ],
)
def test_an_answer_has_the_least_room_that_is_allowed_and_it_is_said(
    tmp_path: Path, message: str
) -> None:
    class Roomy(UnrulyEndpoint):
        async def respond(self, asked: Asked, writer: Any) -> None:
            little = asked.body["max_tokens"] < 16
            await (status(400, message) if little else says(FOUR))(asked, writer)

    with Roomy() as server:
        run = judged(texts(tmp_path, 3), server)
    assert run.values == [pytest.approx(4.3)] * 3
    assert [asked.body["max_tokens"] for asked in run.asked][1:] == [16] * 3
    assert sum("room for 16 tokens in every answer" in note for note in run.notes) == 1


def test_many_habits_at_once_are_not_a_row_of_failures(tmp_path: Path) -> None:
    troubles = [
        "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
        "logprobs is not supported",
        "temperature: only the default (1) value is supported",
        "Unknown field: seed",
        "max_completion_tokens: expected a value >= 16",
        "This model only support stream mode, please enable the stream parameter",
    ]
    script = [*(status(400, trouble) for trouble in troubles), says(chat("4"))]
    run = scripted(tmp_path, 2, *script)
    assert run.values == [4.0] * 2
    body = run.asked[-1].body
    assert (body["max_completion_tokens"], body["stream"]) == (16, True)
    assert not {"max_tokens", "logprobs", "top_logprobs", "temperature", "seed"} & set(body)


@pytest.mark.parametrize("always", [False, True])
def test_an_endpoint_that_only_streams_is_read(tmp_path: Path, always: bool) -> None:
    """*always*: it streams whatever is asked; else it says that it must be asked."""

    def chunks(body: dict[str, Any]) -> bytes:
        (choice,) = body["choices"]
        parts = [{**choice, "delta": choice["message"], "finish_reason": None}, {**choice}]
        parts[1] |= {"delta": {}, "logprobs": None}
        lines = [{"choices": [part]} for part in parts] + [{"choices": [], "usage": body["usage"]}]
        return b"".join(b"data: %s\n\n" % json.dumps(line).encode() for line in lines)

    class Streaming(UnrulyEndpoint):
        async def respond(self, asked: Asked, writer: Any) -> None:
            if not always and not asked.body.get("stream"):
                writer.write(whole({"detail": "Stream must be set to true"}, 400))
            else:
                writer.write(whole(chunks(FOUR) + b"data: [DONE]\n\n"))

    with Streaming() as server:
        run = judged(texts(tmp_path, 3), server)
    assert run.values == [pytest.approx(4.3)] * 3 and run.notes == []
    assert len(run.asked) == 3 + (not always)


def test_an_endpoint_that_rejects_everything_ends_the_run(tmp_path: Path) -> None:
    run = scripted(tmp_path, 40, status(400, "bad model"))
    assert isinstance(run.error, EndpointError) and len(run.asked) == 5
    assert "5 calls in a row failed. The last: HTTP 400: bad model." in str(run.error)


# --- extra fields -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "extra",
    [
        *({"temperature": 0.7}, {"logprobs": False}, {"top_logprobs": 2}, {"max_tokens": 5}),
        *({"max_completion_tokens": 5}, {"seed": 1}, {"messages": []}, {"model": "x"}),
        *({"stream": True}, {"response_format": {}}, {"n": 2}, {"add_generation_prompt": True}),
        *({"n_predict": 5}, {"id_slot": 3}),
    ],
)
def test_extra_fields_neither_overwrite_nor_double_what_is_set(extra: dict[str, Any]) -> None:
    (name,) = extra
    with pytest.raises(InputError, match=f"extra holds '{name}', which is set already: "):
        JudgeOptions(extra=extra)


@pytest.mark.parametrize(
    "extra",
    [
        *({"top_p": float("nan")}, {"top_p": float("inf")}, {"stop": "\ud800"}, {"\ud800": 1}),
        *({"stop": {1, 2}}, {"stop": b"x"}, {1: 2}),
    ],
)
def test_extra_fields_are_json(extra: Any) -> None:
    with pytest.raises(InputError, match="extra is not what JSON can say"):
        JudgeOptions(extra=extra)


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 2}', "[" * 100_000, '{"top_p": 1e999}', '{"a": "\\ud800"}']
)
def test_extra_on_the_command_line_is_one_line(tmp_path: Path, text: str) -> None:
    result = command(texts(tmp_path, 1), "http://127.0.0.1:9/v1", "--extra", text)
    assert result.exit_code == 1 and len(result.stderr.splitlines()) == 1
    assert "extra is not" in result.stderr


# --- numbers and shapes from outside ----------------------------------------------------------


@dataclass
class Talker(SteadyEndpoint):
    """Says anything of itself."""

    props: Any = None
    models: Any = None
    tokens: Any = None

    async def other(self, head: str, body: bytes, writer: Any) -> None:
        path = head.split()[1].removeprefix("/v1")
        told = {"/props": self.props, "/models": self.models, "/tokenize": self.tokens}.get(path)
        writer.write(whole({} if told is None else told, 404 if told is None else 200))


ODD = [-5, 0, 10**9, 10**30, 1.5, "8", True, [], {}, None]


@pytest.mark.parametrize("n", ODD)
def test_slots_are_a_number_of_slots_or_none(tmp_path: Path, n: Any) -> None:
    settings_ = {"n_ctx": n if n != 8 else 0}
    props = {"total_slots": n, "default_generation_settings": settings_}
    with Talker(0.0, props=props) as server:
        run = judged(texts(tmp_path, 3), server, concurrency=2)
    assert run.rated is not None and run.rated.coverage[0].n_rated == 3
    assert not any("id_slot" in asked.body for asked in run.asked)


@pytest.mark.parametrize(
    "models",
    [
        *([], {}, {"data": None}, {"data": 5}, {"data": "m"}, {"data": ["m", None, 3]}, ["m"], "m"),
        *({"data": [{"id": "m", "max_model_len": n}]} for n in ODD),
        {"data": {"m": {}}},
    ],
)
def test_models_of_another_shape_say_nothing(tmp_path: Path, models: Any) -> None:
    with Talker(0.0, models=models) as server:
        run = judged(texts(tmp_path, 2), server)
    assert run.rated is not None and run.rated.coverage[0].n_rated == 2


def test_models_in_a_bare_list_are_read(tmp_path: Path) -> None:
    with Talker(0.0, models=[{"id": "m", "max_model_len": 9}]) as server:
        run = judged(texts(tmp_path, 2), server)
    assert "prompts of 9 tokens leave no room" in str(run.error)


@pytest.mark.parametrize(
    "tokens",
    [
        *([], "abc", 7, {"tokens": None}, {"tokens": "abc"}, {"tokens": {}}, {"tokens": []}),
        *({"tokens": [0] * 200_000}, {"count": -5}),
    ],
)
def test_a_tokenizer_that_cannot_be_is_not_believed(tmp_path: Path, tokens: Any) -> None:
    data = tmp_path / "texts.jsonl"
    data.write_text(json.dumps({"prompt": "Hi", "response": "word " * 2000}))
    with Talker(
        0.0, models={"data": [{"id": "m", "max_model_len": 1000}]}, tokens=tokens
    ) as server:
        run = judged(data, server)
    # Without it, three bytes are a token.
    assert run.rated is not None and run.rated.n_cut == 1
    assert 1500 < len(run.asked[0].prompt.encode()) <= 3000


@pytest.mark.parametrize("n", [10**30, -1, 2.5, "9", None, 10**18])
def test_a_usage_of_any_number_can_be_stored(tmp_path: Path, n: Any) -> None:
    used = {
        "prompt_tokens": n,
        "completion_tokens": n,
        "prompt_tokens_details": {"cached_tokens": n},
    }
    run = scripted(tmp_path, 3, says({**FOUR, "usage": used}))
    assert run.values == [pytest.approx(4.3)] * 3
    assert all(0 < row["prompt_tokens"] < 10_000 for row in run.stored)
    assert sum("does not report what it uses" in note for note in run.notes) == 1


# --- the key ----------------------------------------------------------------------------------


@pytest.mark.parametrize("echo", [KEY, KEY.upper(), KEY[:8], KEY[-9:], f"{KEY[:9]}…{KEY[-4:]}"])
@pytest.mark.parametrize("shape", ["answer", "refusal", "error", "rejection", "filter"])
def test_a_key_that_comes_back_is_kept_nowhere(tmp_path: Path, echo: str, shape: str) -> None:
    said = f"Your key is {echo}."
    acts = {
        "answer": says(chat(said)),
        "refusal": says(chat(said, finish="content_filter")),
        "error": says({"error": {"message": said, "code": 500}}),
        "rejection": status(400, said),
        "filter": status(400, f"{said} content_filter"),
    }
    run = scripted(tmp_path, 3, says(chat("4")), acts[shape], reading="text")
    told = json.dumps(run.stored, ensure_ascii=False) + str(run.error) + str(run.notes)
    assert "Your key is …" in told or shape == "error"
    assert not any(KEY[at : at + 8] in told.lower() for at in range(len(KEY) - 7))


# --- half characters --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Hi", "response": "half \ud83d"},
        {"prompt": "\udc00", "response": "Hi"},
        {"prompt": "Hi", "response": "Hi", "response_id": "\ud800"},
        {"prompt": "Hi", "response": "Hi", "prompt_id": "\ud800"},
        {"prompt": "Hi", "response": "Hi", "subset": "\ud800"},
        {"prompt": [{"role": "user", "content": "\ud800"}], "response": "Hi"},
    ],
)
def test_half_a_character_is_refused_before_anything_is_asked(tmp_path: Path, row: Any) -> None:
    data = tmp_path / "texts.jsonl"
    rows = [{"prompt": "Fine", "response": "Fine"}, row]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with SteadyEndpoint(0.0) as server:
        who = Judge("m", server.url)
        with pytest.raises(RatingsError, match=r"row 2.*half (of )?a character"):
            rate(data, KIND, who)
    assert server.heads == []


def test_half_a_character_is_not_shown_to_a_judge_that_chooses_rules() -> None:
    items = [Item((("user", text),), "Hi", "p", text) for text in ("Fine", "half \ud83d")]
    with SteadyEndpoint(0.0) as server:
        with pytest.raises(RatingsError, match="the data, row 2: a text holds half a character"):
            choose_rules(items, KIND, Judge("m", server.url), 1)
    assert server.heads == []


def test_half_a_character_in_a_rule_or_a_name_is_refused(tmp_path: Path) -> None:
    with SteadyEndpoint(0.0) as server:
        rules = Rulebook((Rule("kind", "Is \ud800.", LevelScale((1, 2))),))
        with pytest.raises(InputError, match="rule 'kind' holds half a character"):
            rate(texts(tmp_path, 1), rules, Judge("m", server.url))
        with pytest.raises(InputError, match="is not the name of a model"):
            Judge("m\ud800", server.url)
    assert server.heads == []


# --- the command line -------------------------------------------------------------------------


def command(data: Path, url: str, *more: str) -> Result:
    folder = data.parent
    KIND.save(folder / "rules.toml")
    line = ["rate", str(data), "--rules", str(folder / "rules.toml"), "--rater", "openai:m"]
    out = ["--base-url", url, "-o", str(folder / "out.csv"), "--store", str(folder / "s.sqlite")]
    return CliRunner().invoke(main, [*line, *out, *more])


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_run_that_rates_nothing_fails_and_says_why(tmp_path: Path, more: tuple[str, ...]) -> None:
    filtered = [status(400, "Content Exists Risk")] * 5
    with UnrulyEndpoint(script=[*filtered, says(chat("Hm."))]) as server:
        options = ("--reading", "text", "--concurrency", "1", *more)
        result = command(texts(tmp_path, 7), server.url, *options)
    assert result.exit_code == 1
    assert "no rating in any of the 7 responses under 1 rule: 5 refused, 2 malformed." in (
        result.stderr
    )
    assert not (tmp_path / "out.csv").exists()
    if more:
        assert json.loads(result.stdout)["out"] is None
    else:
        assert re.search(r"kind +7 +0\.0 +– +5 refused, 2 malformed", result.stdout)


# --- anything ---------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
# Replies that are nearly right: a good one with something else somewhere inside.
PLACES: list[tuple[str | int, ...]] = [
    *[("choices",), ("choices", 0), ("usage",), ("usage", "prompt_tokens"), ("error",)],
    *[("choices", 0, name) for name in ("message", "logprobs", "finish_reason", "error")],
    *[("choices", 0, "message", name) for name in ("content", "refusal")],
    *[("choices", 0, "logprobs", "content"), ("choices", 0, "logprobs", "content", 0)],
]


@st.composite
def nearly_right(draw: Any) -> Any:
    body = json.loads(json.dumps(FOUR))
    for path in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=2)):
        *way, last = path
        inside = body
        try:
            for name in way:
                inside = inside[name]
            inside[last] = draw(JSON)
        except (KeyError, IndexError, TypeError):
            continue
    return body


BODIES = st.one_of(
    JSON, nearly_right(), st.binary(max_size=60), st.fixed_dictionaries({"error": JSON})
)
STATUSES = st.sampled_from([200, 200, 200, 201, 204, 302, 400, 401, 403, 404, 422, 429, 500, 503])


def check_replies(folder: Path, replies: list[tuple[int, Any]], *, good_first: bool) -> None:
    """Only our errors leave a run (any other fails here), and only answers stay."""
    script = [says(body, code) for code, body in replies]
    run = scripted(folder, 4, *([says(FOUR)] * good_first), *script)
    for row in run.stored:
        assert row["reason"] != "failed" and 0 <= row["prompt_tokens"] <= 10**8
        assert (row["value"] is None) == (row["reason"] is not None)
        assert row["value"] is None or 1 <= row["value"] <= 5


REPLIES = st.lists(st.tuples(STATUSES, BODIES), min_size=1, max_size=5)
SAMPLE = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@SAMPLE
@given(REPLIES, st.booleans())
def test_whatever_an_endpoint_says_only_our_errors_leave_and_only_answers_stay(
    tmp_path: Path, replies: list[tuple[int, Any]], good_first: bool
) -> None:
    check_replies(tmp_path, replies, good_first=good_first)


# Replies that are not even HTTP, or hardly.
FIRST_LINES = st.sampled_from(
    [
        *(b"HTTP/1.1 200 OK", b"HTTP/1.0 200", b"HTTP/1.1 999 X", b"HTTP/1.1 100 Continue\r\n"),
        *(b"HTTP/9.9 200 OK", b"HTTP/1.1 -5 X", b"ICY 200 OK", b"", b"\x00\xff"),
    ]
)
HEADERS = st.sampled_from(
    [
        *(b"Content-Length: 5", b"Content-Length: -5", b"Content-Length: 99999999999999999999"),
        *(b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", b"Content-Encoding: \xff"),
        *(b"Retry-After: 1e400", b"Retry-After: \xff", b"X: " + b"a" * 20_000, b": x"),
        *(b"Set-Cookie: a=b; expires=Thu, 99 Foo", b"Connection: close"),
        b"Upgrade: websocket\r\nConnection: Upgrade",
    ]
)
ENDS = st.binary(max_size=80) | st.sampled_from(
    [
        *(b"{}", json.dumps(FOUR).encode(), b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffff\r\nx"),
        *(b"data: {}\n\n", b"\x1f\x8b\x08\x00" + b"x" * 40),
    ]
)


def check_bytes(folder: Path, data: bytes, *, good_first: bool) -> None:
    """A run against an endpoint that sends these bytes and closes; only our errors leave it."""

    async def act(asked: Asked, writer: Any) -> None:
        writer.write(data)
        writer.close()

    scripted(folder, 2, *([says(FOUR)] * good_first), act)


@SAMPLE
@given(FIRST_LINES, st.lists(HEADERS, max_size=3), ENDS, st.booleans())
def test_whatever_bytes_an_endpoint_sends_only_our_errors_leave(
    tmp_path: Path, first: bytes, headers: list[bytes], end: bytes, good_first: bool
) -> None:
    check_bytes(tmp_path, b"\r\n".join([first, *headers, b"", end]), good_first=good_first)
