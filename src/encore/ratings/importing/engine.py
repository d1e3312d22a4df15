"""Ratings as people have them, made ours: read, understood, and written."""

from __future__ import annotations

import json
import os
import shlex
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from encore._version import __version__
from encore.errors import InputError
from encore.files import StrPath, file_digest, refuse_overwrite
from encore.ratings.arrow import KIND, RULES_DIGEST, VERSION, ratings_from
from encore.ratings.importing.answers import answered
from encore.ratings.importing.build import Built, built, drafted, said_scales, table_of
from encore.ratings.importing.choices import (
    ALL,
    Choices,
    Question,
    Shape,
    UnsureError,
)
from encore.ratings.importing.coded import Coded, Found
from encore.ratings.importing.combine import Combined, How, combine_raters
from encore.ratings.importing.decide import Decided, decided, raters_of
from encore.ratings.importing.documents import read_archive, read_json
from encore.ratings.importing.grid import RatingsGrid
from encore.ratings.importing.shapes import grid_of
from encore.ratings.importing.sheets import is_workbook, read_sheet
from encore.ratings.importing.sources import Opened, files_of, opened
from encore.ratings.importing.tables import read_arrow_file, read_delimited
from encore.ratings.importing.understood import Understood, understood
from encore.ratings.write import open_table
from encore.rules import Rulebook, Rules, as_rulebook

Ask = Callable[[Question], str]
_HEADING = (
    "Drafted from {source}: the scales are what its values were taken for, worst to best.\n"
    "Write under each text what the rule asks of a response, and check the scales."
)


@dataclass(frozen=True, eq=False)
class Imported:
    """Ratings that were imported.

    Parameters
    ----------
    table : pyarrow.Table
        The ratings in the layout of responses, or of pairs.
    rules : Rulebook
        The rules: those that were given, or drafted ones.
    understood : Understood
        What was understood of the files.
    command : str
        The command line that repeats this exactly, with nothing left to guess.
    combined : Combined or None
        Of several raters: who they are, and how far they agree.
    """

    table: pa.Table
    rules: Rulebook
    understood: Understood
    command: str
    combined: Combined | None = None


