from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore.errors import CheckpointError
from encore.heads.files.safetensors import (
    Stored,
    is_finite,
    link_or_copy,
    read_header,
    write_tensors,
)

Peer = Callable[[str], ModuleType]


def save(path: Path, peer: Peer) -> dict[str, np.ndarray]:
    """Tensors of four types, as the safetensors library saves them; in float32."""
    torch = peer("torch")
    made = {
        "double": torch.arange(3, dtype=torch.float64) / 3,
        "single": torch.arange(6, dtype=torch.float32).reshape(2, 3) / 7,
        "half": torch.tensor([0.1, -2.5], dtype=torch.float16),
        "brain": torch.tensor([[1.1], [-3e20]], dtype=torch.bfloat16),
        "none": torch.zeros(0, 4),
    }
    peer("safetensors.torch").save_file(made, path)
    return {name: tensor.float().numpy() for name, tensor in made.items()}


def test_every_type_of_float_reads_as_the_library_reads_it(tmp_path: Path, peer: Peer) -> None:
    wanted = save(tmp_path / "a.safetensors", peer)
    header = read_header(tmp_path / "a.safetensors")
    assert set(header) == set(wanted)
    for name, stored in header.items():
        np.testing.assert_array_equal(stored.read(), wanted[name])


def test_what_is_written_reads_in_the_library_byte_for_byte(tmp_path: Path, peer: Peer) -> None:
    save(tmp_path / "a.safetensors", peer)
    stored = read_header(tmp_path / "a.safetensors")
    made = np.array([[1.5, -2.0]], np.float32)
    write_tensors(tmp_path / "b.safetensors", {"new": made, "x": stored["brain"], **stored})
    one, two = (
        peer("safetensors.torch").load_file(tmp_path / f"{name}.safetensors") for name in "ab"
    )
    np.testing.assert_array_equal(two["new"].numpy(), made)
    for name, tensor in {**one, "x": one["brain"]}.items():
        assert two[name].dtype == tensor.dtype and two[name].equal(tensor)


def test_integers_are_no_values(tmp_path: Path, peer: Peer) -> None:
    torch = peer("torch")
    peer("safetensors.torch").save_file({"ids": torch.arange(3)}, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="type I64; expected floats"):
        read_header(tmp_path / "a.safetensors")["ids"].read()


@given(cut=st.integers(0, 400))
def test_a_file_that_is_cut_off_anywhere_is_an_error(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    write_tensors(folder / "a", {"w": np.zeros((10, 5), np.float32), "b": np.ones(7, np.float32)})
    whole = (folder / "a").read_bytes()
    (folder / "a").write_bytes(whole[: min(cut, len(whole) - 1)])
    with pytest.raises(CheckpointError, match="not a complete safetensors file"):
        read_header(folder / "a")


@given(place=st.integers(0, 120), byte=st.integers(0, 255))
def test_a_header_that_is_spoilt_is_an_error_or_another_whole_header(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int
) -> None:
    path = tmp_path_factory.mktemp("spoilt") / "a"
    write_tensors(path, {"w": np.zeros((10, 5), np.float32)})
    spoilt = bytearray(path.read_bytes())
    spoilt[place] = byte
    path.write_bytes(bytes(spoilt))
    try:
        found = read_header(path)
    except CheckpointError:
        return
    assert sum(stored.end - stored.begin for stored in found.values()) in (0, 200)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}, "does not take 4 bytes"),
        ({"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}, "an unknown type, 'F99'"),
        ({"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}, "does not begin where"),
        ({"dtype": "F32", "shape": [1]}, "cannot be read"),
        ({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}, "should have"),
        ({"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}, "not all whole numbers"),
        ({"dtype": "F32", "shape": [1], "data_offsets": [0.0, 4.0]}, "not all whole numbers"),
        ([], "cannot be read"),
    ],
)
def test_a_header_that_contradicts_itself_is_an_error(
    entry: object, says: str, tmp_path: Path
) -> None:
    text = json.dumps({"w": entry}).encode()
    (tmp_path / "a").write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    with pytest.raises(CheckpointError, match=says):
        read_header(tmp_path / "a")


def test_a_source_that_shrinks_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(10))
    stored = Stored(tmp_path / "a", "F32", (5,), 0, 20)
    with pytest.raises(CheckpointError, match="it shrank"):
        write_tensors(tmp_path / "b", {"w": stored})
    assert os.listdir(tmp_path) == ["a"]


def test_a_link_is_the_file_itself_and_follows_links(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"x")
    (tmp_path / "name").symlink_to("blob")
    link_or_copy(tmp_path / "name", tmp_path / "out")
    assert not (tmp_path / "out").is_symlink()
    assert (tmp_path / "out").samefile(tmp_path / "blob")


def test_where_links_cannot_be_files_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("another device")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_bytes(b"x")
    link_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"x"
    assert not (tmp_path / "a").samefile(tmp_path / "b")


@pytest.mark.parametrize(
    ("kind", "finite", "others"),
    [
        # The largest number of each type, then infinity and NaN (E4M3 has no infinity).
        ("F64", [0x7FEFFFFFFFFFFFFF], [0x7FF0000000000000, 0xFFF0000000000000, 0x7FF8000000000001]),
        ("F32", [0x7F7FFFFF], [0x7F800000, 0xFF800000, 0x7FC00000]),
        ("F16", [0x7BFF], [0x7C00, 0xFC00, 0x7E00]),
        ("BF16", [0x7F7F], [0x7F80, 0xFF80, 0x7FC0]),
        ("F8_E5M2", [0x7B], [0x7C, 0xFC, 0x7E]),
        ("F8_E4M3", [0x7E], [0x7F, 0xFF]),
        ("I32", [0x7FFFFFFF, 0x7F800000], []),
    ],
)
def test_numbers_that_are_not_finite_are_found_in_every_type(
    kind: str, finite: list[int], others: list[int], tmp_path: Path
) -> None:
    size = {"F64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2}.get(kind, 1)
    for bits in (*finite, *others):
        numbers = b"\x00" * size * 3 + bits.to_bytes(size, "little")
        header = {"w": {"dtype": kind, "shape": [4], "data_offsets": [0, 4 * size]}}
        text = json.dumps(header).encode()
        path = tmp_path / f"{bits}.safetensors"
        path.write_bytes(struct.pack("<Q", len(text)) + text + numbers)
        assert is_finite(read_header(path)["w"]) == (bits in finite)
