"""The report's figures, drawn for paper; the page shows them where no script runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.evaluation import Comparison, Interval, outcomes, separation
from encore.evaluation.accuracy import accuracy
from encore.evaluation.cross_validate import MEAN, rewards_of
from encore.formatting import correlation, number
from encore.reporting.content import Content
from encore.reporting.density import N_POINTS, density
from encore.reporting.figure import Figure, short, three
from encore.reporting.style import BLACK, BLUE, ORANGE
from encore.rewards import compose, form_text
from encore.weights import Weights

Floats = NDArray[np.float64]
STRENGTHS = tuple(np.linspace(0.0, 4.0, 41).round(1).tolist())
TIES = {"strict": "a tie is wrong", "half": "a tie counts half", "resolved": "ties left out"}
_MOST_BARS = 60
_MOST_NAMES = 20  # beside dots
_NAMES = (
    *("before-after", "shares", "strength"),
    *("entropy-accuracy", "comparison", "contributions"),
)
FILES = tuple(f"{name}.{form}" for name in _NAMES for form in ("png", "svg", "csv"))
"""All that figures are written to."""


def figures_of(content: Content) -> list[Figure]:
    """The figures that the content has numbers for."""
    found = [_before_after(content), _shares(content), _strengths(content)]
    if content.comparison:
        found += [
            _entropy_accuracy(content, content.comparison),
            _comparison(content, content.comparison),
        ]
    if content.contrasts:
        found.append(_contributions(content))
    return [figure for figure in found if figure is not None]


@dataclass(frozen=True, eq=False, repr=False)
class RewardCurves(Record):
    """The density of one reward.

    Parameters
    ----------
    name : str
        The reward's.
    x : ndarray of float, shape (201,)
        Rewards, the same for both.
    curves : mapping of str to ndarray of float, shape (201,)
        By side, chosen and rejected; or of all responses where there are no pairs.
    separation : float
        NaN without labelled pairs.
    """

    name: str
    x: Floats
    curves: Mapping[str, Floats]
    separation: float

    @property
    def says(self) -> str:
        """Its name, and how far apart the sides are."""
        if len(self.curves) < 2:
            return self.name
        return f"{self.name}: separation {number(self.separation, undefined='undefined')}"


def before_and_after(content: Content) -> list[RewardCurves]:
    """The mean of all rules and the weighted reward, where both are known; empty if nowhere."""
    rewards = {
        _alike(content): _sides(content, content.uniform),
        f"weighted by {content.reward}": _sides(content, content.weights),
    }
    every = np.stack([values for sides in rewards.values() for values in sides.values()])
    shared = ~np.isnan(every).any(axis=0)
    if not shared.any():
        return []
    known = every[:, shared]
    pad = 0.05 * (float(np.ptp(known)) or 0.1)
    low, high = max(0.0, float(known.min()) - pad), min(1.0, float(known.max()) + pad)
    return [
        RewardCurves(
            name,
            np.linspace(low, high, N_POINTS),
            {side: density(values[shared], low, high) for side, values in sides.items()},
            separation(*(v[shared] for v in sides.values())) if len(sides) == 2 else math.nan,
        )
        for name, sides in rewards.items()
    ]


def _alike(content: Content) -> str:
    if content.form == MEAN:
        return "mean of all rules"
    return f"all rules alike ({form_text(content.form)})"


def _sides(content: Content, weights: Weights) -> dict[str, Floats]:
    pairs, responses = content.subject.pairs, content.subject.responses
    if pairs is not None:
        return dict(
            zip(("chosen", "rejected"), rewards_of(pairs, weights, content.form), strict=True)
        )
    if responses is None:
        return {"responses": np.empty(0)}
    return {"responses": compose(responses, weights, form=content.form)}


def _before_after(content: Content) -> Figure | None:
    """Densities of the mean and of the weighted reward."""
    rewards = before_and_after(content)
    if not rewards:
        return None

    def draw(figure: Any) -> None:
        figure.set_size_inches(8, 3.2)
        axes = figure.subplots(1, 2, sharex=True, sharey=True)
        for axis, reward in zip(axes, rewards, strict=True):
            for (side, curve), (colour, line) in zip(reward.curves.items(), _TWO, strict=False):
                axis.plot(reward.x, curve, line, color=colour, label=side)
                axis.fill_between(reward.x, curve, color=colour, alpha=0.15)
            title = reward.says.removeprefix(reward.name).removeprefix(": ")
            axis.set(title=f"{short(reward.name)}\n{title}", xlabel="reward", yticks=[])
        if len(rewards[0].curves) > 1:
            axes[0].legend(frameon=False)

    curves = {
        f"{reward.name}, {side}": curve
        for reward in rewards
        for side, curve in reward.curves.items()
    }
    return Figure(
        "before-after",
        f"The mean of all rules, and the reward weighted by {content.reward}",
        f"Two density plots of rewards side by side. {'; '.join(r.says for r in rewards)}.",
        ("reward", *curves),
        tuple(zip(rewards[0].x.tolist(), *(c.tolist() for c in curves.values()), strict=True)),
        draw,
    )


_TWO = ((BLUE, "-"), (ORANGE, "--"))


def _shares(content: Content) -> Figure:
    """Every rule's share, beside an equal share."""
    rows = sorted(content.rules, key=lambda row: -row.share)
    shown = rows[:_MOST_BARS]

    def draw(figure: Any) -> None:
        figure.set_size_inches(8, 1.2 + 0.28 * len(shown))
        axis = figure.subplots()
        names = [short(row.rule) for row in shown]
        places = np.arange(len(shown))
        axis.barh(places, [100 * row.share for row in shown], color=BLUE, height=0.6)
        axis.axvline(100 / len(rows), color=BLACK, linestyle="--", label="all rules alike")
        axis.set_yticks(places, names)
        axis.invert_yaxis()
        axis.set(xlabel="share of the reward, %")
        axis.grid(visible=False, axis="y")
        axis.legend(frameon=False, loc="lower right")

    most, least = rows[0], rows[-1]
    few = len(rows) <= _MOST_BARS
    which = "each rule" if few else f"the first {_MOST_BARS} of {len(rows)} rules"
    return Figure(
        "shares",
        f"Share of {which}, weighted by {content.reward}",
        f"A bar for {which}. The largest share is {most.rule}'s ({most.share:.1%}), the smallest "
        f"{least.rule}'s ({least.share:.1%}).",
        ("rule", "normalised entropy", "weight", "share"),
        tuple((row.rule, row.entropy.value, row.weight, row.share) for row in rows),
        draw,
    )