def import_ratings(
    files: StrPath | Iterable[StrPath],
    out: StrPath | None = None,
    rules: Rules | None = None,
    *,
    rules_out: StrPath | None = None,
    ask: Ask | None = None,
    shape: Shape | None = None,
    columns: Mapping[str, str] | None = None,
    rule_columns: Sequence[str] = (),
    label: Sequence[str] = (),
    prefix: str | None = None,
    scale: Mapping[str, str] | str | None = None,
    reverse: Sequence[str] = (),
    as_is: Sequence[str] = (),
    map: Mapping[str, Mapping[str, str]] | None = None,
    na: Sequence[str] = (),
    unrated: Sequence[str] = (),
    number_repeats: bool = False,
    rater_per_file: bool = False,
    combine: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    sheet: str | None = None,
) -> Imported:
    r"""Read ratings as people and their tools write them.

    Shapes, columns, values and scales are recognised; see :doc:`the reference
    </reference/importing>` for what is. What is not certain is asked for, or refused with the
    option that says it.

    Parameters
    ----------
    files : path, or iterable of paths
        Files, folders, or patterns such as ``"runs/*.jsonl"``.
    out : path, optional
        The ratings file to write; without it, nothing is written.
    rules : Rulebook, path, catalogue's name, or list of ids, optional
        The rules; without them, rules are drafted.
    rules_out : path, optional
        Where drafted rules are written.  By default beside *out*: ``ratings.rules.toml``.
    ask : callable, optional
        Answers a question about what is not certain.
    shape : {"wide", "long", "pairs"}, optional
        The shape of the rows.
    columns : mapping of str to str, optional
        The column of a role: ``{"prompt": "question", "rule": "criterion", "score": "mark"}``.
    rule_columns : sequence of str, optional
        The columns that hold ratings, if each rule has its own.
    label : sequence of str, optional
        Columns that are no ratings, such as people's labels; they are kept, and *map* counts for
        them too.
    prefix : str, optional
        What the names of rules' columns begin with.
    scale : str, or mapping of rules to str, optional
        Scales, worst to best: ``"1-5"``, ``"5,4,3,2,1"``, ``"bad,ok,good"``.
    reverse, as_is : sequence of str, optional
        Rules whose highest value is the worst, and those whose is the best; ``"all"`` for all.
    map : mapping, optional
        Per rule (or ``"all"``), values and what they are read as.
    na, unrated : sequence of str, optional
        Values that mean that a rule does not apply, and that there is no rating.
    number_repeats : bool, default False
        Whether a response that is rated twice was rated again.
    rater_per_file : bool, default False
        Whether each file is another rater's.
    combine : {"mean", "repeats"}, optional
        What becomes of several raters' ratings of one response.
    encoding, delimiter, decimal : str, optional
        How a text file is written.
    sheet : str, optional
        The sheet of a workbook, where several hold something.

    Returns
    -------
    Imported
        The table, the rules, and what was understood.

    Raises
    ------
    UnsureError
        If something is not certain, and there is nobody to *ask*.
    RatingsError
        If a file cannot be read, or a cell cannot be a rating; the message names it.
    InputError
        If an option names what is not there, or a file would be written over one that is read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "judge.csv"
    >>> _ = file.write_text("prompt,answer,privacy,tone\np,a,yes,5\np,b,no,2\n")
    >>> done = import_ratings(file, scale={"tone": "1-5"})
    >>> done.table["privacy"].to_pylist(), str(done.rules["tone"].scale)
    ([1.0, 0.0], '1, 2, 3, 4, 5')
    """
    choices = Choices(
        shape=shape,
        roles=dict(columns or {}),
        rule_columns=tuple(rule_columns),
        label=tuple(label),
        prefix=prefix,
        scale={ALL: scale} if isinstance(scale, str) else dict(scale or {}),
        reverse=tuple(reverse),
        as_is=tuple(as_is),
        map={name: dict(words) for name, words in (map or {}).items()},
        na=tuple(na),
        unrated=tuple(unrated),
        number_repeats=number_repeats,
        rater_per_file=rater_per_file,
        combine=combine,
        encoding=encoding,
        delimiter=delimiter,
        decimal=decimal,
        sheet=sheet,
    )
    paths = files_of(files)
    book = None if rules is None else as_rulebook(rules)
    drafts = _drafts_path(out, rules_out) if book is None else None
    for written in (out, drafts):
        if written is not None:
            refuse_overwrite(written, *paths)
    found, choices = read_files(paths, choices, ask)
    said = _said_paths(out, rules, rules_out)
    imported = imported_from(found, choices, book, ask, said)
    if drafts is not None:
        imported.rules.save(drafts, _HEADING.format(source=", ".join(found.sources[:5])))
    if out is not None:
        _write(out, imported, paths, drafted_rules=book is None)
    return imported


def _said_paths(out: StrPath | None, rules: Rules | None, drafts: StrPath | None) -> list[str]:
    """The options for files that are written, and for rules if they are of a file."""
    named = {"-o": out, "--rules": rules, "--rules-out": drafts}
    said = {name: path for name, path in named.items() if isinstance(path, str | os.PathLike)}
    return [text for name, path in said.items() for text in (name, os.fspath(path))]


def _drafts_path(out: StrPath | None, said: StrPath | None) -> Path | None:
    if said is not None:
        return Path(said)
    return None if out is None else Path(out).with_suffix(".rules.toml")


def read_files(
    paths: Sequence[Path], choices: Choices, ask: Ask | None = None
) -> tuple[Found, Choices]:
    """All files' rows, one below the other, and the choices with what was asked of them."""
    parts: list[Found] = []
    with tempfile.TemporaryDirectory(prefix="encore-") as folder:
        for path in paths:
            file = opened(path, Path(folder), choices.encoding)
            try:
                parts.append(_read(file, choices))
            except UnsureError as error:
                if ask is None:
                    raise
                for question in error.questions:
                    choices = answered(choices, question, ask(question))
                parts.append(_read(file, choices))
    return Found.joined(parts), choices


def _read(file: Opened, choices: Choices) -> Found:
    if file.kind in ("parquet", "feather"):
        return read_arrow_file(file)
    if file.kind == "zip":
        if is_workbook(file):
            return read_sheet(file, choices.sheet)
        return read_archive(file)
    with file.path.open("rb") as text:
        head = text.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head[:1] in (b"{", b"[") and file.ending not in (".csv", ".tsv"):
        return read_json(file)
    if file.ending in (".json", ".jsonl", ".ndjson"):
        return read_json(file)
    return read_delimited(file, delimiter=choices.delimiter, decimal=choices.decimal)


