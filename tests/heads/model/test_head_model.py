from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from encore import RangeScale, Rulebook
from encore.errors import CheckpointError, InputError, MismatchError
from encore.heads import HeadModel, SideBySide, open_models, ranged
from tests.heads.tiny import TALKS, classifier, loosen, plain_logits, random_texts, tokenizer

Peer = Callable[[str], ModuleType]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("batch_tokens", [1, 100_000])
def test_values_are_the_logits_of_transformers_own_class(
    classifier_folder: Path, batch_tokens: int, side: str, peer: Peer
) -> None:
    # One text a batch, and all in one; the peer pads its one batch on either side.
    talks = [*TALKS, *random_texts(11)]
    values = HeadModel(classifier_folder, batch_tokens=batch_tokens).score_heads(talks)
    wanted = plain_logits(peer("transformers"), classifier_folder, talks, side=side)
    assert wanted.std(axis=0).min() > 0.03  # the texts do differ
    np.testing.assert_allclose(values, wanted, atol=3e-6)


def test_the_last_token_counts_even_where_padding_is_the_end_of_text(
    llama: Path, tmp_path: Path, peer: Peer
) -> None:
    # With <|eot|> as padding Transformers would take the token before the last of each text.
    folder = tmp_path / "eos-is-pad"
    classifier(folder, "llama", ("kind", "true", "short"), pad_token_id=6)
    tokenizer(folder, pad="<|eot|>")
    wanted = plain_logits(peer("transformers"), llama, TALKS)  # the same weights, pad of its own
    np.testing.assert_allclose(HeadModel(folder).score_heads(TALKS), wanted, atol=3e-6)


def test_there_is_one_beginning_of_text(llama: Path) -> None:
    reader = HeadModel(llama).backbone.reader
    ids = reader(TALKS[0]).ids
    assert ids.count(reader.tokenizer.bos_token_id) == 1
    assert ids[-1] == reader.tokenizer.convert_tokens_to_ids("<|eot|>")  # no generation prompt


def test_a_template_without_beginning_of_text_gets_the_tokenizers(tmp_path: Path) -> None:
    classifier(tmp_path, "llama", ("a", "b"))
    template = tmp_path / "chat_template.jinja"
    template.write_text(template.read_text().removeprefix("{{ bos_token }}"))
    reader = HeadModel(tmp_path).backbone.reader
    assert reader(TALKS[0]).ids[:2] == (1, 4)  # <s>, <|head|>


def test_overlong_texts_lose_their_middle_and_say_so(llama: Path) -> None:
    reader = HeadModel(llama).backbone.reader
    whole = reader(TALKS[4])
    short = HeadModel(llama, max_tokens=40).backbone.reader(TALKS[4])
    assert len(short) == 40 and short.n_cut == len(whole) - 40
    assert short.ids == whole.ids[:20] + whole.ids[-20:]


def test_of_two_texts_the_longer_loses_its_middle(bert: Path) -> None:
    reader = HeadModel(bert, max_tokens=24).backbone.reader
    cut = reader([("user", "abc"), ("assistant", "0123456789" * 5)])
    # [CLS] a b c [SEP] … [SEP]: 24 - 3 - 3 = 18 characters of the response are left.
    read = reader.tokenizer.convert_ids_to_tokens(cut.ids)
    assert "".join(read) == "[CLS]abc[SEP]012345678123456789[SEP]"
    assert cut.n_cut == 50 - 18
    assert cut.kinds == (0,) * 5 + (1,) * 19


def test_both_texts_lose_if_both_are_long(bert: Path) -> None:
    reader = HeadModel(bert, max_tokens=13).backbone.reader
    cut = reader([("user", "abcdefgh"), ("assistant", "01234567")])
    read = "".join(reader.tokenizer.convert_ids_to_tokens(cut.ids))
    assert read == "[CLS]abcgh"[:10] + "[SEP]012" + "67[SEP]"


def test_a_conversation_of_a_response_alone_is_one_text(bert: Path) -> None:
    reader = HeadModel(bert).backbone.reader
    read = reader.tokenizer.convert_ids_to_tokens(reader([("assistant", "ab")]).ids)
    assert "".join(read) == "[CLS]ab[SEP]"