def _strengths(content: Content) -> Figure | None:
    """What the slider does, from one end to the other, on pairs that the mean knows too."""
    pairs = content.subject.pairs
    if pairs is None:
        return None
    unknown = np.isnan(np.add(*rewards_of(pairs, content.uniform, content.form)))
    rows = []
    largest = content.weights.values.max()
    for strength in STRENGTHS:
        values = (content.weights.values / largest) ** strength
        chosen, rejected = rewards_of(pairs, Weights(content.weights.rules, values), content.form)
        chosen[unknown] = np.nan
        verdicts = outcomes(chosen, rejected)
        right = [accuracy(verdicts, ties) for ties in TIES]
        rows.append((strength, separation(chosen, rejected), *right))
    columns = list(zip(*rows, strict=True))

    def draw(figure: Any) -> None:
        figure.set_size_inches(8, 3.2)
        left, right = figure.subplots(1, 2)
        left.plot(STRENGTHS, columns[1], color=BLUE)
        left.set(title="separation", xlabel="strength")
        for ties, line, values in zip(TIES, ("--", "-", ":"), columns[2:], strict=True):
            right.plot(STRENGTHS, 100 * np.array(values), line, color=BLUE, label=TIES[ties])
        right.set(title="accuracy, %", xlabel="strength")
        right.legend(frameon=False)

    ends = [
        f"{number(rows[i][1], undefined='undefined')} at strength {STRENGTHS[i]:g}"
        for i in (0, 10, 40)
    ]
    return Figure(
        "strength",
        f"Separation and accuracy as the strength of {content.reward} grows",
        f"Two line plots over the strength from 0 (all rules alike) to 4. Separation is "
        f"{', '.join(ends)}.",
        ("strength", "separation", *(f"accuracy, {TIES[ties]}" for ties in TIES)),
        tuple(rows),
        draw,
    )


def _entropy_accuracy(content: Content, comparison: Comparison) -> Figure:
    """Every rule's entropy against its accuracy, under three tie conventions."""
    correlations = comparison.entropy_correlations.accuracy
    rows = content.rules

    def draw(figure: Any) -> None:
        figure.set_size_inches(9, 4.2)
        axes = figure.subplots(1, 3, sharey=True)
        for axis, ties in zip(axes, TIES, strict=True):
            x = np.array([row.entropy.value for row in rows])
            found = [row.accuracy[ties] for row in rows]
            _whiskers(axis, x, [row.entropy for row in rows], found)
            if len(rows) <= _MOST_NAMES:
                for row, interval in zip(rows, found, strict=True):
                    at, name = (row.entropy.value, 100 * interval.value), short(row.rule, 18)
                    axis.annotate(name, at, (3, 3), textcoords="offset points", size=7)
            r = correlations[ties].pearson
            axis.set(title=f"{TIES[ties]}\nr = {correlation(r)}", xlabel="normalised entropy")
        axes[0].set(ylabel="accuracy of the rule alone, %")

    said = [f"{TIES[ties]}: r = {correlation(correlations[ties].pearson)}" for ties in TIES]
    columns = ["rule", "normalised entropy", "low", "high"]
    for ties in TIES:
        columns += [f"accuracy, {TIES[ties]}", "low", "high"]
    return Figure(
        "entropy-accuracy",
        "Rating entropy against accuracy, rule by rule",
        f"Three scatter plots, one dot per rule. {'; '.join(said)}.",
        tuple(columns),
        tuple(
            (row.rule, *three(row.entropy), *(v for t in TIES for v in three(row.accuracy[t])))
            for row in rows
        ),
        draw,
    )


