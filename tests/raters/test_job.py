from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from encore import as_pairs, as_ratings, calibrate
from encore.errors import InputError, RatingsError, StoppedError
from encore.raters import (
    Answer,
    Identity,
    Item,
    Job,
    Ledger,
    Progress,
    Reason,
    Recorded,
    Store,
    Texts,
    Usage,
    rate,
)
from encore.rules import LevelScale, Rule, Rulebook

SCALE = LevelScale((1, 2, 3, 4, 5))
RULES = Rulebook((Rule("kind", "Is kind.", SCALE), Rule("true", "Is true.", SCALE)))
ROWS = [
    {"id": "x", "prompt": "Hi", "chosen": "good", "rejected": "bad"},
    {"id": "y", "prompt": "Yo", "chosen": "good", "rejected": "so so"},
    {"id": "z", "prompt": "Hi", "chosen": "fine", "rejected": "bad"},
]


@dataclass
class Script:
    """Rates by the length of response and rule, and remembers what it was asked."""

    answers: Mapping[str, Answer] = field(default_factory=dict)
    who: str = "script"
    n_samples: int = 1
    sees_all_rules: bool = False
    stops_after: int | None = None
    asked: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def identity(self) -> Identity:
        return Identity(
            {"kind": self.who}, n_samples=self.n_samples, sees_all_rules=self.sees_all_rules
        )

    def __call__(self, items: Iterable[Item], ledger: Ledger) -> None:
        for item in items:
            for rule, sample in ledger.wants(item):
                if self.stops_after is not None and len(self.asked) >= self.stops_after:
                    raise StoppedError("enough.")
                self.asked.append((item.response, rule.id, sample))
                usage = Usage(1, 10, 4, 1)
                value = 1.0 + (len(item.response) + len(rule.text)) % 5
                default = Answer(value=value, usage=usage)
                ledger.keep(item, rule, self.answers.get(item.response, default), sample)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_rules_of_one_text_and_scale_are_rated_each(data: Path) -> None:
    # A judge's answers to the same question may differ: each rule keeps its own.
    twins = Rulebook((Rule("one", "Is kind.", SCALE), Rule("two", "Is kind.", SCALE)))
    script = Script()
    rated = rate(data, twins, script)
    assert {rule.n_rated for rule in rated.coverage} == {6}
    assert Counter(rule for _, rule, _ in script.asked) == {"one": 5, "two": 5}


def test_rules_may_be_ids_with_a_scale(data: Path) -> None:
    rated = rate(data, ["kind", "true"], Script(), scale=[1, 2, 3, 4, 5])
    assert rated.rules.ids == ("kind", "true") and rated.coverage[0].n_rated == 6


def test_pairs_become_the_pairs_layout(data: Path) -> None:
    rated = rate(data, RULES, Script())
    # 1 + (length of response + 8 letters of the rule) mod 5: good, fine 12; bad 11; so so 13.
    assert rated.table.select(["id", "chosen.kind", "rejected.true"]).to_pylist() == [
        {"id": "x", "chosen.kind": 3.0, "rejected.true": 2.0},
        {"id": "y", "chosen.kind": 3.0, "rejected.true": 4.0},
        {"id": "z", "chosen.kind": 3.0, "rejected.true": 2.0},
    ]
    pairs = as_pairs(rated.table, RULES)
    assert pairs.n_pairs == 3
    # Rows x and z share the prompt.
    assert pairs.prompts.codes.tolist() == [0, 1, 0]


def test_what_was_read_is_never_written_over(data: Path, tmp_path: Path) -> None:
    recorded = tmp_path / "recorded.csv"
    recorded.write_text("id,chosen.kind,chosen.true,rejected.kind,rejected.true\nx,1,1,1,1\n")
    store = tmp_path / "store.sqlite"
    rated = rate(data, RULES, Recorded(recorded), store=store)
    before = [path.read_bytes() for path in (data, recorded, store)]
    for path in (data, recorded, store):
        with pytest.raises(InputError, match="is an input"):
            rated.save(path)
    assert [path.read_bytes() for path in (data, recorded, store)] == before
    rated.save(tmp_path / "ratings.csv")
    assert (tmp_path / "ratings.csv").read_text().startswith("id,prompt_id,chosen.kind,")


