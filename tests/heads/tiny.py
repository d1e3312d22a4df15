"""Tiny random models of real architectures, with a tokenizer, as folders on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

HIDDEN = 32
# Roles between marks, as Llama 3 writes them: a template with its own BOS.
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|head|>{{ m.role }}<|end|>{{ m.content }}<|eot|>"
    "{% endfor %}{% if add_generation_prompt %}<|head|>assistant<|end|>{% endif %}"
)
SPECIALS = ["<pad>", "<s>", "</s>", "<unk>", "<|head|>", "<|end|>", "<|eot|>"]
TALKS = [
    [("user", "How do I stop a process?"), ("assistant", "Use kill.")],
    [("user", "Hi"), ("assistant", "Hello! What can I do for you on this fine day, my friend?")],
    [("user", "Tell me a secret."), ("assistant", "No.")],
    [("user", "a"), ("assistant", "b"), ("user", "What?"), ("assistant", "Nothing, I am sorry.")],
    [("user", "Are you well? " * 6), ("assistant", "Quite well, thank you. " * 5)],
]


def tokenizer(folder: Path, *, chat: bool = True, pad: str = "<pad>", side: str = "right") -> Any:
    """A byte-level tokenizer, saved in *folder*: chat, or pairs as an encoder reads them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    specials = SPECIALS if chat else ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    vocabulary = {token: number for number, token in enumerate([*specials, *alphabet])}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    first, second = specials[1], specials[2]
    if chat:
        core.post_processor = processors.TemplateProcessing(
            single=f"{first} $A", special_tokens=[(first, 1)]
        )
        named = {"bos_token": first, "eos_token": second, "unk_token": "<unk>", "pad_token": pad}
    else:
        core.post_processor = processors.TemplateProcessing(
            single=f"{first} $A {second}",
            pair=f"{first} $A {second} $B:1 {second}:1",
            special_tokens=[(first, 1), (second, 2)],
        )
        named = {"cls_token": first, "sep_token": second, "unk_token": "[UNK]"}
        named["pad_token"] = "[PAD]"
    core.add_special_tokens(specials)
    made = PreTrainedTokenizerFast(
        tokenizer_object=core,
        padding_side=side,
        model_input_names=["input_ids", "attention_mask", *([] if chat else ["token_type_ids"])],
        **named,
    )
    if chat:
        made.chat_template = TEMPLATE
    made.save_pretrained(folder)
    return made


def config(kind: str, **changes: Any) -> Any:
    """The configuration of a tiny model of an architecture."""
    from transformers import AutoConfig

    given = {
        "vocab_size": 300,
        "hidden_size": HIDDEN,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 512,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    if "bert" in kind:
        del given["num_key_value_heads"], given["head_dim"]
    return AutoConfig.for_model(kind, **{**given, **changes})


def classifier(folder: Path, kind: str, names: tuple[str, ...], **changes: Any) -> Any:
    """A sequence classifier with a head a name, saved with its tokenizer."""
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(0)
    labels = dict(enumerate(names))
    described = config(kind, id2label=labels, problem_type="regression", **changes)
    model = AutoModelForSequenceClassification.from_config(described).eval()
    loosen(model)
    model.save_pretrained(folder)
    tokenizer(folder, chat=kind != "bert")
    return model


def loosen(model: Any) -> None:
    """Weights wide enough for states to differ: an initial model tells texts hardly apart."""
    import torch

    with torch.no_grad():
        for name, part in model.named_parameters():
            if part.ndim == 2:
                part.normal_(0, 0.3 if "embed" in name else 0.15)


def gated(folder: Path, *, n_quantiles: int | None = None) -> Mapping[str, Any]:
    """A checkpoint with the tensor names of ArmoRM, or of QRM if it has quantiles."""
    import torch
    from safetensors.torch import save_file
    from transformers import LlamaModel

    torch.manual_seed(1)
    folder.mkdir(parents=True, exist_ok=True)
    described = config("llama")
    model = LlamaModel(described).eval()
    loosen(model)
    wide, n = 24, 19
    tensors = {f"model.{name}": part for name, part in model.state_dict().items()}
    tensors["regression_layer.weight"] = torch.randn(n * (n_quantiles or 1), HIDDEN)
    tensors["reward_transform_matrix"] = torch.eye(n) + 0.1 * torch.randn(n, n)
    tensors["gating.logit_scale"] = torch.tensor([1.3])
    sizes = [HIDDEN, wide, wide, wide]
    step = 3 if n_quantiles else 1
    for number in range(3):
        place = f"gating.layers.{number * step}"
        tensors[f"{place}.weight"] = torch.randn(sizes[number + 1], sizes[number]) / 4
        if n_quantiles:
            norm = f"gating.layers.{number * step + 2}"
            tensors[f"{norm}.weight"] = torch.rand(wide) + 0.5
            tensors[f"{norm}.bias"] = torch.randn(wide) / 4
            tensors[f"{norm}.running_mean"] = torch.randn(wide) / 4
            tensors[f"{norm}.running_var"] = torch.rand(wide) + 0.5
            tensors[f"{norm}.num_batches_tracked"] = torch.tensor(7)
        else:
            tensors[f"{place}.bias"] = torch.randn(wide) / 4
    tensors[f"gating.layers.{3 * step}.weight"] = torch.randn(n, wide)
    tensors[f"gating.layers.{3 * step}.bias"] = torch.randn(n)
    save_file(
        {name: part.contiguous() for name, part in tensors.items()}, folder / "model.safetensors"
    )
    written = described.to_dict()
    written |= {"architectures": ["LlamaForRewardModelWithGating"], "num_objectives": n}
    written |= {"gating_temperature": 5 if n_quantiles else 10}
    written |= {"auto_map": {"AutoModelForSequenceClassification": "modeling_custom.X"}}
    if n_quantiles:
        written["num_quantiles"] = n_quantiles
    (folder / "config.json").write_text(json.dumps(written))
    tokenizer(folder)
    return {**tensors, "backbone": model}


def random_texts(count: int, seed: int = 0) -> list[list[tuple[str, str]]]:
    """Conversations of many lengths."""
    rng = np.random.default_rng(seed)
    words = ["fire", "kind", "no", "sorry", "thanks", "harm", "help", "you", "I", "cannot"]
    made = []
    for _ in range(count):
        said = [" ".join(rng.choice(words, rng.integers(1, 14))) for _ in range(2)]
        made.append([("user", said[0]), ("assistant", said[1])])
    return made


def plain_logits(
    transformers: ModuleType, folder: Path, talks: Any, *, side: str = "right"
) -> NDArray[np.float32]:
    """The logits that Transformers' own class gives, all texts in one padded batch."""
    import torch

    auto = transformers.AutoTokenizer.from_pretrained(folder)
    if auto.chat_template:  # an encoder counts positions from the left: its texts must begin there
        auto.padding_side = side
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    if auto.chat_template:
        texts = [
            auto.apply_chat_template([{"role": r, "content": c} for r, c in talk], tokenize=False)
            for talk in talks
        ]
        inputs = auto(texts, add_special_tokens=False, padding=True, return_tensors="pt")
    else:
        before = ["\n\n".join(text for _, text in talk[:-1]) for talk in talks]
        after = [talk[-1][1] for talk in talks]
        inputs = auto(before, after, padding=True, return_tensors="pt")
    with torch.inference_mode():
        return np.asarray(model(**inputs).logits.numpy())
