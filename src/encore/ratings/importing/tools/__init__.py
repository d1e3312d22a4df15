"""What evaluation tools write, read as long rows: one file per tool and one line here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from encore.ratings.importing.tools.autorubric import AUTORUBRIC
from encore.ratings.importing.tools.deepeval import DEEPEVAL
from encore.ratings.importing.tools.inspect_ai import INSPECT_AI
from encore.ratings.importing.tools.lm_eval import LM_EVAL
from encore.ratings.importing.tools.promptfoo import PROMPTFOO
from encore.ratings.importing.tools.rewardbench import REWARDBENCH
from encore.ratings.importing.tools.tool import Tool
from encore.ratings.importing.tools.verifiers import VERIFIERS

TOOLS: dict[str, Tool] = {
    "autorubric": AUTORUBRIC,
    "deepeval": DEEPEVAL,
    "inspect_ai": INSPECT_AI,
    "lm-eval": LM_EVAL,
    "promptfoo": PROMPTFOO,
    "rewardbench": REWARDBENCH,
    "verifiers": VERIFIERS,
}
"""Every tool whose output can be read, by its name on the command line."""


def tool_of(document: Any) -> Tool | None:
    """The tool that wrote a document, or None."""
    return next((tool for tool in TOOLS.values() if tool.recognises(document)), None)


def opener_of(path: Path) -> Tool | None:
    """The tool that opens files of this ending itself, or None: they are JSON, JSONL, ….

    Its ``open(path)`` gives the document.
    """
    return next((tool for tool in TOOLS.values() if tool.ending == path.suffix.lower()), None)
