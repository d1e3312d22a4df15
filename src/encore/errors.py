"""Everything that ENCORE raises on purpose, in one family.

::

    EncoreError
    ├── InputError              the caller's data or arguments      (also a ValueError)
    │   ├── UnknownNameError    a name nothing is registered under
    │   ├── RatingsError        a ratings table breaks its contract
    │   ├── DocumentError       a rules, calibration or weights file breaks its format
    │   ├── CheckpointError     a model's folder is incomplete, or of a kind that cannot be read
    │   └── PathError           a path that cannot be read or written to (also an OSError)
    ├── MismatchError           two things that do not belong together
    ├── StoppedError            a rating run ended early; what it rated is stored
    │   ├── EndpointError       the endpoint refuses, cannot be reached, or fails every time
    │   └── BudgetError         the run's budget is spent
    └── MissingExtraError       an optional dependency is not installed   (also an ImportError)

``except EncoreError`` catches all of them. The message says what went wrong; the parts of it that
a program may need are attributes, so that nobody has to parse the sentence.
"""

from __future__ import annotations

from collections.abc import Iterable


class EncoreError(Exception):
    """The base of every error that ENCORE raises on purpose."""


class InputError(EncoreError, ValueError):
    """The caller's data or arguments are not usable as they are."""


class UnknownNameError(InputError):
    """A name that nothing is registered under.

    Parameters
    ----------
    kind : str
        What was looked for, such as ``"weighting scheme"``.
    name : str
        The name that was asked for.
    known : iterable of str
        The names that exist; the nearest is suggested.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        self.known = tuple(known)
        import difflib  # only a misspelt name needs it

        near = difflib.get_close_matches(str(name), self.known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        listed = ", ".join(self.known[:20]) + (", …" if len(self.known) > 20 else "")
        super().__init__(f"no {kind} is called {name!r}.{hint} Known: {listed or 'none'}.")


class RatingsError(InputError):
    """A ratings table breaks its contract.

    Parameters
    ----------
    message : str
        What is wrong, what was expected and what to do next.
    source : str
        The file, or a name for ratings from memory.
    row : int, optional
        The data row, counted from 1 (a header line does not count).
    column : str, optional
        The column's name.
    """

    def __init__(
        self, message: str, *, source: str, row: int | None = None, column: str | None = None
    ) -> None:
        self.message = message
        self.source = source
        self.row = row
        self.column = column
        where = [source]
        if row is not None:
            where.append(f"row {row}")
        if column is not None:
            where.append(f"column {column!r}")
        super().__init__(f"{', '.join(where)}: {message}")


class DocumentError(InputError):
    """A rules, calibration, weights or reward file breaks its format."""


class CheckpointError(InputError):
    """A model's folder is incomplete, or of a kind that ENCORE cannot read."""


class PathError(InputError, OSError):
    """A path that nothing can be read from or written to.

    Of a file that is not there, it is the system's own FileNotFoundError.
    """


class MismatchError(EncoreError):
    """Two things that do not belong together, such as weights and ratings of different rules."""


class StoppedError(EncoreError):
    """A rating run ended before everything was rated. What it rated is in the store."""


class EndpointError(StoppedError):
    """The judge's endpoint refuses the run, cannot be reached, or fails every time."""


class BudgetError(StoppedError):
    """The budget of a rating run is spent."""


class MissingExtraError(EncoreError, ImportError):
    """An optional dependency is needed and not installed."""
