"""Tiny models, made once; all of it needs the extra `heads`, which the bare install has not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

collect_ignore_glob = ["test_*.py", "*/test_*.py"] if os.environ.get("ENCORE_BARE") else []


@pytest.fixture(scope="session", params=["llama", "qwen2", "gemma2", "bert"])
def classifier_folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A tiny random classifier of three heads."""
    from tests.heads.tiny import classifier

    folder = tmp_path_factory.mktemp("models") / str(request.param)
    classifier(folder, str(request.param), ("kind", "true", "short"))
    return folder


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama of three heads."""
    from tests.heads.tiny import classifier

    folder = tmp_path_factory.mktemp("models") / "llama"
    classifier(folder, "llama", ("kind", "true", "short"))
    return folder


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT of three heads."""
    from tests.heads.tiny import classifier

    folder = tmp_path_factory.mktemp("models") / "bert"
    classifier(folder, "bert", ("kind", "true", "short"))
    return folder
