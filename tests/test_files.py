"""Writing that never leaves half a file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore.errors import DocumentError, InputError
from encore.files import (
    atomic_write,
    digest,
    file_digest,
    overlap,
    read_document,
    refuse_overwrite,
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


# --- where it goes --------------------------------------------------------------------------


def written_by_a_process(*paths: str | Path, **how: Any) -> subprocess.CompletedProcess[str]:
    """Print a line, then write "data" to each path, in a process of its own."""
    code = (
        "import sys\n"
        "from encore.files import atomic_write\n"
        "print('line')\n"
        "for path in sys.argv[1:]:\n"
        "    with atomic_write(path) as temporary:\n"
        "        temporary.write_text('data\\n')\n"
    )
    command = [sys.executable, "-c", code, *map(str, paths)]
    return subprocess.run(command, text=True, check=True, timeout=60, **how)


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("to_a_file", [True, False])
def test_standard_output_is_written_to_after_what_is_there(
    name: str, to_a_file: bool, tmp_path: Path
) -> None:
    if not to_a_file:
        assert written_by_a_process(name, stdout=subprocess.PIPE).stdout == "line\ndata\n"
        return
    with (tmp_path / "out").open("w") as out:
        out.write("before\n")
        out.flush()
        written_by_a_process(name, stdout=out)
    assert (tmp_path / "out").read_text() == "before\nline\ndata\n" and only(tmp_path / "out")


def test_a_link_to_standard_output_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    done = written_by_a_process(tmp_path / "link", stdout=subprocess.PIPE)
    assert done.stdout == "line\ndata\n" and (tmp_path / "link").is_symlink()


def test_a_device_stays_a_device() -> None:
    before = os.stat("/dev/null")
    with atomic_write("/dev/null") as temporary:
        temporary.write_text("gone")
    assert os.path.samestat(os.stat("/dev/null"), before)


def test_a_fifo_gets_the_bytes_and_stays_a_fifo(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["cat", str(fifo)], stdout=subprocess.PIPE) as reader:
        with atomic_write(fifo) as temporary:
            temporary.write_text("through")
        assert reader.stdout is not None and reader.stdout.read() == b"through"
    assert fifo.is_fifo() and only(fifo)


def test_a_block_that_fails_sends_nothing_to_a_stream(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError), atomic_write("/dev/stdout") as temporary:
        temporary.write_text("half")
        raise ValueError
    assert capfd.readouterr().out == ""


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path: Path, target: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "one").symlink_to("../links/two")
    (tmp_path / "links" / "two").symlink_to("../file.json")
    with atomic_write(tmp_path / "links" / "one") as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text("new")
    assert target.read_text() == "new" and not target.is_symlink()
    assert (tmp_path / "links" / "one").readlink() == Path("../links/two")


def test_a_link_to_what_is_not_there_makes_it(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("made")
    with atomic_write(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "made").read_text() == "new" and (tmp_path / "link").is_symlink()


def test_links_in_a_circle_are_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"), atomic_write(tmp_path / "a"):
        pass


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o640])
def test_an_existing_file_keeps_its_mode(target: Path, mode: int) -> None:
    target.chmod(mode)
    with atomic_write(target) as temporary:
        temporary.write_text("new")
    assert os.stat(target).st_mode & 0o777 == mode and target.read_text() == "new"


def test_what_a_killed_process_left_is_swept_by_the_next_write(target: Path) -> None:
    code = (
        "import os, sys\n"
        "from encore.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    for name in (target, target.with_name("other")):
        subprocess.run([sys.executable, "-c", code, str(name)], check=False, timeout=60)
    assert len(list(target.parent.glob(".*.part"))) == 2
    with atomic_write(target) as temporary:
        temporary.write_text("new")
    # The other's stays until the other is written again.
    assert [path.name[:7] for path in target.parent.glob(".*.part")] == [".other."]


def test_what_a_live_process_is_writing_is_never_swept(target: Path) -> None:
    with atomic_write(target) as first:
        first.write_text("first")
        with atomic_write(target) as second:
            second.write_text("second")
        assert first.exists() and target.read_text() == "second"
    assert target.read_text() == "first" and only(target)


def test_what_a_process_of_another_machine_is_writing_is_never_swept(target: Path) -> None:
    # No process here has this number; the mark after it says that it counts elsewhere.
    other = target.with_name(f".{target.name}.999999999-00000000.0123456789ab.part")
    other.write_text("theirs")
    with atomic_write(target) as temporary:
        temporary.write_text("new")
    assert other.read_text() == "theirs"


# --- never over what is read ----------------------------------------------------------------


def test_a_file_overlaps_with_itself_by_every_name_and_with_its_folder(
    target: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "soft").symlink_to(target)
    (tmp_path / "hard").hardlink_to(target)
    (tmp_path / "way").symlink_to("folder")
    same = [target, tmp_path / "soft", tmp_path / "hard", tmp_path / "folder/../file.json"]
    assert all(overlap(one, other) for one in same for other in [*same, tmp_path])
    assert overlap(tmp_path / "way" / "new", tmp_path / "folder")
    assert overlap(tmp_path / "way" / "new", tmp_path / "folder" / "new")
    assert overlap("-", "-") and not overlap("-", target)
    assert not overlap(target, tmp_path / "folder") and not overlap("/dev/null", "/dev/null")


def test_only_paths_are_guarded(target: Path) -> None:
    refuse_overwrite(target, None, [1, 2], target.with_name("other"))
    with pytest.raises(InputError, match=r"file\.json is an input .*; write to another file"):
        refuse_overwrite(target, None, str(target))


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
