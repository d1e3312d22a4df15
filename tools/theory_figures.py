"""Draw the figures of docs/explanation/theory.md.

Run as ``python -m tools.theory_figures docs/images``, with the extra ``report`` installed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore import RangeScale
from encore.theory import STAND_INS, Mixture, gradient_descent, study_stand_ins
from encore.theory.normal import cumulative
from tools.drawing import BLACK, BLUE, GREEN, ORANGE, RED, plt, save_all

N_PAIRS, N_STEPS, SEED = 20_000, 200, 0


def panels() -> tuple[Any, Any, Any]:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.9), layout="constrained")
    return figure, left, right


def entropy_turns() -> Any:
    """Entropy and margin variance of one rule against its noise, on scales of four widths."""
    figure, left, right = panels()
    noise = np.geomspace(0.25, 16, 200)
    half = np.full(len(noise), 0.5)
    for reach, colour, dashes in (
        (8, BLACK, "-"),
        (4, GREEN, "--"),
        (2, ORANGE, "-."),
        (1, BLUE, ":"),
    ):
        rules = Mixture(half, -half, noise, RangeScale(-reach, reach))
        for axes, values in ((left, rules.normalised_entropy), (right, rules.margin_variance)):
            axes.plot(noise, values, color=colour, linestyle=dashes, label=f"−{reach} to {reach}")
    left.set(title="Rating entropy (0 to 1) rises, then falls", ylim=(0, 1.04))
    right.set(title="Margin variance only rises", ylim=(0, 0.52))
    for axes in (left, right):
        axes.set(xscale="log", xlabel="noise of the rule (quality gap 1)")
        axes.set_xticks([0.25, 0.5, 1, 2, 4, 8, 16], ["¼", "½", "1", "2", "4", "8", "16"])
        axes.minorticks_off()
    right.legend(title="scale", loc="upper left", frameon=True, facecolor="white", framealpha=1)
    return figure


def stand_ins() -> Any:
    """Correlation with the fitted weights, and accuracy, against the share at the ends."""
    figure, left, right = panels()
    noise = np.geomspace(0.5, 2.0, 7)
    half = np.full(len(noise), 0.5)
    reaches = np.geomspace(6, 0.4, 24)
    mixtures = [Mixture(half, -half, noise, RangeScale(-reach, reach)) for reach in reaches]
    settings = study_stand_ins(mixtures, rng=SEED, n_pairs=N_PAIRS).settings
    ends = [100 * setting.ends for setting in settings]
    looks = {
        "one_minus_entropy": ("1 − H", RED, "-"),
        "inverse_entropy_power": ("e$^{−2H}$", ORANGE, "--"),
        "inverse_variance": ("1/Var", BLUE, "-"),
        "inverse_unlabelled_variance": ("1/Var without labels", GREEN, "-."),
    }
    for name in STAND_INS:
        text, colour, dashes = looks[name]
        left.plot(
            ends, [s.pearson[name] for s in settings], color=colour, linestyle=dashes, label=text
        )
        accuracies = [100 * s.accuracy[name] for s in settings]
        right.plot(ends, accuracies, color=colour, linestyle=dashes)
    uniform = [100 * s.accuracy["uniform"] for s in settings]
    right.plot(ends, uniform, color=BLACK, linestyle=":", label="uniform")
    left.axhline(0, color="#888888", linewidth=1)
    left.set(title="Correlation with Bradley–Terry weights", ylim=(-1.05, 1.05))
    right.set(title="Accuracy of the reward, %")
    for axes in (left, right):
        axes.set(xlabel="ratings on the ends of the scale, %", xlim=(0, ends[-1]))
    figure.legend(loc="outside lower center", ncols=5, frameon=False, columnspacing=1.4)
    return figure


def gradient_margins(n_pairs: int) -> tuple[list[str], NDArray[np.float64]]:
    """Margins of four rules, three of which use ten levels evenly."""
    rng = np.random.default_rng(SEED)
    error = rng.standard_normal((2, n_pairs))
    quality = np.array([[0.5], [-0.5]])
    crisp = ((quality + error).clip(-4, 4) + 4) / 8
    decile = np.floor(10 * cumulative(error)) / 9  # the crisp rule's own error, and nothing else
    chance = rng.integers(0, 10, (2, n_pairs)) / 9
    # Chosen responses are in the upper half three times in four, rejected ones in the lower.
    upper = rng.random((2, n_pairs)) < np.array([[0.75], [0.25]])
    telling = (rng.integers(0, 5, (2, n_pairs)) + 5 * upper) / 9
    ratings = np.stack([crisp, telling, chance, decile], axis=-1)
    return ["noisy view", "even, tells", "even, chance", "even, its noise"], ratings[0] - ratings[1]


def gradients() -> Any:
    """Gradient shares and weights along gradient descent."""
    figure, left, right = panels()
    names, margins = gradient_margins(N_PAIRS)
    descent = gradient_descent(margins, n_steps=N_STEPS, rate=10.0)
    steps = np.arange(1, N_STEPS + 1)
    for k, (name, colour, dashes) in enumerate(
        zip(names, (BLACK, GREEN, RED, BLUE), ("-", "--", "-.", ":"), strict=True)
    ):
        left.plot(steps, 100 * descent.shares[:, k], color=colour, linestyle=dashes)
        right.plot(steps, descent.weights[1:, k], color=colour, linestyle=dashes)
        right.annotate(
            name,
            (N_STEPS, descent.weights[-1, k]),
            (4, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            annotation_clip=False,
        )
    left.set(title="Share of the absolute gradient, %")
    right.set(title="Weight")
    for axes in (left, right):
        axes.set(xlabel="step of gradient descent", xscale="log", xlim=(1, N_STEPS))
        axes.set_xticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
        axes.minorticks_off()
    return figure


FIGURES = {
    "theory-entropy-turns": entropy_turns,
    "theory-stand-ins": stand_ins,
    "theory-gradient": gradients,
}


if __name__ == "__main__":
    save_all(FIGURES, Path(sys.argv[1]), *sys.argv[2:3])
