from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encore.errors import MismatchError
from encore.heads.model.conversation import Conversation, Tokens
from encore.raters import Heads, Job, Reason, Store, Texts, rate
from encore.rules import RangeScale, Rulebook

RULES = Rulebook.from_ids(["long", "kind"], RangeScale(0, 20))
ROWS = """\
id,prompt_id,prompt,chosen,rejected
a,p,Hi,Hello there,No
b,q,Hi?,Hello,Shoo now
c,r,Hi!,No,Hello there you
"""


@dataclass
class Lengths:
    """Heads without a network: the length of the response, and 7; longest first, two at a time."""

    asked: list[int] = field(default_factory=list)
    breaks_after: int | None = None
    value: float = 7.0

    names: tuple[str, ...] = ("kind", "long")
    rules: Rulebook | None = RULES

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"model": "lengths"}

    def score_heads(self, conversations: Sequence[Conversation]) -> Any:
        raise NotImplementedError

    def batches(
        self, conversations: Sequence[Conversation]
    ) -> Iterator[tuple[list[int], Any, list[Tokens]]]:
        order = sorted(range(len(conversations)), key=lambda i: -len(conversations[i][-1][1]))
        for first in range(0, len(order), 2):
            if self.breaks_after is not None and len(self.asked) >= self.breaks_after:
                raise KeyboardInterrupt
            here = order[first : first + 2]
            self.asked += here
            lengths = [len(conversations[place][-1][1]) for place in here]
            values = np.array([[self.value, length] for length in lengths], np.float32)
            yield here, values, [Tokens((1,) * n, None, int(n > 11)) for n in lengths]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    (tmp_path / "texts.csv").write_text(ROWS)
    return tmp_path / "texts.csv"


def test_each_response_gets_the_values_of_its_heads_by_name(texts: Path) -> None:
    table = rate(texts, RULES, Heads(Lengths())).table.to_pydict()
    assert table["chosen.long"] == [11, 5, 2] and table["rejected.long"] == [2, 8, 15]
    assert table["chosen.kind"] == [7, 7, 7]
    assert "chosen.long.spread" not in table


def test_tokens_and_cut_texts_are_counted(texts: Path) -> None:
    with Store(":memory:") as store:
        job = Job(Texts(texts), RULES, Heads(Lengths()), store)
        job.run()
        # "No" answers two prompts: 11 + 2 + 5 + 8 + 2 + 15 tokens; one response is over 11.
        assert job.usage.prompt_tokens == 43 and job.usage.n_requests == 0
        assert job.rated().n_cut == 1


def test_some_of_the_heads_can_be_asked_for(texts: Path) -> None:
    one = Rulebook.from_ids(["long"], RangeScale(0, 20))
    table = rate(texts, one, Heads(Lengths())).table
    assert "chosen.kind" not in table.column_names
    assert table["chosen.long"].to_pylist() == [11, 5, 2]


def test_a_rule_without_head_is_an_error(texts: Path) -> None:
    with pytest.raises(MismatchError, match=r"no heads for the rules \['warm'\]; its heads are"):
        rate(texts, Rulebook.from_ids(["warm"], RangeScale(0, 1)), Heads(Lengths()))


def test_a_run_goes_on_from_the_store(texts: Path, tmp_path: Path) -> None:
    stopped = Lengths(breaks_after=2)
    with Store(tmp_path / "s.sqlite") as store, pytest.raises(KeyboardInterrupt):
        Job(Texts(texts), RULES, Heads(stopped), store).run()
    again = Lengths()
    with Store(tmp_path / "s.sqlite") as store:
        job = Job(Texts(texts), RULES, Heads(again), store)
        assert job.n_stored == 4  # two responses under two rules
        job.run()
        assert len(again.asked) == 4
        table = job.rated().table.to_pydict()
    assert table["chosen.long"] == [11, 5, 2] and table["rejected.long"] == [2, 8, 15]


def test_a_value_that_is_not_finite_is_no_rating(texts: Path) -> None:
    rated = rate(texts, RULES, Heads(Lengths(value=float("nan"))))
    kind = next(found for found in rated.coverage if found.rule == "kind")
    assert kind.n_rated == 0 and kind.reasons == {Reason.MALFORMED: 6}
    assert rated.table["chosen.kind"].null_count == 3


@pytest.mark.skipif(bool(os.environ.get("ENCORE_BARE")), reason="bare install without torch")
def test_ratings_of_a_real_model_are_its_values(texts: Path, tmp_path: Path) -> None:
    from encore.heads import HeadModel
    from tests.heads.tiny import classifier

    classifier(tmp_path / "model", "llama", ("long", "kind"))
    model = HeadModel(tmp_path / "model")
    table = rate(texts, RULES, Heads(model)).table
    prompts, responses = ["Hi", "Hi?", "Hi!"], ["Hello there", "Hello", "No"]
    talks = [
        [("user", one), ("assistant", other)] for one, other in zip(prompts, responses, strict=True)
    ]
    wanted = model.score_heads(talks)
    found = np.stack([table[f"chosen.{name}"].to_numpy() for name in model.names], 1)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