def _whiskers(axis: Any, x: Any, across: Sequence[Interval], along: Sequence[Interval]) -> None:
    y = 100 * np.array([found.value for found in along])
    reach = [_reach(found, 100) for found in along]
    sideways = [_reach(found, 1) for found in across]
    axis.errorbar(
        x, y, yerr=np.array(reach).T, xerr=np.array(sideways).T, fmt="o", color=BLUE, linewidth=1
    )


def _reach(found: Interval, scale: float) -> tuple[float, float]:
    """Whiskers below and above; none where the interval is unknown."""
    below, above = found.value - found.low, found.high - found.value
    if math.isnan(below + above):
        return 0.0, 0.0
    return scale * max(0.0, below), scale * max(0.0, above)


def _comparison(content: Content, comparison: Comparison) -> Figure:
    """All schemes with intervals: on all pairs, and on each subset."""
    rows = comparison.rows
    panels = [("all pairs", [row.accuracy for row in rows])]
    panels += [(name, [row.subsets[name] for row in rows]) for name in content.subsets]
    across = min(3, len(panels))
    down = math.ceil(len(panels) / across)

    def draw(figure: Any) -> None:
        figure.set_size_inches(9, down * (1.0 + 0.27 * len(rows)))
        axes = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
        places = np.arange(len(rows))
        for axis, (name, found) in zip(axes, panels, strict=False):
            values = [100 * of["half"].value for of in found]
            reach = np.array([_reach(of["half"], 100) for of in found]).T
            axis.errorbar(values, places, xerr=reach, fmt="o", color=BLUE, linewidth=1.5)
            axis.axvline(values[0], color=BLACK, linestyle="--", linewidth=1)
            axis.set(title=short(name, 28), xlabel="accuracy, %")
            axis.set_yticks(places, [short(row.scheme) for row in rows])
        axes[0].invert_yaxis()
        for axis in axes[len(panels) :]:
            axis.set_visible(False)

    best = max(rows, key=lambda row: row.accuracy["half"].value)
    return Figure(
        "comparison",
        "All schemes; a tie counts half",
        f"A dot with a 95 % interval for each of {len(rows)} schemes. Uniform: "
        f"{rows[0].accuracy['half'].value:.1%}; the highest, {best.scheme}: "
        f"{best.accuracy['half'].value:.1%}.",
        ("subset", "scheme", "ties", "accuracy", "low", "high"),
        tuple(
            (name, row.scheme, TIES[ties], *three(of[ties]))
            for name, found in panels
            for row, of in zip(rows, found, strict=True)
            for ties in TIES
        ),
        draw,
    )


def _contributions(content: Content) -> Figure:
    """The first pair that the two rewards rank differently, rule by rule."""
    contrast = content.contrasts[0]
    every = [c for c in contrast.by_rule if c.weighted or c.uniform]
    shown, cut = every[:12], len(every) > 12

    def draw(figure: Any) -> None:
        figure.set_size_inches(9, 1.4 + 0.3 * len(shown))
        axes = figure.subplots(1, 2, sharey=True)
        sides = {
            "mean of all rules": "uniform",
            f"weighted by {content.reward}": "weighted",
        }
        for axis, (name, key) in zip(axes, sides.items(), strict=True):
            total = getattr(contrast, key)
            parts = [getattr(c, key) for c in shown]
            parts += [total - sum(parts)] if cut else []
            ends = np.cumsum(parts)
            colours = [BLUE if part >= 0 else ORANGE for part in parts]
            axis.barh(np.arange(len(parts)), parts, left=ends - parts, color=colours, height=0.6)
            axis.axvline(0, color=BLACK, linewidth=1)
            axis.axvline(total, color=BLACK, linestyle="--", linewidth=1)
            axis.set(title=f"{short(name)}: {total:+.3f}", xlabel="reward, chosen minus rejected")
        names = [*(short(c.rule) for c in shown), *(["other rules"] if cut else [])]
        axes[0].set_yticks(np.arange(len(names)), names)
        axes[0].invert_yaxis()
        figure.suptitle(f"pair {short(contrast.pair)}", x=0.01, ha="left", size=11)

    return Figure(
        "contributions",
        f"What each rule adds, on pair {short(contrast.pair)}",
        f"Two waterfall plots. The mean gives the chosen response {contrast.uniform:+.3f} over the "
        f"rejected one, the weighted reward {contrast.weighted:+.3f}.",
        ("pair", "subset", "rule", "chosen", "rejected", "in the mean", "in the weighted reward"),
        tuple(
            (c.pair, c.subset, r.rule, r.chosen, r.rejected, r.uniform, r.weighted)
            for c in content.contrasts
            for r in c.by_rule
        ),
        draw,
    )
