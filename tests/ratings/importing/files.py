"""Ratings files as people have them: shapes, values and encodings, with made-up texts.

Each is written by hand or by the format's own library, and what it says is worked out by hand.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

NA = "does not apply"
"""Stands in expected values for a rule that does not apply."""
Cell = float | str | None


@dataclass(frozen=True)
class File:
    """One file, or a folder of some, and what it says.

    Parameters
    ----------
    name : str
        What kind of file it is.
    write : callable
        Writes it into a folder, and gives its path.
    says : dict of str to list
        Per rule, what each response was rated, in order; None where unrated.
    options : tuple of str
        What has to be said to import it, since it is not certain.
    scale : dict of str to str
        The scale of some rules, worst to best.
    """

    name: str
    write: Callable[[Path], Path]
    says: Mapping[str, Sequence[Cell]]
    options: tuple[str, ...] = ()
    scale: Mapping[str, str] = field(default_factory=dict)


def _text(name: str, text: str, encoding: str = "utf-8") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(text.encode(encoding))
        return folder / name

    return write


def _lines(name: str, rows: Sequence[Mapping[str, Any]]) -> Callable[[Path], Path]:
    return _text(name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _json(name: str, value: Any) -> Callable[[Path], Path]:
    return _text(name, json.dumps(value))


def _gzipped(folder: Path) -> Path:
    path = folder / "judge.jsonl.gz"
    lines = (
        json.dumps({"prompt": "p", "response": r, **s}) for r, s in zip("abc", FIVES, strict=True)
    )
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def _parquet(folder: Path) -> Path:
    rows = [{"prompt": "p", "response": r, "scores": s} for r, s in zip("abc", FIVES, strict=True)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "nested.parquet")
    return folder / "nested.parquet"


def _feather(folder: Path) -> Path:
    rows = [{"prompt": "p", "response": r, **s} for r, s in zip("abc", FIVES, strict=True)]
    pyarrow.feather.write_feather(pa.Table.from_pylist(rows), str(folder / "judge.feather"))
    return folder / "judge.feather"


def _shards(folder: Path) -> Path:
    (folder / "run").mkdir()
    for number, (response, scores) in enumerate(zip("abc", FIVES, strict=True)):
        row = {"prompt": "p", "response": response, **scores}
        (folder / "run" / f"part-{number}.jsonl").write_text(json.dumps(row) + "\n")
    (folder / "run" / "notes.md").write_text("not read")
    return folder / "run"


FIVES = ({"privacy": 1, "tone": 5}, {"privacy": 4, "tone": 2}, {"privacy": 5, "tone": 3})
SAYS = {"privacy": [1, 4, 5], "tone": [5, 2, 3]}
FIVE = {"privacy": "1, 2, 3, 4, 5", "tone": "1, 2, 3, 4, 5"}

LONG = [
    {"qid": "q1", "prompt_id": "q1", "response_id": "a", "criterion": "privacy", "score": 1},
    {"prompt_id": "q1", "response_id": "a", "criterion": "tone", "score": 5, "reason": "Kind."},
    {"prompt_id": "q1", "response_id": "b", "criterion": "privacy", "score": 4},
    {"prompt_id": "q1", "response_id": "b", "criterion": "tone", "score": 2},
    {"prompt_id": "q2", "response_id": "a", "criterion": "privacy", "score": 5},
    {"prompt_id": "q2", "response_id": "a", "criterion": "tone", "score": 3},
]
RESULTS = {
    "id": [1, 2],
    "subset": ["safe", "safe"],
    "prompt": ["Hi", "Ho"],
    "scores_chosen": [[[1.5, 0.25]], [[2.5, 0.5]]],
    "scores_rejected": [[[0.5, 0.75]], [[-1.0, 1.0]]],
}
FILES = (
    File(
        "wide CSV with our columns",
        _text("ours.csv", "prompt_id,response_id,privacy,tone\np,a,1,5\np,b,4,2\nq,a,5,3\n"),
        SAYS,
        scale=FIVE,
    ),
    File(
        "wide CSV, texts and no ids",
        _text(
            "texts.csv",
            'Question,Answer,Privacy Score,Tone Score\n"Hi, you","No, never",1,5\n'
            '"Hi, you","Sure.\nHere",4,2\nHo,No,5,3\n',
        ),
        {"Privacy": [1, 4, 5], "Tone": [5, 2, 3]},
    ),
    File(
        "wide JSONL, prefixed columns",
        _lines(
            "judge.jsonl",
            [
                {
                    "prompt": "p",
                    "response": r,
                    "judge_privacy": s["privacy"],
                    "judge_tone": s["tone"],
                }
                for r, s in zip("abc", FIVES, strict=True)
            ],
        ),
        SAYS,
    ),
    File(
        "wide CSV, score and reason per rule",
        _text(
            "reasons.csv",
            "prompt,model,privacy_score,privacy_reason,tone_score,tone_reason\n"
            "p,m1,1,leaks,5,kind\np,m2,4,fine,2,curt\np,m3,5,,3,\n",
        ),
        SAYS,
    ),
    File("long JSONL", _lines("long.jsonl", LONG), SAYS, scale=FIVE),
    File(
        "long CSV, N/A and nothing",
        _text(
            "long.csv",
            "prompt,response,rule,rating\np,a,privacy,1\np,a,tone,N/A\np,b,privacy,5\n"
            "p,b,tone,\np,c,privacy,3\np,c,tone,4\n",
        ),
        {"privacy": [1, 5, 3], "tone": [NA, None, 4]},
    ),
    File(
        "long CSV, rated again",
        _text(
            "again.csv",
            "prompt_id,response_id,rule,score,repeat\np,a,privacy,1,0\np,a,privacy,2,1\n"
            "p,b,privacy,5,0\np,b,privacy,5,1\n",
        ),
        {"privacy": [1, 2, 5, 5]},
    ),
    File(
        "long CSV, rated twice and nothing says so",
        _text(
            "twice.csv",
            "prompt_id,response_id,rule,score\np,a,privacy,1\np,a,privacy,2\np,b,privacy,5\n",
        ),
        {"privacy": [1, 2, 5]},
        ("--number-repeats",),
    ),
    File(
        "nested scores",
        _lines(
            "nested.jsonl",
            [
                {"prompt": "p", "response": r, "scores": s}
                for r, s in zip("abc", FIVES, strict=True)
            ],
        ),
        SAYS,
    ),
    File(
        "score and reason in an object per rule",
        _json(
            "objects.json",
            [
                {
                    "prompt": "p",
                    "completion": r,
                    **{rule: {"score": v, "reason": "So."} for rule, v in s.items()},
                }
                for r, s in zip("abc", FIVES, strict=True)
            ],
        ),
        SAYS,
    ),
    File(
        "a list of rules and scores",
        _lines(
            "lists.jsonl",
            [
                {
                    "prompt": "p",
                    "response": r,
                    "evaluations": [{"rule": k, "score": v} for k, v in s.items()],
                }
                for r, s in zip("abc", FIVES, strict=True)
            ],
        ),
        SAYS,
    ),
    File(
        "JSON that holds its rows in a key",
        _json(
            "results.json",
            {
                "model": "m",
                "results": [
                    {"prompt": "p", "response": r, **s} for r, s in zip("abc", FIVES, strict=True)
                ],
            },
        ),
        SAYS,
    ),
    File(
        "JSON of columns",
        _json(
            "columns.json",
            {"prompt": ["p", "p", "q"], "response": ["a", "b", "c"], **SAYS},
        ),
        SAYS,
    ),
    File(
        "JSON of a pandas frame",
        _json(
            "frame.json",
            {
                "prompt": {"0": "p", "1": "p", "2": "q"},
                "response": {"0": "a", "1": "b", "2": "c"},
                "privacy": {"0": 1, "1": 4, "2": 5},
                "tone": {"0": 5, "1": 2, "2": 3},
            },
        ),
        SAYS,
    ),
    File(
        "pairs as RewardBench's results, nested lists",
        _json("rewardbench.json", RESULTS),
        {"score_1": [1.5, 0.5, 2.5, -1.0], "score_2": [0.25, 0.75, 0.5, 1.0]},
        ("--scale", "score_1=-3..3", "--scale", "score_2=0-1"),
        scale={"score_1": "-3 to 3 in 10 bins", "score_2": "0 to 1 in 10 bins"},
    ),
    File(
        "pairs CSV, a column per side and rule",
        _text(
            "pairs.csv",
            "id,prompt,chosen,rejected,privacy_chosen,privacy_rejected\n"
            "1,Hi,Yes,No,5,1\n2,Ho,Yes,No,4,2\n",
        ),
        {"privacy": [5, 1, 4, 2]},
    ),
    File(
        "TSV",
        _text(
            "judge.tsv", "prompt\tresponse\tprivacy\ttone\np\ta,\t1\t5\np\tb\t4\t2\nq\tc\t5\t3\n"
        ),
        SAYS,
    ),
    File(
        "semicolons and decimal commas",
        _text(
            "komma.csv", "prompt;response;privacy;tone\np;a;0,5;1,0\np;b;0,25;0,0\nq;c;1,0;0,75\n"
        ),
        {"privacy": [0.5, 0.25, 1], "tone": [1, 0, 0.75]},
        ("--scale", "0-1"),
        scale={"privacy": "0 to 1 in 10 bins"},
    ),
    File(
        "UTF-16, as spreadsheets save Unicode",
        _text(
            "unicode.txt",
            "prompt\tresponse\tprivacy\ttone\r\np\té\t1\t5\r\np\tß\t4\t2\r\nq\tc\t5\t3\r\n",
            "utf-16",
        ),
        SAYS,
    ),
    File(
        "Windows-1252",
        _text(
            "windows.csv",
            "prompt;response;privacy;tone\r\np;caf\xe9 \u20ac;1;5\r\np;b;4;2\r\nq;c;5;3\r\n",
            "cp1252",
        ),
        SAYS,
    ),
    File("gzipped JSONL", _gzipped, SAYS),
    File("Parquet with a struct", _parquet, SAYS),
    File("Feather", _feather, SAYS),
    File("a folder of shards", _shards, SAYS),
    File(
        "yes and no, true and false, pass and fail",
        _text(
            "words.csv",
            "prompt,response,private,polite,legal\np,a,yes,TRUE,pass\np,b,No,false,FAIL\n"
            "q,c,Yes,True,n/a\n",
        ),
        {"private": [1, 0, 1], "polite": [1, 0, 1], "legal": [1, 0, NA]},
        scale={"private": "0, 1", "legal": "0, 1"},
    ),
    File(
        "percentages and letters",
        _text(
            "grades.csv",
            "prompt,response,privacy,tone\np,a,80%,A\np,b,12.5 %,F\nq,c,100%,B\nq,d,,C\n",
        ),
        {"privacy": [80, 12.5, 100, None], "tone": [5, 1, 4, 3]},
        ("--scale", "tone=F,D,C,B,A"),
        scale={"privacy": "0 to 100 in 10 bins", "tone": "1, 2, 3, 4, 5"},
    ),
    File(
        "3/5, and numbers as texts",
        _lines(
            "strings.jsonl",
            [
                {"prompt": "p", "response": "a", "privacy": "3/5", "tone": "4"},
                {"prompt": "p", "response": "b", "privacy": "1 / 5", "tone": "1"},
                {"prompt": "q", "response": "c", "privacy": "5/5", "tone": " 5 "},
            ],
        ),
        {"privacy": [3, 1, 5], "tone": [4, 1, 5]},
        ("--scale", "privacy=1-5"),
        scale=FIVE,
    ),
    File(
        "numbers that stand for none",
        _text(
            "sentinels.csv", "prompt,response,privacy,tone\np,a,1,99\np,b,-1,2\nq,c,5,1\nq,d,3,5\n"
        ),
        {"privacy": [1, NA, 5, 3], "tone": [None, 2, 1, 5]},
        ("--na=-1", "--unrated=99"),
        scale=FIVE,
    ),
    File(
        "several samples per rating",
        _lines(
            "samples.jsonl",
            [
                {"prompt": "p", "response": "a", "privacy": [1, 2], "tone": [5, 5, 5]},
                {"prompt": "p", "response": "b", "privacy": [4, 4], "tone": [1, 2, 3]},
                {"prompt": "q", "response": "c", "privacy": [5], "tone": None},
            ],
        ),
        {"privacy": [1.5, 4, 5], "tone": [5, 2, None]},
        scale=FIVE,
    ),
)
"""Every file by its name."""