def test_responses_become_the_responses_layout(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("prompt,response,model\nHi,good,m1\nHi,bad,m2\n")
    table = rate(path, RULES, Script()).table
    assert table.column_names == ["prompt_id", "response_id", "model", "kind", "true"]
    assert table["kind"].to_pylist() == [3.0, 2.0]
    assert as_ratings(table, RULES).n_rows == 2


def test_the_same_text_is_rated_once_and_the_same_response_to_two_prompts_twice(
    data: Path,
) -> None:
    script = Script()
    rated = rate(data, RULES, script)
    # "good" stands under Hi and Yo; "bad" twice under Hi.
    assert Counter(response for response, rule, _ in script.asked if rule == "kind") == {
        **{"good": 2, "bad": 1, "fine": 1, "so so": 1}
    }
    assert rated.coverage[0].n_rated == 6


def test_a_second_run_asks_nothing_and_gives_the_same_bytes(data: Path, tmp_path: Path) -> None:
    store, script = tmp_path / "s.sqlite", Script()
    rate(data, RULES, script, store=store).save(tmp_path / "a.parquet")
    again = Script()
    rate(data, RULES, again, store=store).save(tmp_path / "b.parquet")
    assert (len(script.asked), again.asked) == (10, [])
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_run_that_was_stopped_goes_on_where_it_was(data: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    stopped = Script(stops_after=4)
    with pytest.raises(StoppedError, match="enough"):
        rate(data, RULES, stopped, store=store)
    rest = Script()
    rate(data, RULES, rest, store=store)
    assert sorted(stopped.asked + rest.asked) == sorted(_asked(data))
    assert len(stopped.asked) == 4


def _asked(data: Path) -> list[tuple[str, str, int]]:
    script = Script()
    rate(data, RULES, script)
    return script.asked


def test_changing_one_rule_rates_one_rule_again(data: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    rate(data, RULES, Script(), store=store)
    script = Script()
    changed = Rulebook((RULES.rules[0], Rule("true", "Is really true.", SCALE)))
    rate(data, changed, script, store=store)
    assert {rule for _, rule, _ in script.asked} == {"true"}
    assert len(script.asked) == 5


def test_a_rater_that_sees_all_rules_rates_all_of_them_again(data: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    rate(data, RULES, Script(sees_all_rules=True), store=store)
    script = Script(sees_all_rules=True)
    rate(data, Rulebook(RULES.rules[:1]), script, store=store)
    assert len(script.asked) == 5


def test_another_rater_shares_nothing(data: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    rate(data, RULES, Script(), store=store)
    other = Script(who="other")
    rate(data, RULES, other, store=store)
    assert len(other.asked) == 10


def test_more_samples_add_to_those_that_there_are(data: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    rate(data, RULES, Script(n_samples=2), store=store)
    more = Script(n_samples=3)
    rate(data, RULES, more, store=store)
    assert {sample for *_, sample in more.asked} == {2}
    fewer = Script(n_samples=1)
    rate(data, RULES, fewer, store=store)
    assert fewer.asked == []


def sure(level: int) -> Answer:
    probabilities = tuple(float(place == level) for place in range(1, 6))
    return Answer(value=float(level), probabilities=probabilities)


@dataclass
class Drawn(Script):
    """Gives the levels of a list, one a sample."""

    levels: tuple[int | None, ...] = ()

    def __call__(self, items: Iterable[Item], ledger: Ledger) -> None:
        for item in items:
            for rule, sample in ledger.wants(item):
                level = self.levels[sample]
                answer = Answer(reason=Reason.MALFORMED) if level is None else sure(level)
                ledger.keep(item, rule, answer, sample)


@pytest.mark.parametrize(
    ("levels", "value", "spread"),
    [
        # Two levels met, so 1 / (2 n) more than the entropy of their shares: here 1/8.
        ((5, 5, 1, 1), 3.0, math.log(2) + 1 / 8),
        # Three fives and a one: 5 * 3/4 + 1 * 1/4; entropy of (3/4, 1/4).
        ((5, 5, 5, 1), 4.0, -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) + 1 / 8),
        # The unrated sample is left out, not counted as anything.
        ((5, None, 1, None), 3.0, math.log(2) + 1 / 4),
        ((4, 4, 4), 4.0, 0.0),
        # One answer says nothing about its scatter.
        ((4, None, None), 4.0, None),
    ],
)
def test_samples_are_pooled(
    data: Path, levels: tuple[int | None, ...], value: float, spread: float | None
) -> None:
    rated = rate(data, RULES, Drawn(n_samples=len(levels), levels=levels))
    assert rated.table["chosen.kind"][0].as_py() == pytest.approx(value)
    if spread is None:
        assert "chosen.kind.spread" not in rated.table.column_names
    else:
        assert rated.table["chosen.kind.spread"][0].as_py() == pytest.approx(spread)
    as_pairs(rated.table, RULES)


def test_samples_with_probabilities_are_pooled(data: Path) -> None:
    # One token's probabilities are the same in every sample, so they are the spread as they are:
    # half and half. Reasoning before the answer makes them differ: see pooled_entropy.
    same = Answer(value=3.0, spread=math.log(2), probabilities=(0.5, 0.0, 0.0, 0.0, 0.5))
    rated = rate(data, RULES, Script(answers={"good": same}, n_samples=3))
    assert rated.table["chosen.kind.spread"][0].as_py() == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    "answers", [(5, 1), (4, 4), (5, 4, 5), (1, 3, 5), (2, 1, 2, 2, 5), (5, None, 1)]
)
def test_samples_and_repeats_of_the_same_answers_have_the_same_spread(
    tmp_path: Path, answers: tuple[int | None, ...]
) -> None:
    texts = tmp_path / "texts.csv"
    texts.write_text("prompt,response\nHi,good\nHi,bad\n")
    rater = Drawn(n_samples=len(answers), levels=answers)
    rate(texts, RULES, rater).save(tmp_path / "samples.parquet")
    repeats = tmp_path / "repeats.csv"
    lines = ["prompt_id,response_id,repeat,kind,true"]
    for response in ("good", "bad"):
        for repeat, level in enumerate(answers):
            cell = "" if level is None else level
            lines.append(f"Hi,{response},{repeat},{cell},{cell}")
    repeats.write_text("\n".join(lines) + "\n")
    by_samples = calibrate(tmp_path / "samples.parquet", RULES).spread
    by_repeats = calibrate(repeats, RULES).spread
    assert not np.isnan(by_samples).any()
    np.testing.assert_allclose(by_samples, by_repeats, rtol=1e-14)


def test_unrated_is_null_with_its_reason_counted(data: Path) -> None:
    refused = Answer(reason=Reason.REFUSED, usage=Usage(2, 20, 0, 9))
    rated = rate(data, RULES, Script(answers={"good": refused}))
    assert rated.table["chosen.kind"].to_pylist() == [None, None, 3.0]
    coverage = rated.coverage[0]
    assert (coverage.n_responses, coverage.n_rated) == (6, 4)
    assert coverage.reasons == {"refused": 2}
    assert as_pairs(rated.table, RULES).ratings.rated.sum() == 8


def test_an_unrated_answer_is_not_asked_again_unless_wanted(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    rate(data, RULES, Script(answers={"bad": Answer(reason=Reason.MALFORMED)}), store=path)
    again = Script()
    rate(data, RULES, again, store=path)
    assert again.asked == []
    with Store(path) as store:
        job = Job(data, RULES, again, store, retry_unrated=True)
        job.run()
        assert again.asked == [("bad", "kind", 0), ("bad", "true", 0)]
        assert job.rated().coverage[0].n_rated == 6


def test_a_call_that_failed_is_unrated_now_and_asked_again_by_the_next_run(
    data: Path, tmp_path: Path
) -> None:
    path = tmp_path / "s.sqlite"
    failed = Answer(reason=Reason.FAILED, reply="HTTP 500")
    rated = rate(data, RULES, Script(answers={"bad": failed}), store=path)
    assert rated.coverage[0].reasons == {"failed": 2}
    again = Script()
    assert rate(data, RULES, again, store=path).coverage[0].n_rated == 6
    assert again.asked == [("bad", "kind", 0), ("bad", "true", 0)]


def test_what_is_not_rated_yet_says_so(data: Path) -> None:
    with Store() as store:
        job = Job(data, RULES, Script(stops_after=3), store)
        with pytest.raises(StoppedError):
            job.run()
        rated = job.rated()
    # x/chosen under both rules; x/rejected, which is also z/rejected, under the first.
    assert [(c.n_rated, dict(c.reasons)) for c in rated.coverage] == [
        (3, {"not rated yet": 3}),
        (1, {"not rated yet": 5}),
    ]


def test_progress_is_told_after_every_answer(data: Path) -> None:
    told: list[Progress] = []
    unrated = Answer(reason=Reason.MALFORMED, usage=Usage(1, 10, 4, 1))
    rate(data, RULES, Script(answers={"good": unrated}), on_progress=told.append)
    assert [(now.n_done, now.n_answers) for now in told] == [(n, 10) for n in range(1, 11)]
    assert (told[-1].n_unrated, told[-1].usage) == (4, Usage(10, 100, 40, 10))


def test_what_was_cut_is_counted_per_response(data: Path) -> None:
    cut = Answer(value=3.0, n_cut=120)
    assert rate(data, RULES, Script(answers={"bad": cut})).n_cut == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([ROWS[0], ROWS[1], ROWS[0]], "row 3: response 'x/chosen' .* is also in row 1"),
        (
            [
                {"prompt": "Hi", "response": "a", "response_id": "1"},
                {"prompt": "Hi", "response": "b", "response_id": "1"},
            ],
            "row 2: response '1' of prompt .* is also in row 1",
        ),
    ],
)
def test_an_id_that_stands_twice_is_refused_before_anything_is_asked(
    tmp_path: Path, rows: list[dict[str, Any]], message: str
) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    script = Script()
    with pytest.raises(RatingsError, match=message):
        rate(path, RULES, script)
    assert script.asked == []


def test_the_file_says_what_it_was_made_from(data: Path, tmp_path: Path) -> None:
    rate(Texts(data, limit=2), RULES, Script()).save(tmp_path / "r.parquet")
    metadata = pq.read_schema(tmp_path / "r.parquet").metadata
    provenance = json.loads(metadata[b"encore.provenance"])
    assert provenance["rater"] == {"kind": "script"}
    assert (provenance["data"], provenance["limit"]) == ("pairs.jsonl", 2)
    assert metadata[b"encore.rules_digest"].decode() == RULES.digest


def test_more_items_than_a_window_holds(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    n = 2500
    responses = [f"{number}" for number in range(n)]
    pq.write_table(pa.table({"prompt": ["Hi"] * n, "response": responses}), path)
    script = Script()
    rated = rate(path, Rulebook(RULES.rules[:1]), script)
    assert [response for response, *_ in script.asked] == responses
    expected = [1.0 + (len(response) + 8) % 5 for response in responses]
    np.testing.assert_array_equal(rated.table["kind"].to_numpy(), expected)


def test_a_process_that_meets_another_one_goes_its_own_way(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    n = 300
    pq.write_table(pa.table({"prompt": ["Hi"] * n, "response": list(map(str, range(n)))}), path)
    rules = Rulebook(RULES.rules[:1])

    class Late(Script):
        """Keeps its first answer after another process has stored one."""

        def __call__(self, items: Iterable[Item], ledger: Ledger) -> None:
            first = next(iter(items))
            ((rule, _),) = ledger.wants(first)
            with Store(tmp_path / "s.sqlite") as other:
                other.put(first.text_key, 1, 1, 0, Answer(value=5.0))
            ledger.keep(first, rule, Answer(value=1.0))
            super().__call__(items, ledger)

    script = Late()
    rated = rate(path, rules, script, store=tmp_path / "s.sqlite")
    # The answer that was stored first stays.
    assert rated.table["kind"][0].as_py() == 5.0
    order = [int(response) for response, *_ in script.asked]
    assert sorted(order) == list(range(1, n))
    assert order != sorted(order)


def test_no_pyarrow_is_needed_to_import_it() -> None:
    code = (
        "import sys, encore.raters; print([m for m in ('pyarrow', 'aiohttp') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_pair_of_surrogates_is_not_the_character_that_it_would_encode() -> None:
    whole, halves = (Item((), text, "p", "r") for text in ("\U0001f600", "\ud83d\ude00"))
    assert whole.text_key != halves.text_key
