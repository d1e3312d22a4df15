from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore.errors import DocumentError, PathError, StoppedError
from encore.raters import Answer, Identity, Reason, Store, Usage
from encore.rules import LevelScale, Rule, Rulebook

SCALE = LevelScale((1, 2, 3))
RULES = Rulebook((Rule("kind", "Is kind.", SCALE), Rule("true", "Is true.", SCALE)))
WHO = Identity({"kind": "test", "model": "a"})
KEY, OTHER = b"k" * 16, b"o" * 16
GOOD = Answer(
    value=2.25,
    spread=0.5,
    probabilities=(0.25, 0.25, 0.5),
    reply="2",
    usage=Usage(2, 100, 50, 1),
    n_cut=3,
)
BAD = Answer(reason=Reason.REFUSED, reply="No.", usage=Usage(1, 10, 0, 5))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def test_an_answer_comes_back_as_it_was_put(path: Path) -> None:
    with Store(path) as store:
        rater, (rule, _) = store.rater_id(WHO), store.rule_ids(RULES, WHO)
        assert store.put(KEY, rater, rule, 0, GOOD)
        assert store.put(KEY, rater, rule, 1, BAD)
    with Store(path) as store:
        expected = [(KEY, rule, 0, GOOD), (KEY, rule, 1, BAD)]
        assert list(store.answers([KEY, OTHER], rater)) == expected
        assert list(store.answered([KEY], rater)) == [(KEY, rule, 0, True), (KEY, rule, 1, False)]
        assert list(store.answers([OTHER], rater)) == []


def test_the_first_answer_stays() -> None:
    with Store() as store:
        rater, (rule, _) = store.rater_id(WHO), store.rule_ids(RULES, WHO)
        assert store.put(KEY, rater, rule, 0, GOOD)
        assert not store.put(KEY, rater, rule, 0, BAD)
        assert [answer for *_, answer in store.answers([KEY], rater)] == [GOOD]


