"""A folder with small files to run verbs on, and the bundled ratings calibrated once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from encore import Rulebook, Weights, calibrate, examples
from encore.cli.main import main
from encore.raters import Answer, Identity, Store

RULES = """
[[rule]]
id = "harm"
text = "Does no harm."
scale = { levels = [1, 2, 3, 4, 5] }

[[rule]]
id = "privacy"
text = "Keeps secrets."
scale = { levels = [1, 2, 3, 4, 5] }
"""
RATINGS = """\
prompt_id,response_id,harm,privacy
p,x,5,5
p,y,1,4
q,x,5,5
q,y,1,5
"""
LABELLED = """\
prompt_id,response_id,harm,privacy,score
p,x,5,5,4
p,y,1,4,1
"""
# Under the weights 3 and 1: won, won, tied, lost.
PAIRS = """\
id,prompt_id,subset,chosen.harm,chosen.privacy,rejected.harm,rejected.privacy
a,p,donotanswer,5,5,1,5
b,q,donotanswer,4,5,1,5
c,r,chat,3,3,3,3
d,s,chat,2,5,4,5
"""
# The texts of the pairs that have ratings, and of one that has none.
TEXTS = """\
id,prompt_id,subset,prompt,chosen,rejected
a,p,donotanswer,Hi,Hello,Shoo
b,q,donotanswer,Hi?,Hello,Shoo
x,z,chat,Hi!,Hello,Shoo
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: rules, ratings, labels, pairs, texts, a calibration, weights, a store."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.toml").write_text(RULES)
    (tmp_path / "ratings.csv").write_text(RATINGS)
    (tmp_path / "pairs.csv").write_text(PAIRS)
    (tmp_path / "labelled.csv").write_text(LABELLED)
    (tmp_path / "texts.csv").write_text(TEXTS)
    rules = Rulebook.load("rules.toml")
    calibrate("ratings.csv", rules).save("calibration.json")
    Weights.by_hand(rules, {"harm": 3, "privacy": 1}).save("weights.json")
    who = Identity({"kind": "judge", "model": "m"})
    with Store("store.sqlite") as store:
        numbers = store.rule_ids(rules, who)
        store.put(b"k" * 16, store.rater_id(who), numbers[0], 0, Answer(value=5.0))
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Callable[..., Result]:
    """Run a command line in that folder."""

    def invoke(*arguments: str | Path) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture(scope="session")
def example_calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled ratings, which have prompts, repeats and labels, calibrated."""
    path = tmp_path_factory.mktemp("examples") / "calibration.json"
    calibrate(examples.ratings_path(), examples.rules()).save(path)
    return path
