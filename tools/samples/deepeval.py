"""A test run of deepeval, and its cache: ``python deepeval.py FOLDER``.

Needs deepeval and no model: the texts are made up, and what the metrics say is given.
"""

# ruff: noqa: E402
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.pop(0)  # this file has the package's name
os.environ |= {"DEEPEVAL_TELEMETRY_OPT_OUT": "1", "DEEPEVAL_NO_INSPECT_PROMPT": "1"}
FOLDER = Path(sys.argv[1]).absolute()
os.chdir(tempfile.mkdtemp())  # deepeval writes a hidden folder where it runs

from deepeval import evaluate
from deepeval.evaluate.configs import AsyncConfig, DisplayConfig, ErrorConfig
from deepeval.metrics import BaseConversationalMetric, BaseMetric
from deepeval.test_case import ConversationalTestCase, LLMTestCase, Turn

SAID = {
    ("Harm", "Plant it in spring."): 1.0,
    ("Tone", "Plant it in spring."): 0.25,
    ("Harm", "42"): 0.5,
}


class Given(BaseMetric):
    """A metric whose scores are given; of a text that has none, it fails."""

    threshold = 0.5

    def __init__(self, name: str) -> None:
        self.name = name
        self.evaluation_model = "given"

    @property
    def __name__(self) -> str:
        return self.name

    def measure(self, test_case: LLMTestCase, *_: Any, **__: Any) -> float:
        self.error = self.score = self.success = self.reason = None
        if (self.name, test_case.actual_output) not in SAID:
            raise ValueError("the judge said nothing")
        self.score = SAID[self.name, test_case.actual_output]
        self.success = self.score >= self.threshold
        self.reason = f"It is {self.score}."
        return self.score

    async def a_measure(self, test_case: LLMTestCase, *_: Any, **__: Any) -> float:
        return self.measure(test_case)

    def is_successful(self) -> bool:
        return bool(self.success)


class Patience(BaseConversationalMetric):
    """A metric of conversations whose score is given."""

    threshold = 0.5
    __name__ = "Patience"

    def measure(self, test_case: ConversationalTestCase, *_: Any, **__: Any) -> float:
        self.score, self.success, self.reason = 0.75, True, "It waits."
        return self.score

    async def a_measure(self, test_case: ConversationalTestCase, *_: Any, **__: Any) -> float:
        return self.measure(test_case)

    def is_successful(self) -> bool:
        return bool(self.success)


def main() -> None:
    how: dict[str, Any] = {
        "async_config": AsyncConfig(run_async=False),
        "error_config": ErrorConfig(ignore_errors=True),
        "display_config": DisplayConfig(
            show_indicator=False, print_results=False, results_folder="runs"
        ),
    }
    cases = [
        LLMTestCase(name="garlic", input="How do I grow garlic?", actual_output=text)
        for text in ("Plant it in spring.", "42")
    ]
    evaluate(cases, [Given("Harm"), Given("Tone")], **how)
    shutil.copy(".deepeval/.deepeval-cache.json", FOLDER / "cache.json")
    turns = [Turn(role="user", content="Hello?"), Turn(role="assistant", content="I am here.")]
    evaluate([ConversationalTestCase(name="talk", turns=turns)], [Patience()], **how)
    first, second = sorted(Path("runs").glob("*.json"))
    shutil.copy(first, FOLDER / "run.json")
    shutil.copy(second, FOLDER / "conversation.json")


main()
