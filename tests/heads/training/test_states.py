from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encore.errors import InputError
from encore.heads import Backbone, Checkpoint
from encore.heads.training import states
from encore.heads.training.states import States, compute_states, split_of
from tests.heads.tiny import random_texts


@pytest.fixture
def backbone(llama: Path, monkeypatch: pytest.MonkeyPatch) -> Backbone:
    monkeypatch.setattr(states, "_WINDOW", 4)
    monkeypatch.setattr(states, "_BLOCK", 3)
    return Backbone(Checkpoint.open(llama))


def test_states_lie_in_the_order_of_the_texts(backbone: Backbone, tmp_path: Path) -> None:
    talks = random_texts(10)
    done: list[int] = []
    made = compute_states(backbone, talks, tmp_path / "s.npy", key="k", on_progress=done.append)
    wanted = backbone.states([backbone.reader(talk) for talk in talks])
    np.testing.assert_allclose(np.load(made.path), wanted, atol=3e-6)
    parts = list(made.blocks())
    assert [(rows.start, rows.stop) for rows, _ in parts] == [(0, 3), (3, 6), (6, 9), (9, 10)]
    np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), np.load(made.path))
    assert done == [4, 8, 10]


def test_a_run_goes_on_where_another_stopped(
    backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talks, path = random_texts(10), tmp_path / "s.npy"
    compute_states(backbone, talks, tmp_path / "whole.npy", key="k")

    def stops() -> Iterator[Any]:
        yield from talks[:6]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compute_states(backbone, stops(), path, key="k")
    assert States(path).shape == (4, backbone.hidden_size)  # whole windows only
    read: list[int] = []
    forward = backbone.states

    def counted(texts: Any) -> Any:
        read.append(len(texts))
        return forward(texts)

    monkeypatch.setattr(backbone, "states", counted)
    compute_states(backbone, talks, path, key="k")
    assert read == [4, 2]
    assert path.read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_a_half_written_window_is_written_anew(backbone: Backbone, tmp_path: Path) -> None:
    talks, path = random_texts(6), tmp_path / "s.npy"
    compute_states(backbone, talks[:4], path, key="k")
    with path.open("ab") as file:
        file.write(b"half a window")
    compute_states(backbone, talks, path, key="k")
    compute_states(backbone, talks, tmp_path / "whole.npy", key="k")
    assert path.read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_a_file_that_became_shorter_is_not_gone_on_with(backbone: Backbone, tmp_path: Path) -> None:
    compute_states(backbone, random_texts(6), tmp_path / "s.npy", key="k")
    os.truncate(tmp_path / "s.npy", 300)
    with pytest.raises(InputError, match="shorter than what was written"):
        compute_states(backbone, random_texts(6), tmp_path / "s.npy", key="k")


def test_states_of_something_else_are_not_taken(backbone: Backbone, tmp_path: Path) -> None:
    compute_states(backbone, random_texts(3), tmp_path / "s.npy", key="k")
    with pytest.raises(InputError, match="states of other texts or of another backbone"):
        compute_states(backbone, random_texts(3), tmp_path / "s.npy", key="l")


def test_a_note_that_was_changed_is_an_error(backbone: Backbone, tmp_path: Path) -> None:
    compute_states(backbone, random_texts(3), tmp_path / "s.npy", key="k")
    (tmp_path / "s.npy.json").write_text("{}")
    with pytest.raises(InputError, match="not what was written there"):
        compute_states(backbone, random_texts(3), tmp_path / "s.npy", key="k")


def test_cut_texts_are_counted(llama: Path, tmp_path: Path) -> None:
    short = Backbone(Checkpoint.open(llama), max_tokens=120)
    talks = random_texts(12)
    longer = sum(len(Backbone(Checkpoint.open(llama)).reader(talk)) > 120 for talk in talks)
    assert 0 < longer < 12
    assert compute_states(short, talks, tmp_path / "s.npy", key="k").n_cut == longer


def test_one_prompt_is_in_one_fold() -> None:
    names = [f"prompt {number % 50}" for number in range(200)]
    splits = split_of(names, 5)
    assert {len(set(splits[number::50])) for number in range(50)} == {1}
    assert set(splits) == {0, 1, 2, 3, 4}
    assert split_of(names[::-1], 5).tolist() == splits[::-1].tolist()
