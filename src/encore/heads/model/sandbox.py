"""A chat template as Transformers renders it, but on one date; run as a program, within limits.

A template is a stranger's program: it may never end or take all memory. So it is tried out in a
process of its own first (see :mod:`encore.heads.model.chat_template`), which imports nothing but
this file.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2

# The date that Llama 3's templates write where nobody tells them another.
DATE = datetime(2024, 7, 26)
MAX_CHARACTERS = 1_000_000  # of one probe
_SECONDS, _BYTES = 5, 1 << 29


def compiled(template: str) -> jinja2.Template:
    """A template in the environment that Transformers documents for chat templates."""
    import jinja2
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """``{% generation %}`` marks what a model is trained on; here it only prints."""

        tags = {"generation"}  # noqa: RUF012 (it is Jinja's)

        def parse(self, parser: Any) -> jinja2.nodes.Scope:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return jinja2.nodes.Scope(body, lineno=line)

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = DATE.strftime
    # Random text would rate one response twice in two ways.
    del environment.filters["random"], environment.globals["lipsum"]
    return environment.from_string(template)


def literals(template: jinja2.Template, source: str) -> list[str]:
    """The texts that a template may write, whatever the conversation."""
    from jinja2 import nodes

    tree = template.environment.parse(source)
    constants = [node.value for node in tree.find_all(nodes.Const)]
    texts = [node.data for node in tree.find_all(nodes.TemplateData)]
    return [*texts, *(value for value in constants if isinstance(value, str))]


def rendered(
    template: jinja2.Template,
    conversation: Sequence[Sequence[str]],
    in_parts: Sequence[bool],
    variables: Mapping[str, Any],
) -> str:
    """A conversation as text, without a generation prompt.

    Parameters
    ----------
    template : jinja2.Template
        From :func:`compiled`.
    conversation : sequence of (role, content)
        Its messages.
    in_parts : (bool, bool)
        Whether the content of the assistant's messages, and that of the others, is a list of parts.
    variables : mapping
        The tokenizer's special tokens by name.
    """
    messages = [
        {
            "role": role,
            "content": [{"type": "text", "text": text}] if in_parts[role != "assistant"] else text,
        }
        for role, text in conversation
    ]
    return template.render(
        messages=messages, tools=None, documents=None, add_generation_prompt=False, **variables
    )


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON without the escapes for HTML that Jinja's own filter makes."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _try_out(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a template makes of each probe: a text, or why there is none."""
    try:
        template = compiled(asked["template"])
        written = literals(template, asked["template"])
    except Exception as error:  # a template is a program and may raise anything
        return {"error": _told(error)}
    outcomes: list[dict[str, str]] = []
    for conversation, in_parts in asked["probes"]:
        try:
            text = rendered(template, conversation, in_parts, asked["variables"])
        except Exception as error:  # as above
            outcomes.append({"error": _told(error)})
        else:
            outcomes.append({"text": text[: MAX_CHARACTERS + 1]})
    return {"literals": written, "outcomes": outcomes}


def _told(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:1000]


def main() -> None:
    """Try out the template on standard input, as JSON, within limits of time and memory."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # not every system has them
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    json.dump(_try_out(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
