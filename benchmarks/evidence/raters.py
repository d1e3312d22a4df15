"""The three raters of the evidence, and what is compared with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from encore import Comparison, PreferencePairs, Rulebook, as_pairs, compare, examples
from encore.heads.model.bundled import MINI_FOLDER

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Rated:
    """Pairs that one rater rated, and other rewards of the same pairs.

    Parameters
    ----------
    key, name : str
        A short key for files and figures, and the name on the page.
    told : str
        What it is, on which pairs, and when they were rated.
    ratings, rules : path
        The files.
    others : mapping of str to str
        Files of other rewards in the data folder, by the name of their row.
    """

    key: str
    name: str
    told: str
    ratings: Path
    rules: Path
    others: dict[str, str] = field(default_factory=dict)

    @cached_property
    def pairs(self) -> PreferencePairs:
        """The rated pairs."""
        return as_pairs(self.ratings, Rulebook.load(self.rules))

    @cached_property
    def comparison(self) -> Comparison:
        """All schemes and baselines on them."""
        rewards = {name: DATA / file for name, file in self.others.items()}
        return compare(self.pairs, self.pairs.rules, dawid_skene=True, rewards=rewards)


_TRAINED = ("single-head Bradley-Terry, MiniLM", "mixture-of-experts gate, MiniLM")
RATERS = (
    Rated(
        "llm",
        "(a) an LLM judge",
        "a strong LLM judge: levels 1 to 5 under 12 rules, one response at a time, blind to which "
        "is preferred; the ratings that come with ENCORE (November 2026). XSTest, Do-Not-Answer "
        "and HH-RLHF harmless",
        examples.ratings_path(),
        examples.rules_path(),
        dict(zip(_TRAINED, ("llm-bradley-terry.parquet", "llm-gate.parquet"), strict=True)),
    ),
    Rated(
        "mini",
        "(b) ten heads",
        "`encore:mini`: ten linear heads on three layers of MiniLM, trained on human labels of "
        "other prompts; none of these was seen (rated 2026-11-24). XSTest and Do-Not-Answer",
        DATA / "mini.parquet",
        MINI_FOLDER / "rules.toml",
        dict(zip(_TRAINED, ("mini-bradley-terry.parquet", "mini-gate.parquet"), strict=True)),
    ),
    Rated(
        "local",
        "(c) a small local judge",
        "SmolLM2-135M as a judge (`--rater local`): expected levels from token probabilities under "
        "the same 12 rules, on 60 of the safety pairs of (a), drawn at random, 20 of each subset "
        "(rated 2026-11-24)",
        DATA / "local.parquet",
        examples.rules_path(),
        {"LLM judge, one overall rating": "local-overall.parquet"},
    ),
)