@given(
    value=st.floats(allow_nan=False, allow_infinity=False),
    probabilities=st.lists(st.floats(0, 1), min_size=1),
    reply=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_numbers_and_words_survive_to_the_bit(
    value: float, probabilities: list[float], reply: str
) -> None:
    answer = Answer(value=value, spread=value, probabilities=tuple(probabilities), reply=reply)
    with Store() as store:
        store.put(KEY, 1, 1, 0, answer)
        assert [back for *_, back in store.answers([KEY], 1)] == [answer]


def test_a_reply_that_is_no_unicode_is_stored_all_the_same() -> None:
    with Store() as store:
        store.put(KEY, 1, 1, 0, Answer(reason=Reason.MALFORMED, reply="a\ud800b\0c"))
        assert [answer.reply for *_, answer in store.answers([KEY], 1)] == ["a?b\0c"]


def test_who_rates_and_what_is_judged_decide_the_key() -> None:
    with Store() as store:
        again = Identity({"model": "a", "kind": "test"}, n_samples=5)
        assert store.rater_id(WHO) == store.rater_id(again)
        assert store.rater_id(WHO) != store.rater_id(Identity({"kind": "test", "model": "b"}))
        kind, true = store.rule_ids(RULES, WHO)
        # Another id is the same rule; another text or scale is another.
        renamed = Rulebook((Rule("nice", "Is kind.", SCALE), Rule("true", "Is so.", SCALE)))
        assert store.rule_ids(renamed, WHO)[0] == kind
        assert store.rule_ids(renamed, WHO)[1] != true
        rescaled = Rulebook((Rule("kind", "Is kind.", LevelScale((0, 1))),))
        assert store.rule_ids(rescaled, WHO)[0] not in (kind, true)


def test_rules_of_one_text_and_scale_have_numbers_of_their_own() -> None:
    kind = RULES.rules[0]
    twin = Rule("twin", kind.text, kind.scale)
    with Store() as store:
        first, second = store.rule_ids(Rulebook((kind, twin)), WHO)
        assert first != second
        assert store.rule_ids(RULES, WHO)[0] == first  # the first is known by its text, as alone


def test_a_column_or_a_head_is_known_by_its_id() -> None:
    who = Identity({"kind": "test"}, rules_go_by_ids=True)
    kind = RULES.rules[0]
    with Store() as store:
        (one,) = store.rule_ids(Rulebook((kind,)), who)
        (other,) = store.rule_ids(Rulebook((Rule("other", kind.text, kind.scale),)), who)
        assert one != other


def test_a_rater_that_sees_all_rules_shares_none_with_another_rulebook() -> None:
    who = Identity({"kind": "test"}, sees_all_rules=True)
    alone = Rulebook(RULES.rules[:1])
    with Store() as store:
        assert store.rule_ids(RULES, who) == store.rule_ids(RULES, who)
        assert store.rule_ids(alone, who)[0] not in store.rule_ids(RULES, who)
        assert store.rule_ids(alone, WHO)[0] not in store.rule_ids(alone, who)


def test_more_keys_than_one_statement_takes() -> None:
    # SQLite refuses more than 32,766 values in a statement.
    keys = [number.to_bytes(16, "big") for number in range(40_000)]
    with Store() as store:
        store.put(keys[0], 1, 1, 0, GOOD)
        store.put(keys[-1], 1, 1, 0, GOOD)
        assert {key for key, *_ in store.answered(keys, 1)} == {keys[0], keys[-1]}


def test_what_is_no_store_is_refused_and_left_alone(path: Path) -> None:
    path.write_text("prompt,response\n" * 1000)
    with pytest.raises(DocumentError, match=r"not a store of ratings \(file is not a database\)"):
        Store(path).info()
    assert path.read_text() == "prompt,response\n" * 1000


def test_another_database_is_refused_and_left_alone(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE mine (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(DocumentError, match="a database, but not a store of ratings"):
        Store(path).info()
    assert path.read_bytes() == before


def test_a_store_of_a_newer_version_is_refused(path: Path) -> None:
    with Store(path) as store:
        store.info()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 4")
    database.close()
    with pytest.raises(DocumentError, match="a store of version 4; this ENCORE knows version 3"):
        Store(path).info()


def test_a_store_that_cannot_be_written_ends_the_run_with_a_reason(path: Path) -> None:
    with Store(path) as store:
        store._database.execute("PRAGMA query_only = ON")
        with pytest.raises(StoppedError, match=r"cannot be written .*What was stored is safe"):
            store.put(KEY, 1, 1, 0, GOOD)


def test_unrated_answers_can_be_forgotten() -> None:
    with Store() as store:
        store.put(KEY, 1, 1, 0, GOOD)
        store.put(KEY, 1, 2, 0, BAD)
        store.put(OTHER, 1, 2, 0, BAD)
        store.put(KEY, 2, 2, 0, BAD)
        assert store.drop_unrated([KEY], 1) == 1
        assert [rule for _, rule, _, _ in store.answered([KEY, OTHER], 1)] == [1, 2]
        assert [rule for _, rule, _, _ in store.answered([KEY], 2)] == [2]


def test_info_counts_what_there_is() -> None:
    with Store() as store:
        rater, (kind, true) = store.rater_id(WHO), store.rule_ids(RULES, WHO)
        store.put(KEY, rater, kind, 0, GOOD)
        store.put(KEY, rater, true, 0, BAD)
        store.put(OTHER, rater, kind, 0, GOOD)
        (entry,) = store.info().raters
    counts = {name: entry[name] for name in entry if name not in ("rater", "first", "last")}
    assert entry["rater"] == {"kind": "test", "model": "a"}
    # Requests 2 + 1 + 2, prompt tokens 100 + 10 + 100, completion tokens 1 + 5 + 1.
    assert counts == {
        **{"n_conversations": 2, "n_rules": 2, "n_answers": 3, "n_unrated": 1},
        **{"n_requests": 5, "prompt_tokens": 210, "completion_tokens": 7},
    }
    assert time.time() - 60 < entry["first"] <= entry["last"] <= time.time()


def test_rows_name_rater_rule_and_reason() -> None:
    with Store() as store:
        rater, (_, true) = store.rater_id(WHO), store.rule_ids(RULES, WHO)
        store.put(KEY, rater, true, 0, BAD)
        (row,) = store.rows()
    assert row["conversation"] == KEY.hex()
    assert (row["rule"], row["reason"], row["value"]) == ("Is true.", "refused", None)


def test_gc_removes_what_is_asked_for_and_nothing_else(path: Path) -> None:
    def filled() -> Store:
        path.unlink(missing_ok=True)
        store = Store(path)
        rater, (kind, true) = store.rater_id(WHO), store.rule_ids(RULES, WHO)
        store.put(KEY, rater, kind, 0, GOOD)
        store.put(KEY, rater, true, 0, BAD)
        store.put(OTHER, rater, true, 0, GOOD)
        store._database.execute(
            "UPDATE answers SET made = made - 1000 WHERE conversation = ?", (OTHER,)
        )
        return store

    for options, removed in [
        ({"rules": Rulebook(RULES.rules[:1])}, 2),
        ({"unrated": True}, 1),
        ({"older_than": 500.0}, 1),
        ({"older_than": 500.0, "unrated": True}, 2),
        ({"older_than": 2000.0}, 0),
        ({}, 0),
    ]:
        with filled() as store:
            assert store.gc(**options, dry_run=True) == removed  # type: ignore[arg-type]
            assert len(list(store.rows())) == 3
            assert store.gc(**options) == removed  # type: ignore[arg-type]
            assert len(list(store.rows())) == 3 - removed


def test_a_rule_that_gc_left_no_answer_of_is_found_again() -> None:
    with Store() as store:
        rater, (kind, _) = store.rater_id(WHO), store.rule_ids(RULES, WHO)
        store.put(KEY, rater, kind, 0, BAD)
        assert store.gc(unrated=True) == 1
        rater, (kind, _) = store.rater_id(WHO), store.rule_ids(RULES, WHO)
        store.put(KEY, rater, kind, 0, GOOD)
        assert len(list(store.rows())) == 1


def test_processes_that_make_one_store_together_all_find_it_made(tmp_path: Path) -> None:
    # Each child opens the same new files, one after the other, at the same time as its siblings.
    script = (
        "import sys; from encore.raters import Store\n"
        "sys.stdin.readline()\n"
        "for n in range(40):\n"
        "    with Store(f'{n}.sqlite') as store: store.info()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "cwd": tmp_path, "text": True}
    line = [sys.executable, "-c", script]
    children = [subprocess.Popen(line, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    time.sleep(1.0)  # until all of them wait for the line
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        child.communicate()
    assert [child.returncode for child in children] == [0, 0, 0]


def test_a_store_in_no_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"cannot be opened \(unable to open database file\)"):
        Store(tmp_path / "nowhere" / "s.sqlite").info()


# --- files that others made, damaged or locked ------------------------------------------------

READ_IT = (
    "import os, sys; from encore.raters import Store\n"
    "os.geteuid() or os.setuid(65534)\n"  # after the imports, which may be root's own
    "with Store(sys.argv[1]) as store:\n"
    "    print(store.info().raters[0]['n_answers'], len(list(store.rows())))\n"
)


def filled(path: Path) -> Store:
    """An open store with two answers in its write-ahead log."""
    store = Store(path)
    rater, (kind, true) = store.rater_id(WHO), store.rule_ids(RULES, WHO)
    store.put(KEY, rater, kind, 0, GOOD)
    store.put(KEY, rater, true, 0, BAD)
    return store


def read_by_nobody(folder: Path) -> subprocess.CompletedProcess[str]:
    """Read a store as a user who may write nowhere: what a read-only disk is to everybody."""
    for path in (folder, *folder.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    line = [sys.executable, "-c", READ_IT, str(folder / "s.sqlite")]
    return subprocess.run(line, capture_output=True, text=True, cwd="/")


@pytest.fixture
def locked() -> Iterator[Path]:
    """A folder that other users can look into, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
        Path(folder).chmod(0o755)


def test_a_store_on_a_read_only_disk_is_read(locked: Path) -> None:
    filled(locked / "s.sqlite").close()
    assert [path.name for path in locked.iterdir()] == ["s.sqlite"]
    done = read_by_nobody(locked)
    assert (done.stdout, done.stderr) == ("2 2\n", "")


def test_the_latest_answers_of_a_store_on_a_read_only_disk_are_read_too(locked: Path) -> None:
    # Of a run that was killed: its answers are in the log beside the file, not in it yet.
    with filled(locked / "live.sqlite"):
        for ending in ("", "-wal"):
            shutil.copyfile(locked / f"live.sqlite{ending}", locked / f"s.sqlite{ending}")
    assert (locked / "s.sqlite-wal").stat().st_size > 0
    done = read_by_nobody(locked)
    assert (done.stdout, done.stderr) == ("2 2\n", "")


def test_a_read_only_store_takes_no_answers(path: Path) -> None:
    filled(path).close()
    with ExitStack() as open_files:
        database = sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True, isolation_level=None)
        open_files.callback(database.close)
        store = Store(path)
        store.__dict__["_database"] = database
        with pytest.raises(StoppedError, match="cannot be written"):
            store.put(OTHER, 1, 1, 0, GOOD)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE raters SET identity = '[1'", "cannot be read"),
        ("UPDATE raters SET identity = '[]'", "is no rater"),
        ("UPDATE raters SET identity = x'ff'", "values of the types"),
        ("UPDATE answers SET value = 'five'", "values of the types"),
        ("UPDATE answers SET reason = 'tired'", "'tired' is not a valid Reason"),
        ("UPDATE answers SET probabilities = 'null'", "cannot be read"),
        ("UPDATE answers SET reply = CAST(x'ff' AS TEXT)", "Could not decode to UTF-8"),
        ("UPDATE answers SET made = 1e300", "an answer made at no time"),
        ("UPDATE answers SET n_requests = 9223372036854775807", "integer overflow"),
        ("DROP TABLE answers", "its table 'answers' is not as ENCORE makes it"),
        ("ALTER TABLE rules DROP COLUMN id", "its table 'rules' is not as ENCORE makes it"),
        (
            "ALTER TABLE raters RENAME TO old; CREATE VIEW raters AS SELECT * FROM old",
            "its table 'raters' is not as ENCORE makes it",
        ),
    ],
)
def test_what_others_did_to_a_store_is_one_error(path: Path, statement: str, says: str) -> None:
    filled(path).close()
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(statement)
    database.close()
    with pytest.raises(DocumentError, match=says), Store(path) as store:
        store.info(), list(store.rows()), list(store.answers([KEY], 1))


def test_a_short_file_is_no_new_store(path: Path) -> None:
    # SQLite takes a file of a few bytes for an empty database, and would write over it.
    path.write_text("3")
    with pytest.raises(DocumentError, match="not a store of ratings"):
        Store(path).info()
    assert path.read_text() == "3"


def test_an_empty_path_is_no_store() -> None:
    # To SQLite it is a file that is gone when it is closed, with every answer paid for.
    with pytest.raises(PathError, match="at least one character"):
        Store("").info()
