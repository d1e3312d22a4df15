"""Chat templates of the kinds that models have, with the tokens that their tokenizers add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Kind:
    """A template and its tokens.

    *control* are added as special tokens, *added* as ordinary ones, as some vocabularies have them.
    """

    source: str
    control: tuple[str, ...]
    added: tuple[str, ...] = ()
    bos: str | None = None
    eos: str | None = None
    texts: tuple[str, ...] = field(default=())  # marks that are ordinary text to the tokenizer


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
)
# Llama 3.2's, without its tools: today's date, and trimmed texts.
LLAMA3 = """\
{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}
    {{- message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}"""
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}"
    "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}"
    "{% endfor %}"
)
LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}"
    "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}"
    "{% for message in loop_messages %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}"
    "{% endif %}{% endfor %}"
)
ZEPHYR = (
    "{% for message in messages %}\n{% if message['role'] == 'user' %}\n"
    "{{ '<|user|>\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'system' %}\n"
    "{{ '<|system|>\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'assistant' %}\n"
    "{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n{% endfor %}"
)
PHI3 = (
    "{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ '<|user|>\n' + message['content'] + '<|end|>\n' }}"
    "{% else %}{{ '<|assistant|>\n' + message['content'] + '<|end|>\n' }}{% endif %}{% endfor %}"
)
# Qwen 3's way with thoughts, and DeepSeek-R1's, which prints only what comes after them.
QWEN3 = (
    "{% for m in messages %}{% if m.role == 'assistant' %}{% set content = m.content %}"
    "{% set thoughts = '' %}{% if '</think>' in content %}"
    "{% set thoughts = content.split('</think>')[0].rstrip('\n').split('<think>')[-1] %}"
    "{% set content = content.split('</think>')[-1].lstrip('\n') %}{% endif %}"
    "{{ '<|im_start|>assistant\n<think>\n' + thoughts.strip('\n') + '\n</think>\n\n' }}"
    "{{ content + '<|im_end|>\n' }}"
    "{% else %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endif %}"
    "{% endfor %}"
)
R1 = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'assistant' %}"
    "{% set content = m['content'] %}{% if '</think>' in content %}"
    "{% set content = content.split('</think>')[-1] %}{% endif %}"
    "{{ '<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>' }}"
    "{% else %}{{ '<｜User｜>' + m['content'] }}{% endif %}{% endfor %}"
)
VICUNA = (
    "{% for m in messages %}{% if m.role == 'user' %}USER: {{ m.content }} "
    "{% else %}ASSISTANT: {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
_LLAMA3_TOKENS = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
_R1_TOKENS = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>")
# What several vocabularies add that is ordinary text: blanks, HTML, fences.
_PLAIN = ("\n\n", "    ", "<h1>", "```")

KINDS = {
    "chatml": Kind(CHATML, ("<|im_start|>", "<|im_end|>", "<|endoftext|>"), eos="<|im_end|>"),
    "llama3": Kind(LLAMA3, _LLAMA3_TOKENS, bos=_LLAMA3_TOKENS[0], eos="<|eot_id|>"),
    # The first Gemma has its turns as added tokens that are not special.
    "gemma": Kind(
        GEMMA, ("<bos>", "<eos>"), ("<start_of_turn>", "<end_of_turn>", *_PLAIN), "<bos>", "<eos>"
    ),
    "mistral": Kind(MISTRAL, ("<s>", "</s>", "[INST]", "[/INST]"), bos="<s>", eos="</s>"),
    "llama2": Kind(
        LLAMA2, ("<s>", "</s>"), (), "<s>", "</s>", ("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>")
    ),
    "zephyr": Kind(
        ZEPHYR, ("<s>", "</s>"), (), "<s>", "</s>", ("<|user|>", "<|assistant|>", "<|system|>")
    ),
    "phi3": Kind(PHI3, ("<|user|>", "<|assistant|>", "<|end|>"), eos="<|end|>"),
    "qwen3": Kind(QWEN3, ("<|im_start|>", "<|im_end|>"), ("<think>", "</think>"), eos="<|im_end|>"),
    "r1": Kind(R1, _R1_TOKENS, ("</think>",), _R1_TOKENS[0], _R1_TOKENS[1]),
    "vicuna": Kind(VICUNA, ("<s>", "</s>"), bos="<s>", eos="</s>"),
}


def tokenizer_of(kind: Kind) -> Any:
    """A byte-level tokenizer with a template and its tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={t: n for n, t in enumerate(alphabet)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(["<pad>", *kind.control])
    core.add_tokens([AddedToken(text, normalized=False) for text in kind.added])
    named = {"bos_token": kind.bos, "eos_token": kind.eos}
    named = {name: token for name, token in named.items() if token}
    made = PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", **named)
    made.chat_template = kind.source
    return made


def text_of(tokenizer: Any, ids: Sequence[int]) -> str:
    """Tokens as text, control tokens included."""
    return str(tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))
