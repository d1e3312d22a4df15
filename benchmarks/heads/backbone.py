"""Scoring with 19 heads against the bare backbone: at least 0.98 of its tokens a second.

A Llama with random weights and random inputs of 512 tokens, through ENCORE's batches and through a
loop that only runs the backbone on the same batches, and what share of the machine's matrix-product
speed that is. ``--shape 8b`` is Llama-3.1-8B in bfloat16 and needs a GPU of 24 GB or
more; ``--shape small`` runs anywhere.

Run as ``python benchmarks/heads/backbone.py [--shape small|8b]``.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from encore.heads.model.backbone import Backbone, default_dtype, last_layer
from encore.heads.model.conversation import Tokens

SHAPES: dict[str, dict[str, Any]] = {
    "small": {"hidden_size": 256, "intermediate_size": 896, "num_hidden_layers": 4},
    "8b": {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32},
}
N_TOKENS, N_HEADS, ROUNDS = 512, 19, 25


class Padding:
    """The parts of a tokenizer that padding needs."""

    pad_token_id = 0


class Random(Backbone):
    """A backbone with random weights: no checkpoint is read."""

    def __init__(self, shape: dict[str, Any], batch_tokens: int) -> None:
        from encore.heads.model.conversation import Reader

        device = "cuda" if torch.cuda.is_available() else "cpu"
        heads = shape["hidden_size"] // 128 or 1
        config = AutoConfig.for_model(
            "llama",
            vocab_size=32_000,
            num_attention_heads=heads,
            num_key_value_heads=max(1, heads // 4),
            num_labels=N_HEADS,
            **shape,
        )
        with torch.device(device):
            torch.set_default_dtype(getattr(torch, default_dtype(device)))
            self._model = AutoModelForSequenceClassification.from_config(config).eval()
            torch.set_default_dtype(torch.float32)
        self.device, self.batch_tokens = torch.device(device), batch_tokens
        self.dtype = default_dtype(device)
        self._last = last_layer(self._model, "random")
        self.reader = Reader.__new__(Reader)
        self.reader.tokenizer = Padding()

    @property
    def n_weights(self) -> int:
        """The number of weights that multiply: all but the embeddings."""
        return sum(p.numel() for n, p in self._model.named_parameters() if "embed" not in n)

    def bare(self, ids: torch.Tensor) -> None:
        with torch.inference_mode():
            self._model.base_model(ids, use_cache=False)
        self.wait()

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def ceiling(device: torch.device, dtype: str) -> float:
    """Operations a second of a plain matrix product on this machine."""
    size = 8192 if device.type == "cuda" else 2048
    one = torch.randn(size, size, device=device, dtype=getattr(torch, dtype))
    times = []
    for _ in range(12):
        began = time.perf_counter()
        one @ one
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return 2 * size**3 / min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="small")
    shape = parser.parse_args().shape
    n_texts, batch = (256, 32) if shape == "8b" else (32, 4)
    backbone = Random(SHAPES[shape], batch * N_TOKENS)
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 32_000, (n_texts, N_TOKENS))
    texts = [Tokens(tuple(row)) for row in ids.tolist()]
    head = rng.normal(size=(N_HEADS, SHAPES[shape]["hidden_size"])).astype(np.float32)
    weight = torch.from_numpy(head)

    def plain() -> None:
        for first in range(0, n_texts, batch):
            backbone.bare(torch.from_numpy(ids[first : first + batch]).to(backbone.device))

    def scored() -> None:
        for _, states in backbone.batches(texts):
            torch.nn.functional.linear(torch.from_numpy(states), weight)

    ways = (plain, scored)
    seconds = np.empty((ROUNDS, 2))
    for row in seconds:
        for place in rng.permutation(2):  # the order matters
            began = time.perf_counter()
            ways[place]()
            row[place] = time.perf_counter() - began
    ratios, rates = seconds[:, 0] / seconds[:, 1], n_texts * N_TOKENS / seconds[:, 1]
    rate = float(np.median(rates))
    share = rate * 2 * backbone.n_weights / ceiling(backbone.device, backbone.dtype)
    print(
        f"{shape} on {backbone.device} in {backbone.dtype}: {rate:,.0f} tokens a second with "
        f"{N_HEADS} heads, {np.median(ratios):.3f} of the bare backbone's; "
        f"{share:.0%} of the matrix product's ceiling"
    )


if __name__ == "__main__":
    main()
