"""The report: what the numbers say, as one page to look at."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from encore.arrays import Record
from encore.errors import InputError
from encore.files import StrPath, atomic_write, refuse_overwrite
from encore.ratings import as_pairs
from encore.ratings.convert import check_said
from encore.ratings.pairing import MAX_PER_PROMPT
from encore.reporting.content import Content, make_content
from encore.reporting.figure import Drawn
from encore.reporting.figures import figures_of
from encore.reporting.gather import gather
from encore.reporting.page import page_of, provenance_of
from encore.reporting.texts import texts_of
from encore.rewards import AppliesBy, Form, Reward, as_form, as_reward
from encore.rules import Rules, as_rulebook
from encore.weights import Weights


@dataclass(frozen=True, eq=False, repr=False)
class Report(Record):
    """A report, ready to be written.

    Parameters
    ----------
    content : Content
        What it says.
    seed : int or None
        The seed of its intervals and samples; None if a generator was given.
    read : tuple of path-like
        The files that it was made from, which are never overwritten.
    """

    content: Content
    seed: int | None = 0
    read: tuple[StrPath, ...] = ()

    def to_html(self, *, include_text: bool = False, command: str = "") -> str:
        """The page.

        Parameters
        ----------
        include_text : bool, default False
            Whether to show the texts of the pairs looked into, if the file holds them. They may be
            unsafe to read.
        command : str
            The command that made it, for its provenance.

        Raises
        ------
        MissingExtraError
            If the extra ``report`` is not installed.
        InputError
            If texts are asked for and there are none.
        """
        texts = texts_of(self.content) if include_text else {}
        provenance = provenance_of(self.content, self.seed, command)
        return page_of(self.content, self._figures, provenance, texts)

    def save(self, path: StrPath, *, include_text: bool = False, command: str = "") -> None:
        """Write the page, atomically; see :meth:`to_html`.

        Raises
        ------
        InputError
            If the page would overwrite what the report was made from.
        """
        refuse_overwrite(path, *self.read)
        html = self.to_html(include_text=include_text, command=command)
        with atomic_write(path) as temporary:
            temporary.write_text(html, encoding="utf-8")

    def save_figures(self, folder: StrPath) -> list[Path]:
        """Write every figure as PNG, SVG and CSV into *folder*, which is created if need be.

        Raises
        ------
        MissingExtraError
            If the extra ``report`` is not installed.
        InputError
            If one would overwrite what the report was made from.
        """
        folder = Path(folder)
        files = {
            f"{figure.name}.{form}": data
            for figure in self._figures
            for form, data in figure.files.items()
        }
        for name in files:
            refuse_overwrite(folder / name, *self.read)
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            with atomic_write(folder / name) as temporary:
                temporary.write_bytes(data)
        return [folder / name for name in files]

    @cached_property
    def _figures(self) -> list[Drawn]:
        return [figure.drawn() for figure in figures_of(self.content)]

    def __repr__(self) -> str:
        subject = self.content.subject
        return (
            f"Report on {subject.name}: {subject.n_pairs:,} pairs, {subject.n_responses:,} "
            f"responses, {len(self.content.rules)} rules; recommended: {self.content.recommended}"
        )

    def _repr_html_(self) -> str:
        """In a notebook: the page in a frame of its own, where its styles stay."""
        from html import escape

        return (
            f'<iframe srcdoc="{escape(self.to_html())}" sandbox="allow-scripts allow-downloads" '
            f'title="ENCORE report" width="100%" height="800"></iframe>'
        )


def report(
    source: Any,
    rules: Rules | None = None,
    *,
    scale: Any = None,
    label: str | ArrayLike | None = None,
    gap: float | None = None,
    max_per_prompt: int = MAX_PER_PROMPT,
    across_prompts: bool = False,
    lower_is_better: bool | None = None,
    calibration_set: Any = None,
    weights: Weights | Reward | StrPath | None = None,
    form: Form | str | None = None,
    applies_by: AppliesBy | None = None,
    rng: np.random.Generator | int = 0,
) -> Report:
    """Make a report of rated pairs, rated responses, or a calibration.

    Pairs give all of it; without labels there is no accuracy and no comparison, and from a
    calibration alone no reward either. Above 20,000 pairs an even sample is compared. Above 5,000
    (fewer under many rules rated on a range, to keep the page small) an even sample is embedded in
    the page, which says so.

    Parameters
    ----------
    source : ratings in any form, PreferencePairs, Calibration, or path
        What to report on.
    rules : Rulebook, path, catalogue's name, or list of ids, optional
        Rules of the ratings, see :func:`encore.rules.as_rulebook`; a calibration holds its own.
    scale : LevelScale, RangeScale or list of levels, optional
        The scale of a list of ids.
    label : str or array_like of float, optional
        Report on pairs made of rated responses by their labels; see :func:`encore.pairs`, also for
        *gap*, *max_per_prompt*, *across_prompts* and *lower_is_better*.
    calibration_set : ratings in any form, or Calibration, optional
        What to calibrate on instead of the ratings themselves.
    weights : Weights, Reward or path, optional
        The reward to look at; by default ``linear`` weights and their mean.
    form, applies_by : optional
        How unit ratings become rewards, and what says how far a rule applies, instead of the
        reward's own; see :func:`encore.compose`.
    rng : numpy.random.Generator or int, default 0
        The source of randomness, or a seed for one.

    Returns
    -------
    Report

    Raises
    ------
    MismatchError
        If something was made with other rules.
    InputError
        If ratings come without rules, or are unusable.

    Examples
    --------
    >>> import encore
    >>> from encore.reporting import report
    >>> found = report(encore.examples.ratings_path(), encore.examples.rules())
    >>> found.content.recommended, found.content.subject.n_pairs
    ('uniform', 458)
    """
    generator = np.random.default_rng(rng)
    # Samples have their own stream, so that intervals equal those of compare with this seed.
    rulebook = None if rules is None else as_rulebook(rules, scale)
    how: dict[str, Any] = {
        "gap": gap,
        "max_per_prompt": max_per_prompt,
        "across_prompts": across_prompts,
        "lower_is_better": lower_is_better,
    }
    check_said(label, **how)
    pairs = None
    if label is not None:
        if rulebook is None:
            raise InputError("labels go with ratings of responses: give these and their rules.")
        pairs = as_pairs(source, rulebook, label=label, rng=rng, **how)
    subject = gather(source, rulebook, calibration_set, generator.spawn(1)[0], pairs=pairs)
    if not subject.calibration.n_ratings.any():
        raise InputError(f"{subject.name}: there are no ratings to report on.")
    given = None if weights is None else as_reward(weights, form=form, applies_by=applies_by)
    if given is not None:
        form, applies_by = given.form, given.applies_by
    content = make_content(
        subject.by(applies_by or "response"),
        None if given is None else given.weights,
        generator,
        as_form(form or "mean"),
    )
    read = tuple(p for p in (source, rules, calibration_set) if isinstance(p, str | os.PathLike))
    return Report(content, rng if isinstance(rng, int) else None, read)
