"""Archives of inspect_ai that are damaged, or made to harm."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from encore.errors import PathError, RatingsError
from encore.ratings.importing.tools import inspect_ai_archive
from encore.ratings.importing.tools.inspect_ai_archive import open_log
from tests.ratings.importing.tools.outputs import FOLDER, read

LOG = FOLDER / "inspect_ai" / "log.eval"
HEADER = {"eval": {"task": "t", "model": "m"}, "plan": {}}


def archive(path: Path, method: int = zipfile.ZIP_DEFLATED, /, **texts: str) -> Path:
    with zipfile.ZipFile(path, "w", method) as out:
        for name, text in texts.items():
            out.writestr(name.replace("__", "/") + ".json", text)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_archives_of_every_kind_are_read_again_and_again(tmp_path: Path, method: int) -> None:
    sample = {"id": 1, "input": "?", "scores": {"s": {"value": 4}}}
    path = archive(
        tmp_path / "a.eval", method, header=json.dumps(HEADER), samples__1=json.dumps(sample)
    )
    document = open_log(path)
    assert list(document["samples"]) == list(document["samples"]) == [sample]
    (row,) = read(path)
    assert (row["rule"], row["score"]) == ("s", 4)


def test_a_run_that_has_not_ended_is_read_by_its_beginning(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.eval", _journal__start=json.dumps(HEADER))
    assert open_log(path)["eval"] == HEADER["eval"]


def test_a_text_that_unpacks_to_too_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect_ai_archive, "MOST_BYTES", 1 << 20)
    path = archive(tmp_path / "a.eval", header=json.dumps(HEADER), samples__1=" " * (1 << 21))
    assert path.stat().st_size < 10_000
    with pytest.raises(RatingsError, match=r"samples/1\.json.*more than 1 MiB"):
        list(open_log(path)["samples"])


def test_a_text_in_zstandard_that_unpacks_to_too_much_is_not_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inspect_ai_archive, "MOST_BYTES", 100)
    with pytest.raises(RatingsError, match="unpacks to more than"):
        open_log(LOG)


def test_an_archive_of_too_many_texts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_ai_archive, "MOST_TEXTS", 3)
    with pytest.raises(RatingsError, match="holds 11 files; at most 3"):
        open_log(LOG)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"other": "{}"}, r"holds no 'header\.json'"),
        ({"header": "[]"}, "'header.json' is no object"),
        ({"header": "{"}, "'header.json' cannot be read"),
        ({"header": '{"a": 1, "a": 2}'}, "keys stand twice"),
    ],
)
def test_an_archive_that_is_no_log_is_refused(
    tmp_path: Path, texts: dict[str, str], message: str
) -> None:
    with pytest.raises(RatingsError, match=message) as caught:
        open_log(archive(tmp_path / "a.eval", **texts))
    assert "inspect log convert" in str(caught.value)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.eval").write_text("{}")
    with pytest.raises(RatingsError, match="not a ZIP archive"):
        open_log(tmp_path / "a.eval")
    with pytest.raises((PathError, FileNotFoundError)):
        open_log(tmp_path / "b.eval")


def test_a_damaged_text_is_refused(tmp_path: Path) -> None:
    data = bytearray(LOG.read_bytes())
    place = data.index(b"samples/broken_epoch_1.json") + 60
    data[place] ^= 0xFF
    (tmp_path / "a.eval").write_bytes(data)
    with pytest.raises(RatingsError, match=r"broken_epoch_1\.json' cannot be read"):
        list(open_log(tmp_path / "a.eval")["samples"])