def imported_from(
    found: Found,
    choices: Choices,
    rules: Rulebook | None,
    ask: Ask | None,
    written: Sequence[str] = (),
) -> Imported:
    """What was found as ratings; the options *written* are part of the command that repeats it.

    Raises
    ------
    UnsureError
        If something is not certain, and there is nobody to *ask*.
    """
    if choices.decimal is not None:
        found = replace(found, decimal=choices.decimal)
    if choices.rater_per_file:
        found = _with_raters(found)
    while True:
        grid = grid_of(found, choices, rules)
        settled, questions = decided(grid, choices, rules)
        if not questions:
            break
        if ask is None:
            raise UnsureError(tuple(questions), found.sources[0])
        for question in questions:
            choices = answered(choices, question, ask(question))
    book = drafted(settled) if rules is None else _in_order(rules, grid)
    columns = built(grid, settled, book)
    table = table_of(grid, {rule: columns[rule] for rule in book.ids})
    combined = None
    if choices.combine is not None and len(raters_of(grid)) > 1:
        combined = combine_raters(_by_rater(table), book, how=cast(How, choices.combine))
        table = combined.table
    ratings_from(table, book, found.sources[0])  # which checks all that it promises
    shown = understood(grid, settled, columns, book, table)
    arguments = _arguments(grid, choices, settled, columns, drafted_rules=rules is None)
    command = shlex.join(["encore", "import", *found.sources, *written, *arguments])
    return Imported(table, book, shown, command, combined)


def _with_raters(found: Found) -> Found:
    """The same with each file's name as its rater's."""
    if "rater" in found.columns:
        raise InputError("there is a column 'rater' already; leave --rater-per-file out.")
    stems = [Path(source).stem for source in found.sources]
    names: list[Any] = stems if len(set(stems)) == len(stems) else list(found.sources)
    return replace(found, columns={**found.columns, "rater": Coded(found.source, names)})


def _by_rater(table: pa.Table) -> dict[str, pa.Table]:
    """The table as one per rater."""
    column = table["rater"].combine_chunks().dictionary_encode()
    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        raise InputError(f"row {row + 1} of the ratings has no rater; give every row one.")
    rest = table.drop_columns(["rater"])
    codes = column.indices.to_numpy()
    return {
        name: rest.take(pa.array((codes == code).nonzero()[0]))
        for code, name in enumerate(column.dictionary.to_pylist())
    }


def _in_order(rules: Rulebook, grid: RatingsGrid) -> Rulebook:
    missing = [rule_id for rule_id in rules.ids if rule_id not in grid.rules]
    if missing:
        raise InputError(f"no ratings under the rules {missing}.")
    return rules


def _arguments(
    grid: RatingsGrid,
    choices: Choices,
    settled: Mapping[str, Decided],
    columns: Mapping[str, Built],
    *,
    drafted_rules: bool,
) -> list[str]:
    """Everything that was guessed, said as options."""
    made = replace(choices, scale={}, reverse=(), as_is=())
    if drafted_rules:
        turned = {
            rule
            for rule, found in settled.items()
            if (found.scale is not None and choices.direction_of(rule) == "reverse")
            or grid.rules[rule].reverse
        }
        guessed = {rule: found for rule, found in settled.items() if found.why != "tool"}
        scales = said_scales(guessed, turned)
        one = set(scales.values())
        scales = {ALL: one.pop()} if len(one) == 1 and len(guessed) == len(settled) else scales
        made = replace(
            made,
            scale=scales,
            reverse=tuple(r for r in settled if r in turned and not grid.rules[r].reverse),
            as_is=choices.as_is,
        )
    if grid.found.tool is None:
        roles = {r: c for r, c in grid.roles.items() if not (r == "rater" and made.rater_per_file)}
        made = replace(made, shape=grid.shape, roles=roles)
        if grid.shape == "wide":
            made = replace(made, rule_columns=tuple(c.column for c in grid.rules.values()))
    if grid.found.decimal != ".":
        made = replace(made, decimal=grid.found.decimal)
    return made.arguments()


def _write(out: StrPath, done: Imported, paths: Sequence[Path], *, drafted_rules: bool) -> None:
    provenance = {
        "imported": [{"file": str(path), "sha256": file_digest(path)} for path in paths],
        "command": done.command,
        "encore": __version__,
        "rules_digest": done.rules.digest,
    }
    metadata = {
        "encore.kind": KIND,
        "encore.schema_version": str(VERSION),
        "encore.provenance": json.dumps(provenance, sort_keys=True),
    }
    # Drafted rules are there to be edited; ratings that name their digest would then be refused.
    if not drafted_rules:
        metadata[RULES_DIGEST] = done.rules.digest
    with open_table(out, metadata=metadata) as write:
        write(done.table)
