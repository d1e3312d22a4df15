"""What a tool's reader is: how its files are told from others, and the rows that they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Tool:
    """One tool's output, as long rows.

    A *document* is the parsed content of one file: an object of JSON, or a list (of the rows of a
    JSONL or Parquet file). A long row is one score of one response under one rule, with keys among
    :data:`FIELDS`: prompt and response are always named by ids that the same texts have in other
    files of the tool too, the score is as the tool wrote it, and None where there is none, with
    the reason. A row whose rule is None is a response of which nothing was rated.

    Parameters
    ----------
    name : str
        The tool's name, as its makers write it.
    recognises : callable
        Whether a document is this tool's. It never raises, and reads no more than the outside of
        a document and its first row.
    rows : callable
        The long rows of a document that is recognised; it is also given the file's name, for
        errors, which are RatingsErrors and name the document's row.
    ending : str, optional
        The ending of files that only this tool can open.
    open : callable, optional
        The document of such a file.
    """

    name: str
    recognises: Callable[[Any], bool]
    rows: Callable[[Any, str], Iterator[dict[str, Any]]]
    ending: str | None = None
    open: Callable[[Path], Any] | None = None


FIELDS = (
    *("prompt_id", "prompt", "response_id", "response", "model", "subset", "rule", "score"),
    *("reason", "scale", "reverse", "spread", "repeat", "rater", "label", "not_applicable"),
)
"""What a long row may say.

``scale`` is the rule's, where the tool tells it, as it is said on the command line (``0-1``, or
levels from worst to best: ``I,C``), and ``reverse`` says whether less is better, where it tells.
"""