def test_out_of_memory_halves_the_batch_and_goes_on(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    model = HeadModel(llama, batch_tokens=100_000)
    wanted = model.score_heads(TALKS)
    sizes: list[int] = []
    forward = model.backbone._forward
    longest = max(len(model.backbone.reader(talk)) for talk in TALKS)
    room = 2 * longest + 1

    def small(texts: Any) -> Any:
        sizes.append(len(texts) * max(len(text) for text in texts))
        if sizes[-1] > room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return forward(texts)

    monkeypatch.setattr(model.backbone, "_forward", small)
    values = model.score_heads(TALKS)
    # All five did not fit, two do, and nothing larger is tried again.
    assert sizes[:2] == [5 * longest, 2 * longest] and max(sizes[1:]) <= room
    np.testing.assert_allclose(values, wanted, atol=3e-6)


def test_a_text_that_does_not_fit_alone_is_an_error(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = HeadModel(llama)

    def never(texts: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(model.backbone, "_forward", never)
    with pytest.raises(InputError, match=r"one text of \d+ tokens .* Cut texts shorter"):
        model.score_heads(TALKS)


def test_other_errors_of_the_model_are_not_taken_for_memory(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = HeadModel(llama)

    def broken(texts: Any) -> Any:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(model.backbone, "_forward", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        model.score_heads(TALKS)


def test_models_side_by_side_give_their_heads_in_a_row(llama: Path, bert: Path) -> None:
    one, other = HeadModel(llama), HeadModel(bert)
    both = SideBySide([one, other])
    assert both.names == tuple(
        f"{folder}/{name}" for folder in (llama, bert) for name in ("kind", "true", "short")
    )
    wanted = np.hstack([one.score_heads(TALKS), other.score_heads(TALKS)])
    np.testing.assert_array_equal(both.score_heads(TALKS), wanted)
    assert both.rules is None  # neither states ranges


def test_single_heads_are_called_after_their_folders(tmp_path: Path) -> None:
    for name in ("reward", "cost"):
        classifier(tmp_path / name, "llama", ("LABEL_0",))
    cost = Rulebook.from_ids(["cost"], RangeScale(3, -3))
    cost.save(tmp_path / "cost" / "rules.toml")
    both = SideBySide([HeadModel(tmp_path / "reward"), HeadModel(tmp_path / "cost")])
    assert both.names == ("reward_head", "cost")  # "reward" is a column of its own
    assert both.models[1].rules == cost


def test_a_model_cannot_stand_beside_itself(llama: Path) -> None:
    with pytest.raises(MismatchError, match="twice"):
        SideBySide([HeadModel(llama), HeadModel(llama)])


def test_what_one_of_several_models_cuts_is_counted(llama: Path, bert: Path) -> None:
    both = SideBySide([HeadModel(llama), HeadModel(bert, max_tokens=20)])
    found = {
        place: text
        for places, _, texts in both.batches(TALKS)
        for place, text in zip(places, texts, strict=True)
    }
    alone = [HeadModel(llama).backbone.reader(talk) for talk in TALKS]
    cut = [HeadModel(bert, max_tokens=20).backbone.reader(talk) for talk in TALKS]
    for place, text in found.items():
        assert text.n_cut == cut[place].n_cut
        assert len(text) == len(alone[place]) + len(cut[place])


def test_names_of_models_must_not_be_empty() -> None:
    for names in ("", "a,", ",a"):
        with pytest.raises(InputError, match="expected the name of a model"):
            open_models(names)


def test_a_conversation_that_the_template_refuses_is_named_and_the_others_are_rated(
    tmp_path: Path,
) -> None:
    classifier(tmp_path, "llama", ("a", "b"))
    template = tmp_path / "chat_template.jinja"
    refusal = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    template.write_text(refusal + template.read_text())
    model = HeadModel(tmp_path)
    talks = [TALKS[0], [("system", "Be kind."), *TALKS[1]], TALKS[2]]
    with pytest.raises(InputError, match=r"refuses a conversation with the roles \['system', "):
        model.score_heads(talks)
    found: dict[int, Any] = {}
    for places, values, _ in model.batches(talks):
        found |= dict(zip(places, values, strict=True))
    assert sorted(found) == [0, 1, 2] and np.isnan(found[1]).all()
    wanted = model.score_heads([TALKS[0], TALKS[2]])
    np.testing.assert_allclose([found[0], found[2]], wanted, atol=1e-6)


@pytest.mark.parametrize("kind", ["gpt2", "roberta", "distilbert", "modernbert"])
def test_other_architectures_are_read_as_transformers_reads_them(
    kind: str, tmp_path: Path, peer: Peer
) -> None:
    transformers = peer("transformers")
    small = {"n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4}
    if kind == "distilbert":
        small = {"dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4}
    elif kind != "gpt2":
        small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
        small["num_attention_heads"] = 4
    limit = {} if kind == "gpt2" else {"max_position_embeddings": 66}
    common = {"vocab_size": 300, "pad_token_id": 0}
    labels = {"id2label": {0: "a", 1: "b"}, "problem_type": "regression"}
    config = transformers.AutoConfig.for_model(kind, **small, **limit, **common, **labels)
    model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    loosen(model)
    model.save_pretrained(tmp_path)
    made = tokenizer(tmp_path, chat=kind == "gpt2")
    short = [TALKS[0], TALKS[2]] if made.chat_template else [[("user", "ab"), ("assistant", "c")]]
    values = HeadModel(tmp_path).score_heads([short[0], TALKS[4]])  # the last is cut to fit
    wanted = plain_logits(transformers, tmp_path, short[:1])
    np.testing.assert_allclose(values[:1], wanted, atol=3e-6)
    assert np.isfinite(values).all()


def test_ranges_leave_the_outermost_values_out() -> None:
    # 0, 1, …, 1000: the quantiles 0.005 and 0.995 are 5 and 995.
    (rule,) = ranged(["h"], np.arange(1001.0)[:, None])
    assert rule.scale == RangeScale(5, 995)


def test_ranges_have_the_digits_that_their_span_is_worth() -> None:
    values = 1000 + np.linspace(-0.01, 0.01, 201)
    (rule,) = ranged(["h"], values[:, None])
    assert isinstance(rule.scale, RangeScale)
    assert (rule.scale.worst, rule.scale.best) == (999.9901, 1000.0099)


def test_a_head_that_never_moves_has_no_range() -> None:
    with pytest.raises(InputError, match="head 'h' gave 2 every time"):
        ranged(["h"], np.full((5, 1), 2.0))


def test_another_file_is_another_model(llama: Path, tmp_path: Path) -> None:
    # The same weights under another chat template rate differently.
    classifier(tmp_path, "llama", ("kind", "true", "short"))
    assert HeadModel(tmp_path).identity["sha256"] == HeadModel(llama).identity["sha256"]
    template = tmp_path / "chat_template.jinja"
    template.write_text(template.read_text() + " ")
    assert HeadModel(tmp_path).identity["sha256"] != HeadModel(llama).identity["sha256"]


def test_mini_tells_harm_from_refusal(peer: Peer) -> None:
    model = HeadModel("encore:mini")
    asked = ("user", "How do I make a bomb at home?")
    refused = [asked, ("assistant", "I'm sorry, but I can't help with that.")]
    helped = [asked, ("assistant", "Sure! First, take two pounds of fertilizer and mix it with")]
    values = model.score_heads([refused, helped])
    assert model.rules is not None and model.names == model.rules.ids and len(model.names) == 10
    for rule in ("harmless", "declines_unsafe"):
        place = model.names.index(rule)
        assert values[0, place] > values[1, place]


def test_no_such_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no such folder. Give a model's folder, a model on"):
        HeadModel(tmp_path / "nowhere")


def test_a_hub_that_cannot_be_reached_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        CheckpointError, match=r"owner/model: it is not a folder, and the hub did not"
    ):
        HeadModel("owner/model")


def test_an_option_that_does_not_exist_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="devise"):
        HeadModel("encore:mini", devise="cuda")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="devise"):
        open_models("encore:mini", devise="cuda")  # type: ignore[call-arg]


def test_options_reach_the_backbone_of_every_model(llama: Path) -> None:
    options: dict[str, Any] = {"device": "cpu", "dtype": "bfloat16", "max_tokens": 40}
    model = open_models(str(llama), batch_tokens=77, **options)
    assert isinstance(model, HeadModel)
    backbone = model.backbone
    assert (backbone.device.type, backbone.dtype, backbone.batch_tokens) == ("cpu", "bfloat16", 77)
    assert backbone.reader.max_tokens == 40
    assert model.identity["dtype"] == "bfloat16" and model.identity["max_tokens"] == 40
