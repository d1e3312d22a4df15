"""What the tools' readers make of their files: the rows of each sample, by hand."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from encore.errors import RatingsError
from encore.ratings.importing.tools import TOOLS, tool_of
from encore.ratings.importing.tools.part import named
from encore.ratings.importing.tools.tool import FIELDS
from tests.ratings.importing.tools.outputs import FOLDER, SAMPLES, Row, document, rated, read

RULE_SCORE = ("prompt_id", "response_id", "rule", "score")
CANNOT = "parse: 1 validation error for CriterionJudgment"


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_one_tool_claims_a_file_and_its_rows_say_what_rows_may(path: Path) -> None:
    found = document(path)
    (tool,) = [tool for tool in TOOLS.values() if tool.recognises(found)]
    assert tool.name.lower().startswith(path.parent.name.split("_")[0])
    for row in tool.rows(found, "file"):
        assert set(row) <= set(FIELDS)
        assert row["prompt_id"] and row["response_id"]
        assert row["score"] is not None or row["reason"]


@pytest.mark.parametrize(
    "foreign",
    [
        *(None, 3, "text", [], {}, [[]], [None], [{}], {"eval": 1}, {"eval": {}}),
        {"prompt_id": "a", "response_id": "b", "scores": {"harm": 3}},
        [{"prompt": "a", "response": "b", "rule": "harm", "score": 3}],
        [{"id": "a", "scores_chosen": 1.0, "scores_rejected": 0.0}],
        {"results": []},
        {"results": {"results": [{"score": 1}]}},
        {"testCases": []},
        [{"doc": "a", "target": "b"}],
        [{"prompt": "a", "completion": "b", "reward": 1}],
        {"scores": [1], "text": ["a"], "results": 1},
    ],
    ids=repr,
)
def test_a_foreign_document_is_claimed_by_none(foreign: object) -> None:
    assert tool_of(foreign) is None


def test_inspect_ai_has_a_rule_per_scorer_and_key_and_a_response_per_epoch() -> None:
    rows = read(FOLDER / "inspect_ai" / "log.json")
    mine = [row for row in rows if row["prompt_id"] == "geography/capital"]
    first, second = "mockllm/model/1", "mockllm/model/2"
    assert rated(mine, "response_id", "rule", "score", "reason") == [
        (first, "rules/harm", 5, "Read 5 times."),
        (first, "rules/tone", 0.9, "Read 5 times."),
        (first, "match", "C", "Paris, of course."),
        (first, "doubtful", True, None),
        (second, "rules/harm", 2, "Read 2 times."),
        (second, "rules/tone", 0.4, "Read 2 times."),
        (second, "match", "I", "I would rather not say."),
        (second, "doubtful", None, "The judge did not answer."),
    ]
    assert {row["prompt"] for row in mine} == {"What is the capital of France?"}
    assert mine[0]["response"] == "Paris, of course."
    assert {row["prompt"] for row in rows if row["prompt_id"] == "geography/2"} == {
        "And of Atlantis?"
    }


@pytest.mark.parametrize(("options", "scale"), [({}, "I,C"), ({"partial_credit": True}, "I,P,C")])
def test_inspect_ai_grades_have_their_scale(options: dict[str, object], scale: str) -> None:
    log = {
        "eval": {"task": "t", "model": "m", "scorers": [{"name": "s", "options": options}]},
        "plan": {},
        "samples": [
            {"id": 1, "input": "?", "scores": {"s": {"value": "C"}, "other": {"value": "P"}}},
            {"id": 2, "input": "?", "scores": {"s": {"value": "N"}, "other": {"value": 0.5}}},
        ],
    }
    rows = list(TOOLS["inspect_ai"].rows(log, "file"))
    assert rated(rows, "rule", "score", "scale") == [
        ("s", "C", scale),
        ("other", "P", "I,C"),
        ("s", "N", None),
        ("other", 0.5, None),
    ]


def test_inspect_ai_samples_that_failed_are_responses_of_which_nothing_is_rated() -> None:
    rows = read(FOLDER / "inspect_ai" / "log.json")
    broken = [row for row in rows if row["prompt_id"] == "geography/broken"]
    assert rated(broken, "response_id", "rule", "score", "reason") == [
        ("mockllm/model/1", None, None, "RuntimeError('the sandbox fell over')"),
        ("mockllm/model/2", None, None, "RuntimeError('the sandbox fell over')"),
    ]


def test_inspect_ai_archives_hold_what_their_json_does() -> None:
    def ordered(name: str) -> list[Row]:
        rows = read(FOLDER / "inspect_ai" / name)
        return sorted(rows, key=lambda row: (row["prompt_id"], row["response_id"], str(row)))

    assert ordered("log.eval") == ordered("log.json")


def test_inspect_ai_scores_that_are_lists_are_rules_by_number() -> None:
    log = {
        "eval": {"task": "t", "model": "m"},
        "plan": {},
        "samples": [{"id": 1, "input": "?", "scores": {"s": {"value": [1, "C", None]}}}],
    }
    rows = list(TOOLS["inspect_ai"].rows(log, "file"))
    assert rated(rows, "rule", "score", "reason") == [
        ("s/1", 1, None),
        ("s/2", "C", None),
        ("s/3", None, "unscored"),
    ]


def test_autorubric_has_a_rating_per_judge_and_keeps_na_and_failures_apart() -> None:
    rows = read(FOLDER / "autorubric" / "ensemble.jsonl")
    assert rated(rows, "prompt_id", "rule", "rater", "score", "not_applicable", "reverse") == [
        ("0", "harm", "mild", True, None, False),
        ("0", "harm", "stern", False, None, False),
        ("0", "tone", "mild", 1.0, None, False),
        ("0", "tone", "stern", 1.0, None, False),
        ("0", "Names a source.", "mild", False, None, True),
        ("0", "Names a source.", "stern", False, None, True),
        ("1", "harm", "mild", None, None, False),
        ("1", "harm", "stern", None, None, False),
        ("1", "tone", "mild", None, True, False),
        ("1", "tone", "stern", None, True, False),
        ("1", "Names a source.", "mild", None, None, True),
        ("1", "Names a source.", "stern", None, None, True),
    ]
    assert rows[6]["reason"] == "It says CANNOT_ASSESS."
    # Cold is 0 and Warm 1; the third option is that there is nothing to assess.
    assert [row.get("scale") for row in rows[:6]] == [None, None, "0,1", "0,1", None, None]
    assert rows[10]["reason"].startswith(CANNOT)


def test_autorubric_reports_without_votes_have_their_verdicts() -> None:
    def one(**verdict: Any) -> Row:
        criterion = {"name": "harm", "requirement": "Does no harm.", "weight": 1.0}
        report = {"score": 1.0, "criterion_reports": [criterion | verdict]}
        (row,) = TOOLS["autorubric"].rows([{"item_idx": 0, "report": report}], "file")
        return row

    chosen = {"value": 0.25, "na": False}
    assert one(verdict="UNMET", reason="No.")["score"] is False
    assert one(verdict=None, multi_choice_verdict=chosen)["score"] == 0.25
    assert one(verdict=None, multi_choice_verdict=chosen | {"na": True})["not_applicable"]
    assert one(error="infrastructure: down")["reason"] == "infrastructure: down"
    with pytest.raises(RatingsError, match=r"file, row 1, column .*CANNOT_ASSESS; got 'YES'"):
        one(verdict="YES")


def test_autorubric_votes_that_were_superseded_do_not_count() -> None:
    items = document(FOLDER / "autorubric" / "ensemble.jsonl")
    items[0]["report"]["criterion_reports"][0]["votes"][0]["superseded"] = True
    rows = list(TOOLS["autorubric"].rows(items, "file"))
    assert rated(rows[:2], "rule", "rater") == [("harm", "stern"), ("tone", "mild")]


def test_autorubric_items_that_failed_are_responses_of_which_nothing_is_rated() -> None:
    item = {"item_idx": 4, "error": "timeout", "report": {"score": None}}
    (row,) = TOOLS["autorubric"].rows([item], "file")
    assert row == {
        "prompt_id": "4",
        "response_id": "submission",
        "rule": None,
        "score": None,
        "reason": "timeout",
    }


GARLIC, SPRING, NUMBER = map(named, ("How do I grow garlic?", "Plant it in spring.", "42"))


def test_deepeval_has_a_rule_per_metric() -> None:
    rows = read(FOLDER / "deepeval" / "run.json")
    assert rated(rows, *RULE_SCORE, "reason", "rater") == [
        (GARLIC, SPRING, "Harm", 1.0, "It is 1.0.", "given"),
        (GARLIC, SPRING, "Tone", 0.25, "It is 0.25.", "given"),
        (GARLIC, NUMBER, "Harm", 0.5, "It is 0.5.", "given"),
        (GARLIC, NUMBER, "Tone", None, "ValueError: the judge said nothing", "given"),
    ]
    assert rated(rows[:1], "prompt", "response", "scale") == [
        ("How do I grow garlic?", "Plant it in spring.", "0-1")
    ]


def test_deepeval_cache_holds_the_run_but_for_what_failed() -> None:
    assert read(FOLDER / "deepeval" / "cache.json") == read(FOLDER / "deepeval" / "run.json")[:3]


def test_deepeval_conversations_are_a_response_to_their_first_turn() -> None:
    (row,) = read(FOLDER / "deepeval" / "conversation.json")
    assert rated([row], "prompt", "response", "rule", "score") == [
        ("Hello?", "I am here.", "Patience", 0.75)
    ]


@pytest.mark.parametrize(
    ("score", "success", "reverse"),
    # Of bias, 0.2 succeeds under a threshold of 0.5 and 0.8 fails; of quality the other way.
    [
        *((0.2, True, True), (0.8, False, True), (0.2, False, False), (0.8, True, False)),
        *((0.5, True, None), (0.5, False, None), (0.2, None, None)),
    ],
)
def test_deepeval_metrics_that_succeed_below_their_threshold_are_reversed(
    score: float, success: bool | None, reverse: bool | None
) -> None:
    metric = {"name": "Bias", "score": score, "threshold": 0.5, "success": success}
    case = {"input": "?", "actualOutput": "!", "metricsData": [metric]}
    run = {"testCases": [case], "conversationalTestCases": []}
    (row,) = TOOLS["deepeval"].rows(run, "file")
    assert row.get("reverse") is reverse


def test_deepeval_response_rated_twice_is_a_repeat() -> None:
    case = {"input": "?", "actualOutput": "!", "metricsData": [{"name": "Bias", "score": 1}]}
    run = {"testCases": [case, case], "conversationalTestCases": []}
    rows = list(TOOLS["deepeval"].rows({"testRunData": run}, "file"))
    assert rated(rows, "response_id", "repeat") == [(named("!"), 0), (named("!"), 1)]


YES, NO = named("Say yes."), named("Say no.")


@pytest.mark.parametrize("name", ["results.json", "results.jsonl"])
def test_promptfoo_has_a_rule_per_assertion(name: str) -> None:
    rows = read(FOLDER / "promptfoo" / name)
    assert rated(rows, *RULE_SCORE) == [
        (YES, "echo:a", "kind", 0.8),
        (YES, "echo:a", "icontains: yes", 1),
        (YES, "echo:a", "javascript: output.length < 9", 1),
        (YES, "echo:a", "icontains: yes 2", 1),
        (YES, "echo:b", "kind", None),
        (YES, "echo:b", "icontains: yes", 0),
        (YES, "echo:b", "brief", 0.25),
        (YES, "echo:a 2", None, None),
        (NO, "echo:a", None, None),
    ]
    assert rated(rows, "reason")[-2:] == [("no assertion",), ("API error: 500",)]
    assert rows[4]["reason"] == "Could not extract JSON"
    assert rated(rows[:1], "prompt", "response", "model") == [("Say yes.", "Yes!", "echo:a")]
    assert {rated([row], "scale", "reverse")[0] for row in rows if "rule" in row} == {
        ("0-1", False)
    }


def test_lm_eval_has_a_rule_per_metric_and_filter() -> None:
    rows = read(FOLDER / "lm_eval" / "samples_sums.jsonl")
    assert rated(rows, "prompt", "response", "rule", "score") == [
        ("What is 2 + 2?", "It is 4.", "exact_match,whole", 0.0),
        ("What is 2 + 3?", "6", "exact_match,whole", 0.0),
        ("What is 2 + 2?", "It is 4.", "exact_match,number", 1.0),
        ("What is 2 + 3?", "6", "exact_match,number", 0.0),
    ]
    assert {rated([row], "scale", "reverse")[0] for row in rows} == {("0-1", False)}
    ids = rated(rows, "prompt_id", "response_id")
    assert ids[0] == ids[2] and ids[1] == ids[3] and ids[0] != ids[1]
    picked = read(FOLDER / "lm_eval" / "samples_picks.jsonl")
    assert rated(picked, "rule", "score") == [
        ("acc", 1.0),
        ("acc_norm", 1.0),
        ("acc", 0.0),
        ("acc_norm", 0.0),
    ]


def test_lm_eval_samples_of_older_versions_are_read_too() -> None:
    sample = {
        **{"doc_id": 3, "doc": {"q": "?"}, "target": "4", "arguments": [["What?", {"until": []}]]},
        **{"resps": [["4"]], "filtered_resps": ["4"], "exact_match": 1.0, "words": [1, 2]},
        "perplexity": 7.5,
    }
    rows = list(TOOLS["lm-eval"].rows([sample], "file"))
    assert rated(rows, "prompt", "response", "rule", "score", "scale") == [
        ("What?", "4", "exact_match", 1.0, "0-1"),
        ("What?", "4", "perplexity", 7.5, None),
    ]


def test_verifiers_traces_have_a_rule_per_reward_and_metric() -> None:
    rows = read(FOLDER / "verifiers" / "traces.jsonl")
    assert rated(rows, "prompt_id", "response", "rule", "score", "reason") == [
        ("sums/sum-0", "4", "correct", 1.0, None),
        ("sums/sum-0", "4", "brief", 1.0, None),
        ("sums/sum-0", "4", "words", 1.0, None),
        ("sums/sum-0", "It is five, I think.", "correct", 0.0, None),
        ("sums/sum-0", "It is five, I think.", "brief", 0.05, None),  # 1 / 20 characters
        ("sums/sum-0", "It is five, I think.", "words", 5.0, None),
        ("sums/sum-0", None, "correct", None, "no reply"),
        ("sums/sum-0", None, "brief", None, "no reply"),
        ("sums/sum-0", None, "words", None, "no reply"),
    ]


@pytest.mark.parametrize(("weight", "reverse"), [(2.0, False), (0.0, False), (-0.5, True)])
def test_verifiers_rewards_that_weigh_less_than_nothing_are_penalties(
    weight: float, reverse: bool
) -> None:
    found = document(FOLDER / "verifiers" / "traces.jsonl")[:1]
    found[0]["traces"][0]["rewards"]["brief"]["weight"] = weight
    rows = list(TOOLS["verifiers"].rows(found, "file"))
    assert rated(rows, "rule", "reverse") == [
        ("correct", False),
        ("brief", reverse),
        ("words", None),
    ]


def test_verifiers_results_of_rollouts_that_failed_are_unrated_and_not_zero() -> None:
    path = FOLDER / "verifiers" / "results.jsonl"
    rows = [row for row in read(path) if row["rule"] == "correct"]
    two, three = f"0-{_message('What is 2 + 2?')}", f"1-{_message('What is 2 + 3?')}"
    assert rated(rows, *RULE_SCORE, "reason") == [
        (two, "1", "correct", 1.0, None),
        (two, "2", "correct", 0.0, None),
        (three, "1", "correct", None, "no reply"),
        (three, "2", "correct", 1.0, None),
    ]
    assert document(path)[2]["metrics"]["correct"] == 0.0


def _message(text: str) -> str:
    return named([{"role": "user", "content": text}])


def test_verifiers_results_of_older_versions_have_rewards_as_columns() -> None:
    row = {
        **{"prompt": "Hi", "completion": "Ho", "answer": "", "task": "default", "reward": 1.5},
        **{"correct": 1.0, "brief": None, "generation_ms": 4.0},
    }
    rows = list(TOOLS["verifiers"].rows([row], "file"))
    assert rated(rows, "rule", "score", "subset") == [
        ("correct", 1.0, "default"),
        ("brief", None, "default"),
    ]


def test_rewardbench_has_two_responses_to_a_prompt_and_says_which_is_chosen() -> None:
    rows = read(FOLDER / "rewardbench" / "outputs.jsonl")
    assert rated(rows, *RULE_SCORE, "label", "subset", "model") == [
        ("7", "chosen", "score", 1.5, 1.0, "refusals-offensive", "made/a"),
        ("7", "rejected", "score", -0.25, 0.0, "refusals-offensive", "made/b"),
        ("8", "chosen", "score", 0.5, 1.0, "donotanswer", "made/a"),
        ("8", "rejected", "score", 0.5, 0.0, "donotanswer", "made/b"),
    ]
    assert {row["reverse"] for row in rows} == {False}


def test_rewardbench_models_of_several_heads_have_a_rule_per_head() -> None:
    rows = read(FOLDER / "rewardbench" / "scores.json")
    assert rated(rows, *RULE_SCORE, "rater") == [
        ("7", "chosen", "score 1", 1.5, "made/heads"),
        ("7", "chosen", "score 2", 0.0, "made/heads"),
        ("7", "rejected", "score 1", -0.25, "made/heads"),
        ("7", "rejected", "score 2", 1.0, "made/heads"),
        ("8", "chosen", "score 1", 0.5, "made/heads"),
        ("8", "chosen", "score 2", None, "made/heads"),
        ("8", "rejected", "score 1", 0.5, "made/heads"),
        ("8", "rejected", "score 2", 2.0, "made/heads"),
    ]
    assert not any("reverse" in row for row in rows)


def test_rewardbench_2_labels_the_first_of_its_responses_as_right() -> None:
    rows = read(FOLDER / "rewardbench" / "scores_2.json")
    assert rated(rows, "prompt_id", "response_id", "response", "score", "label") == [
        ("12", "1", "a", 2.5, 1.0),
        ("12", "2", "b", 1.0, 0.0),
        ("12", "3", "c", 0.5, 0.0),
        ("12", "4", "d", -1.0, 0.0),
        ("tied:3", "1", "e", 1.0, 1.0),
        ("tied:3", "2", "f", 0.75, 1.0),
        ("tied:3", "3", "g", 0.5, 0.0),
    ]


def _spoiled(name: str, spoil: Any) -> list[Row]:
    found = copy.deepcopy(document(FOLDER / name))
    spoil(found)
    tool = tool_of(found)
    assert tool is not None
    return list(tool.rows(found, "file"))


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        (
            "inspect_ai/log.json",
            lambda log: log["samples"][1].update(scores=[]),
            r"file, row 2, column 'sample\.scores': expected an object; got \[\]",
        ),
        (
            "inspect_ai/log.json",
            lambda log: log["samples"][0]["scores"]["match"].update(value={"a": {}}),
            r"row 1, column 'sample\.scores\.match\.value\.a': expected a score; got {}",
        ),
        (
            "deepeval/run.json",
            lambda run: run["testCases"][1]["metricsData"][0].pop("name"),
            r"row 2, column 'metricsData\[0\]\.name': is not there",
        ),
        (
            "lm_eval/samples_sums.jsonl",
            lambda rows: rows.__setitem__(2, 5),
            r"row 3: expected an object; got 5",
        ),
        (
            "verifiers/traces.jsonl",
            lambda rows: rows[1]["traces"][0]["rewards"]["brief"].update(score=[1]),
            r"row 2, column 'traces\[0\]\.rewards\.brief\.score': expected a score",
        ),
        (
            "rewardbench/scores.json",
            lambda columns: columns["id"].pop(),
            r"column 'id': has 1 values where 'results' has 2",
        ),
        (
            "rewardbench/scores_2.json",
            lambda columns: columns["text"][1].pop(),
            r"row 2, column 'scores': expected a score for each of 2 texts; got 3",
        ),
    ],
)
def test_errors_say_where_and_what(name: str, spoil: Any, message: str) -> None:
    with pytest.raises(RatingsError, match=message):
        _spoiled(name, spoil)
