"""From a row of the data to the items to rate, and what is noticed on the way."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from encore.errors import RatingsError
from encore.raters.conversations import (
    Messages,
    Told,
    UnreadableError,
    as_messages,
    from_json,
    has_question,
    is_listed,
    is_printed,
    json_messages,
    not_a_list,
    same,
    split_last,
)
from encore.raters.layouts import Cells, Layout
from encore.raters.protocol import Item, short_digest
from encore.raters.transcripts import (
    after_prompt,
    has_more_turns,
    is_transcript,
    prompt_turns,
    split_transcripts,
)
from encore.ratings.ids import as_id
from encore.ratings.origin import SIDES

# Columns that identify or group rows; they are copied to the ratings file.
CARRIED = ("subset", "model", "chosen_model", "rejected_model")


@dataclass(frozen=True)
class Unreadable:
    """A response that cannot be read, and so stays unrated.

    Parameters
    ----------
    prompt_id, response_id : str
        Its ids in the ratings table.
    error : RatingsError
        Why, and where.
    """

    prompt_id: str
    response_id: str
    error: RatingsError


@dataclass(frozen=True)
class TextRow:
    """One row of the ratings: its ids, and one response, or the two of a pair, chosen first."""

    ids: Mapping[str, Any]
    items: tuple[Item | Unreadable, ...]


_NOTES = {
    "unreadable": "{n} of {responses} responses cannot be read and stay unrated. {first}",
    "json prompt": "{n} of {rows} prompts are JSON lists of messages, and are read as such.",
    "prompt as text": "{n} of {rows} prompts look like messages as JSON, and are no list of them; "
    "they are read as text.",
    "list as text": "{n} of {responses} responses look like messages, and are rated as the text "
    "that they are. If they are messages, write JSON Lines or Parquet, or, where they are "
    "JSON, say so (json_messages).",
    "no prompt": "{n} of {responses} responses are rated without a prompt.",
    "parted": "{n} of {rows} pairs of transcripts part before their last turn: all that follows "
    "the turns that they share is the response.",
    "other transcript": "{n} of {responses} responses are transcripts that do not begin with their "
    "prompt; all of each is the response.",
    "several": "{n} of the data's rows hold lists of responses: each has a row of its own, or of "
    "pairs, each chosen one with each rejected one.",
    "echo": "Every response begins with its own prompt, which is then read twice. If that is not "
    "what was said, take the prompt off the responses.",
    "one prompt": "All {n} rows have the same prompt, and count as responses to one question.",
}


@dataclass
class Findings:
    """What the user may want to know about some texts, counted to be said once."""

    n_rows: int = 0
    n_responses: int = 0
    first: RatingsError | None = None
    counts: Counter[str] = field(default_factory=Counter)
    prompts: set[str] = field(default_factory=set)  # two are enough

    @property
    def n_readable(self) -> int:
        """Responses that can be read."""
        return self.n_responses - self.counts["unreadable"]

    def saw(self, prompt_id: str, *, stated: bool) -> None:
        """Take note of the prompt of a row, and whether the row states its id."""
        self.counts["one prompt"] += not stated
        if len(self.prompts) < 2:
            self.prompts.add(prompt_id)

    def notes(self) -> Iterator[str]:
        """What is to be said."""
        counts = Counter(self.counts)
        if len(self.prompts) > 1 or counts["one prompt"] < 2:
            del counts["one prompt"]
        counts["echo"] = counts["echo"] == max(self.n_readable, 2)
        sizes = {"rows": self.n_rows, "responses": self.n_responses, "first": self.first}
        return (
            text.format(n=counts[what], **sizes) for what, text in _NOTES.items() if counts[what]
        )


@dataclass(frozen=True)
class RowReader:
    """Makes items of the rows of one source.

    Parameters
    ----------
    source : str
        Where the rows are from, for errors.
    layout : Layout
        Which columns are read, and how.
    json_messages : bool
        Whether lists stand in cells of text, as JSON.
    findings : Findings
        What is noticed on the way.
    """

    source: str
    layout: Layout
    json_messages: bool
    findings: Findings

    def __call__(self, number: int, cells: Cells) -> Iterator[TextRow]:
        """The rows of ratings that one row of the data makes; *number* counts from 1."""
        found = self.findings
        for row in _Row(self, number, cells).rows():
            unreadable = [item.error for item in row.items if isinstance(item, Unreadable)]
            found.n_rows += 1
            found.n_responses += len(row.items)
            found.counts["unreadable"] += len(unreadable)
            found.first = found.first or next(iter(unreadable), None)
            yield row


@dataclass(frozen=True)
class _Row:
    reader: RowReader
    number: int
    cells: Cells

    @property
    def layout(self) -> Layout:
        return self.reader.layout

    def count(self, what: str, n: int = 1) -> None:
        self.reader.findings.counts[what] += n

    def rows(self) -> Iterator[TextRow]:
        """One row; or one for each response, or for each chosen one with each rejected one."""
        columns = self.layout.columns
        own = self._id("id" if columns == SIDES else "response_id")
        own = str(self.number) if own is None else own
        cells = [self._cell(column) for column in columns]
        several = any(map(_are_texts, cells))
        self.count("several", several)
        sides = [cell if _are_texts(cell) else [cell] for cell in cells]
        for place, values in enumerate(itertools.product(*sides)):
            yield self._row(f"{own}/{place}" if several else own, values)

    def _row(self, own: str, values: Sequence[Any]) -> TextRow:
        columns = self.layout.columns
        paired = columns == SIDES
        asked: Messages = ()
        told: Sequence[Told | UnreadableError]
        try:
            asked = self._prompt()
            told = self._checked(self._told(asked, values), asked)
        except UnreadableError as error:
            told = [error] * len(values)
        asked = next((t[0] for t in told if not isinstance(t, UnreadableError)), asked)
        stated = self._id("prompt_id")
        # A row without a prompt is a prompt of its own.
        digested = asked if has_question(asked) else ["row", self.number]
        prompt_id = stated or short_digest(digested).hex()
        if any(not isinstance(side, UnreadableError) for side in told):
            self.reader.findings.saw(prompt_id, stated=stated is not None)
        ids = {"id": own, "prompt_id": prompt_id}
        if not paired:
            ids = {"prompt_id": prompt_id, "response_id": own}
        carried = {name: self._id(name) for name in CARRIED if name in self.cells}
        names = [f"{own}/{side}" for side in columns] if paired else [own]
        items = tuple(
            Unreadable(prompt_id, name, self._error(side))
            if isinstance(side, UnreadableError)
            else Item(*side, prompt_id, name)
            for side, name in zip(told, names, strict=True)
        )
        return TextRow({**ids, **carried}, items)

    def _prompt(self) -> Messages:
        """The prompt's messages; a list of them may stand in it as JSON."""
        column = self.layout.prompt
        if column is None:
            return ()
        value = self.cells.get(column)
        if value is None and self.layout.name in ("transcripts", "unprompted"):
            return ()
        if not isinstance(value, str):
            return as_messages(value, column)
        if (listed := json_messages(value)) is not None:
            self.count("json prompt", not self.reader.json_messages)
            return as_messages(listed, column)
        if is_printed(value):
            raise not_a_list(value, column)
        self.count("prompt as text", is_listed(value))
        return prompt_turns(value) if self.layout.name == "transcripts" else (("user", value),)

    def _cell(self, column: str) -> Any:
        """What a response's column holds, or why it cannot be read."""
        value = self.cells.get(column)
        if not self.reader.json_messages or not isinstance(value, str):
            return value
        try:
            return from_json(value, column)
        except UnreadableError as error:
            return error

    def _told(self, prompt: Messages, values: Sequence[Any]) -> list[Told | UnreadableError]:
        """Each response after its conversation."""
        columns = self.layout.columns
        if self._is_bare(prompt) and all(isinstance(value, str) for value in values):
            return split_transcripts(values, columns)
        told: list[Told | UnreadableError] = []
        for value, column in zip(values, columns, strict=True):
            try:
                told.append(self._one(prompt, value, column))
            except UnreadableError as error:
                told.append(error)
        return told

    def _is_bare(self, prompt: Messages) -> bool:
        """Whether the prompt stands in the transcripts alone."""
        return self.layout.name == "transcripts" and not has_question(prompt)

    def _one(self, prompt: Messages, value: Any, column: str) -> Told:
        """A response after its conversation."""
        if isinstance(value, UnreadableError):
            raise value
        if not isinstance(value, str):
            return split_last(as_messages(value, column), prompt, column)
        if self.layout.name == "messages":
            raise not_a_list(value, column)
        if self._is_bare(prompt):
            (side,) = split_transcripts([value], [column])
            if isinstance(side, UnreadableError):
                raise side
            return side
        if self.layout.name == "transcripts" and is_transcript(value):
            rest = after_prompt(value, prompt)
            self.count("other transcript", rest is None)
            return prompt, value if rest is None else rest
        self.count("list as text", is_listed(value) or is_printed(value))
        said = prompt[-1][1].strip() if prompt else ""
        self.count("echo", bool(said) and value.lstrip().startswith(said))
        return prompt, value

    def _checked(
        self, told: Sequence[Told | UnreadableError], prompt: Messages
    ) -> list[Told | UnreadableError]:
        """What was read, but for sides of different conversations, and those without a prompt."""
        columns = self.layout.columns
        read = [side for side in told if not isinstance(side, UnreadableError)]
        if len(read) == 2 and not same(read[0][0], read[1][0]):
            raise UnreadableError("chosen and rejected end different conversations.", columns[0])
        if self._is_bare(prompt) and len(columns) == 2:
            self.count("parted", any(has_more_turns(response) for _, response in read))
        if all(has_question(asked) for asked, _ in read):
            return [s if isinstance(s, UnreadableError) else (read[0][0], s[1]) for s in told]
        if self.layout.name != "unprompted" and self._id("prompt_id") is None:
            raise UnreadableError(
                "there is no question before the response, so that responses to different "
                "questions would be compared. Fill in the prompts; or, if there are none, take "
                "the layout 'unprompted', or give a prompt_id.",
                self.layout.prompt or columns[0],
            )
        self.count("no prompt", len(read))
        return list(told)

    def _id(self, column: str) -> str | None:
        try:
            return as_id(self.cells.get(column))
        except ValueError as error:
            raise self._error(UnreadableError(f"{error}.", column)) from error

    def _error(self, found: UnreadableError) -> RatingsError:
        return RatingsError(
            found.message, source=self.reader.source, row=self.number, column=found.column
        )


def _are_texts(cell: Any) -> bool:
    """Whether a cell holds several responses, as RewardBench 2's do."""
    return isinstance(cell, list) and bool(cell) and all(isinstance(text, str) for text in cell)
