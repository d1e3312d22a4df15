"""Pairs of responses whose labels differ."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import PreferencePairs, RatingsTable, Rulebook
from encore.errors import InputError, RatingsError
from encore.ratings import as_pairs
from encore.rules import LevelScale

RULES = Rulebook.from_ids(["harm", "privacy"], LevelScale((1, 2, 3, 4, 5)))
EXTERNAL = Path(__file__).parents[3] / "shared" / "data" / "external"
NAN = float("nan")


def made(labels: list[Any], prompts: list[Any] | None = None, **how: Any) -> PreferencePairs:
    table = RatingsTable(RULES, np.full((len(labels), 2), 3), prompts)
    return as_pairs(table, RULES, label=labels, **how)


def rows(pairs: PreferencePairs) -> list[tuple[int, int]]:
    return list(zip(pairs.chosen.tolist(), pairs.rejected.tolist(), strict=True))


def groups_of(pairs: PreferencePairs) -> list[int]:
    assert pairs.ratings.prompts is not None
    return [int(code) for code in pairs.ratings.prompts.codes]


def test_the_default_gap_is_the_standard_deviation_of_all_labels() -> None:
    # Of 1, 2, 3, 4 it is sqrt((2.25 + 0.25 + 0.25 + 2.25) / 3) = sqrt(5 / 3) = 1.291. Of q's pairs
    # 3-2 and 4-3 are nearer; 4-2 is not; p has one response, and one has no label.
    pairs = made([1, 2, 3, 4, NAN], ["p", "q", "q", "q", "q"])
    assert pairs.pairing is not None
    assert pairs.pairing.gap == pairs.pairing.standard_deviation == pytest.approx((5 / 3) ** 0.5)
    assert rows(pairs) == [(3, 1)]
    assert pairs.pairing.sentence == (
        "1 pair of 1 prompt, by the labels given (1 to 4, higher is better), which differ by at "
        "least 1.291 (one standard deviation). Left out: 1 response without a label, 2 pairs "
        "nearer than the gap."
    )


def test_a_gap_that_is_given_is_the_gap_and_nothing_may_be_left_out() -> None:
    pairs = made([2, 1], ["p", "p"], gap=0)
    assert pairs.pairing is not None and pairs.pairing.sentence == (
        "1 pair of 1 prompt, by the labels given (1 to 2, higher is better), which differ. Left "
        "out: nothing."
    )
    pairs = made([3, 3, 1, 1, 1.5], ["p"] * 5, gap=1, max_per_prompt=2)
    assert pairs.pairing is not None and pairs.pairing.sentence == (
        "2 pairs of 1 prompt, by the labels given (1 to 3, higher is better), which differ by at "
        "least 1. Left out: 2 pairs of equal labels, 2 pairs nearer than the gap, 4 pairs beyond 2 "
        "a prompt."
    )


def test_lower_may_be_better() -> None:
    assert rows(made([1, 2, 3], ["p"] * 3, gap=1, lower_is_better=True)) == [(0, 1), (0, 2), (1, 2)]
    assert rows(made([1, 2, 3], ["p"] * 3, gap=1, lower_is_better=False)) == [
        (1, 0),
        (2, 0),
        (2, 1),
    ]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("rank", "rank"),
        ("human_rank", "rank"),
        ("Rank", "Rank"),
        ("bestPlace", "Place"),
        ("n_errors", "errors"),
        ("toxicity", "toxicity"),
        ("unsafe", "unsafe"),
        ("HARM_SCORE", "HARM"),
    ],
)
def test_a_name_by_which_more_may_be_worse_is_never_read_upside_down(name: str, word: str) -> None:
    frame = {"prompt_id": ["p", "p"], "harm": [1, 2], "privacy": [1, 2], name: [1, 2]}
    with pytest.raises(InputError, match=rf"more of '{name}' may be worse \('{word}'\). Say which"):
        as_pairs(frame, RULES, label=name)
    assert rows(as_pairs(frame, RULES, label=name, lower_is_better=True)) == [(0, 1)]
    assert rows(as_pairs(frame, RULES, label=name, lower_is_better=False)) == [(1, 0)]


@pytest.mark.parametrize(
    "name", ["score", "label", "harmless", "frank", "safe", "costly", "λ", "1"]
)
def test_other_names_say_that_more_is_better(name: str) -> None:
    frame = {"prompt_id": ["p", "p"], "harm": [1, 2], "privacy": [1, 2], name: [1, 2]}
    assert rows(as_pairs(frame, RULES, label=name)) == [(1, 0)]


@pytest.mark.parametrize(
    ("labels", "prompts", "how", "said"),
    [
        ([1, NAN], ["p", "p"], {}, "1 of 2 responses have a label; a pair takes 2"),
        ([NAN, NAN], ["p", "p"], {}, "0 of 2 responses have a label"),
        ([1, 2], ["p", "q"], {}, "no two labelled responses answer the same prompt.*across"),
        ([1, 2], None, {}, "no prompt ids, so no two responses answer the same prompt.*across"),
        ([2, 2, 2], ["p"] * 3, {}, "all 3 pairs of labelled responses to one prompt are tied"),
        ([1, 2, 2], ["p"] * 3, {"gap": 4}, "differ by 4: 1 pairs are tied, 2 differ by less"),
        ([1, 2], ["p", "p"], {"gap": -1}, "gap is -1; expected a finite number of 0 or more"),
        ([1, 2], ["p", "p"], {"gap": NAN}, "gap is nan"),
        ([1, 2], ["p", "p"], {"gap": "far"}, "gap is 'far'"),
        ([1e308, -1e308], ["p", "p"], {}, "gap is inf"),
        ([1, 2], ["p", "p"], {"max_per_prompt": 0}, "max_per_prompt is 0"),
        ([1, 2], ["p", "p"], {"max_per_prompt": 2.5}, "max_per_prompt is 2.5"),
    ],
)
def test_what_makes_no_pair_is_refused(
    labels: list[float], prompts: list[str] | None, how: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        made(labels, prompts, **how)


def test_the_first_rating_of_a_response_makes_pairs_and_repeats_share_its_label() -> None:
    table = RatingsTable(
        RULES, np.full((5, 2), 3), ["p"] * 5, ["a", "a", "b", "b", "c"], [1, 0, 0, 1, 0]
    )
    pairs = as_pairs(table, RULES, label=[4, NAN, NAN, 1, 1], gap=1)
    # a's label stands at its repeat 1, and is that of its first rating, row 1; b's likewise.
    assert rows(pairs) == [(1, 2), (1, 4)] and pairs.ids == ("a > b", "a > c")
    assert pairs.pairing is not None
    assert (pairs.pairing.n_responses, pairs.pairing.n_labelled) == (3, 3)
    with pytest.raises(RatingsError, match="row 4: response 'b' has the label 1 here and 2"):
        as_pairs(table, RULES, label=[4, 4, 2, 1, 1])


def test_no_pair_joins_two_subsets() -> None:
    frame = {"prompt_id": ["p"] * 4, "subset": ["x", "y", "x", "y"], "score": [1, 2, 3, 4]}
    frame |= {"harm": [1] * 4, "privacy": [1] * 4}
    pairs = as_pairs(frame, RULES, label="score")
    assert rows(pairs) == [(2, 0), (3, 1)]
    assert [pairs.subsets.names[code] for code in pairs.subsets.codes] == ["x", "y"]
    assert as_pairs(frame, RULES, label="score", across_prompts=True).n_pairs == 2


@pytest.mark.parametrize("seed", range(5))
def test_prompts_are_dealt_among_those_of_their_subset(seed: int) -> None:
    frame = {"prompt_id": list("abcd"), "subset": ["x", "y", "x", "y"], "score": [1, 2, 3, 4]}
    frame |= {"harm": [1] * 4, "privacy": [1] * 4}
    pairs = as_pairs(frame, RULES, label="score", gap=0, across_prompts=True, rng=seed)
    assert rows(pairs) == [(2, 0), (3, 1)] and groups_of(pairs)[:2] == [0, 1]


def test_labels_of_all_responses_are_dropped_with_some_pairs_unless_told() -> None:
    pairs = made([1, 2, 3], ["p"] * 3)
    assert pairs.take([0]).labels is None
    kept = pairs.take([0], keep_labels=True).labels
    assert kept is not None and kept.tolist() == [1, 2, 3]


def test_across_prompts_no_prompt_is_in_two_groups() -> None:
    rng = np.random.default_rng(0)
    n, prompts = 900, [f"p{k // 3}" for k in range(900)]
    responses = [f"r{k % 3}" for k in range(n)]
    table = RatingsTable(RULES, rng.integers(1, 6, (n, 2)), prompts, responses)
    pairs = as_pairs(table, RULES, label=rng.normal(size=n), across_prompts=True)
    # 300 prompts in 50 groups of 6, and at most 20 pairs for each prompt of a group.
    assert pairs.pairing is not None
    assert (pairs.pairing.prompts_together, pairs.pairing.n_prompts) == (6, 50)
    group_of: dict[str, set[int]] = {}
    for prompt, group in zip(prompts, groups_of(pairs), strict=True):
        group_of.setdefault(prompt, set()).add(group)
    assert all(len(groups) == 1 for groups in group_of.values())
    sizes = Counter(next(iter(groups)) for groups in group_of.values())
    assert set(sizes.values()) == {6}
    joins = [prompts[i] != prompts[j] for i, j in rows(pairs)]
    assert any(joins) and not all(joins)
    assert pairs.ids[0].count("/") == 2  # p0/r1 > p4/r1: responses of two prompts share an id
    assert max(Counter(pairs.prompts.codes.tolist()).values()) <= 120
    assert "of 50 groups of 6 prompts or more, by" in pairs.pairing.sentence


@pytest.mark.parametrize(("n", "together", "groups"), [(5, 2, 2), (60, 2, 30), (2000, 16, 125)])
def test_without_prompts_each_response_is_dealt_on_its_own(
    n: int, together: int, groups: int
) -> None:
    pairs = made(list(range(n)), across_prompts=True, gap=0)
    assert pairs.pairing is not None
    assert (pairs.pairing.prompts_together, pairs.pairing.n_prompts) == (together, groups)
    with_ids = as_pairs(
        RatingsTable(RULES, np.full((n, 2), 3), responses=[f"r{k}" for k in range(n)]),
        RULES,
        label=list(range(n)),
        across_prompts=True,
        gap=0,
    )
    assert rows(with_ids) == rows(pairs)


def test_prompts_without_a_label_stay_alone() -> None:
    pairs = made([1, NAN, 2, NAN, 3, 4], list("abcdef"), across_prompts=True, gap=0)
    counts = Counter(groups_of(pairs))
    assert sorted(counts.values()) == [1, 1, 2, 2]


@given(
    labels=st.lists(st.sampled_from([0.0, 1.0, 2.0, NAN]), min_size=2, max_size=30),
    across=st.booleans(),
    seed=st.integers(0, 3),
)
def test_chosen_is_better_and_the_same_seed_draws_the_same_pairs(
    labels: list[float], across: bool, seed: int
) -> None:
    prompts = [k // 5 for k in range(len(labels))]
    how: dict[str, Any] = {"gap": 1, "max_per_prompt": 3, "across_prompts": across, "rng": seed}
    try:
        pairs = made(labels, prompts, **how)
    except RatingsError:
        return
    given_labels = np.array(labels)
    assert (given_labels[pairs.chosen] - given_labels[pairs.rejected] >= 1).all()
    assert pairs == made(labels, prompts, **how)
    if not across:
        assert max(Counter(prompts[row] for row in pairs.chosen.tolist()).values()) <= 3


CASES = {
    # The number of pairs there, which README.md states too; the gap where it is not one deviation.
    "hanna_chatgpt": (1821, None),
    "hanna_mistral": (1821, None),
    "hanna_llama13": (1821, None),
    "hanna_human1": (1854, None),
    "hanna_metrics72": (1821, None),
    "frank_fact5": (909, 0.5),
    "frank_metrics15": (909, 0.5),
    "topical_unieval": (517, None),
    "ttcw_gpt4": (50, 1 / 6),
    "ttcw_claude3_opus": (50, 1 / 6),
    "llmrubric_real": (260, None),
}


@pytest.mark.skipif(
    not EXTERNAL.is_dir(), reason="the external ratings are not beside the checkout"
)
@pytest.mark.parametrize("case", CASES)
def test_external_pairs_of_the_same_rule_are_as_many_and_made_of_the_same(case: str) -> None:
    n_pairs, gap = CASES[case]
    folder = EXTERNAL / case
    keys = ["prompt_id", "response_id"]
    labels = pq.read_table(folder / "labels.parquet").select([*keys, "label"])
    rated = pq.read_table(folder / "ratings.parquet").join(labels, keys)
    pairs = as_pairs(rated, folder / "rules.toml", label="label", gap=gap)
    theirs = pq.read_table(folder / "pairs.parquet")
    assert pairs.n_pairs == theirs.num_rows == n_pairs
    prompts = [pairs.prompts.names[code] for code in pairs.prompts.codes.tolist()]
    assert Counter(prompts) == Counter(theirs["prompt_id"].to_pylist())
    # Where none were drawn from more, they are the same pairs.
    both = zip(
        theirs["prompt_id"].to_pylist(),
        theirs["chosen_id"].to_pylist(),
        theirs["rejected_id"].to_pylist(),
        strict=True,
    )
    ours = {(p, *pair.split(" > ")) for p, pair in zip(prompts, pairs.ids, strict=True)}
    few = {prompt for prompt, n in Counter(prompts).items() if n < 20}
    assert {key for key in ours if key[0] in few} == {key for key in both if key[0] in few}
