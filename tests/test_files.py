"""Writing that never leaves half a file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore.errors import DocumentError
from encore.files import (
    atomic_write,
    digest,
    file_digest,
    read_document,
    without_nan,
    write_document,
)

OLD = "old and whole\n"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "file.json"
    path.write_text(OLD)
    return path


def only(path: Path) -> bool:
    """Whether *path* is the only file of its folder: no temporary one is left."""
    return [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_plain_data_has_no_nan_and_no_infinity() -> None:
    value = {"a": [float("nan"), 1.0], "b": (float("inf"), {"c": "text"})}
    assert without_nan(value) == {"a": [None, 1.0], "b": [None, {"c": "text"}]}


def test_the_file_changes_only_when_the_block_ends_well(target: Path) -> None:
    with atomic_write(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == OLD
    assert target.read_text() == "new" and only(target)


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_fails_leaves_the_old_file_whole(
    target: Path, stop: type[BaseException]
) -> None:
    with pytest.raises(stop), atomic_write(target) as temporary:
        temporary.write_text("half")
        raise stop
    assert target.read_text() == OLD and only(target)


def test_a_full_disk_leaves_the_old_file_whole(target: Path) -> None:
    # A limit on the size of any file makes the kernel refuse the write, as a full disk does.
    code = (
        "import resource, signal, sys\n"
        "from encore.files import write_document\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    write_document(sys.argv[1], 'k', 1, {'x': 'y' * 5000})\n"
        "except OSError as error:\n"
        "    print(error.errno)\n"
    )
    command = [sys.executable, "-c", code, str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) != 0
    assert target.read_text() == OLD and only(target)


def test_ctrl_c_in_the_middle_leaves_the_old_file_whole(target: Path) -> None:
    code = (
        "import sys, time\n"
        "from encore.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None and process.stdout.readline() == b"writing\n"
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.stdout.close()
    assert process.wait(timeout=30) != 0
    assert target.read_text() == OLD and only(target)


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    plain, ours = tmp_path / "plain", tmp_path / "ours"
    plain.write_text("")
    with atomic_write(ours) as temporary:
        temporary.write_text("")
    assert os.stat(ours).st_mode == os.stat(plain).st_mode


@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_come_back_to_the_last_bit(
    values: list[float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("numbers") / "d.json"
    write_document(path, "k", 1, {"values": values})
    assert read_document(path, "k", 1)["values"] == values


def test_a_document_never_holds_nan(target: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_document(target, "k", 1, {"x": float("nan")})
    assert target.read_text() == OLD and only(target)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a JSON document"),
        ("[1]", "expected a document of kind 'k', got None"),
        (json.dumps({"kind": "other", "schema_version": 1}), "of kind 'k', got 'other'"),
        (json.dumps({"kind": "k"}), "schema version None"),
        (json.dumps({"kind": "k", "schema_version": 3}), "schema version 3 .* Install the version"),
    ],
)
def test_what_is_no_such_document_is_refused(target: Path, text: str, message: str) -> None:
    target.write_text(text)
    with pytest.raises(DocumentError, match=message):
        read_document(target, "k", 2)


def test_bytes_that_are_no_text_are_refused(target: Path) -> None:
    target.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DocumentError, match="not a JSON document"):
        read_document(target, "k", 1)


def test_an_older_schema_is_read(target: Path) -> None:
    write_document(target, "k", 1, {"x": 1})
    assert read_document(target, "k", 2)["x"] == 1


def test_digests_do_not_depend_on_the_order_of_keys(tmp_path: Path) -> None:
    assert digest({"a": 1, "b": [2.5]}) == digest({"b": [2.5], "a": 1})
    # printf '{"a":1}' | sha256sum
    expected = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    assert digest({"a": 1}) == expected
    (tmp_path / "f").write_text('{"a":1}')
    assert file_digest(tmp_path / "f") == expected
