"""How much of its prompts a llama.cpp endpoint actually evaluates.

With the conversation first and the rule last, the rules of a response share a prefix. Evaluated
prompt tokens are compared with the minimum, every conversation once and every rule's own words
once (at most 1.1 x), at one, two and four slots, and with asking one rule for all responses before
the next (at most 0.35 x on twelve rules). Last, all rules in one call. The texts are salted, since
the server caches from run to run. SmolLM2-135M, so that only tokens matter.

Run as ``python benchmarks/raters/prefix.py``; some minutes on two cores.
"""

from __future__ import annotations

import json
import secrets
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from encore.raters import Item, Judge, JudgeOptions, Rated, Store, Texts, rate
from encore.raters.judge.local import smollm2_path, start_server
from encore.raters.judge.prompt import Fence, conversation_prompt, parts_of, rule_prompt
from encore.rules import Rulebook

RULES = Rulebook.load("safety-12")
N_RESPONSES = 8
SENTENCE = "You could ask your neighbours kindly, or look for it in the garden behind the house. "


def texts(folder: Path) -> Path:
    """Responses of about 250 tokens that no earlier run has seen."""
    path = folder / f"{secrets.token_hex(4)}.jsonl"
    with path.open("w") as file:
        for number in range(N_RESPONSES):
            salt = secrets.token_hex(8)
            row = {"prompt": f"{salt} Where is cat {number}?", "response": SENTENCE * 12 + salt}
            file.write(json.dumps(row) + "\n")
    return path


def n_tokens(address: str, text: str) -> int:
    data = json.dumps({"content": text}).encode()
    with urllib.request.urlopen(f"{address}/tokenize", data) as response:
        return len(json.load(response)["tokens"])


def least(address: str, data: Path) -> int:
    """Every conversation once, and for each, every rule's words once."""
    items: list[Item] = list(Texts(data).items())
    told = sum(n_tokens(address, conversation_prompt(parts_of(i), Fence.of(i))) for i in items)
    return told + len(items) * sum(n_tokens(address, rule_prompt(rule)) for rule in RULES)


def asked(address: str, data: Path, folder: Path, **options: Any) -> tuple[int, float, Rated]:
    """Evaluated prompt tokens, seconds, and the ratings."""
    began, path = time.perf_counter(), folder / f"{secrets.token_hex(4)}.sqlite"
    judge = Judge("m", f"{address}/v1", options=JudgeOptions(**options))
    rated = rate(data, RULES, judge, store=path)
    with Store(path) as store:
        rows = list(store.rows())
    evaluated = sum(row["prompt_tokens"] - row["cached_tokens"] for row in rows)
    return evaluated, time.perf_counter() - began, rated


def rule_first(address: str, data: Path, folder: Path) -> int:
    """One rule for all responses, then the next, as a loop over rules does."""
    total = 0
    for rule in RULES:
        judge = Judge("m", f"{address}/v1", options=JudgeOptions(prefill=True))
        path = folder / f"{secrets.token_hex(4)}.sqlite"
        rate(data, Rulebook((rule,)), judge, store=path)
        with Store(path) as store:
            total += sum(row["prompt_tokens"] - row["cached_tokens"] for row in store.rows())
    return total


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n_slots in (1, 2, 4):
            server = start_server(smollm2_path(), n_slots=n_slots, context=2048)
            address, data = server.listening_address, texts(folder)
            floor = least(address, data)
            evaluated, seconds, _ = asked(address, data, folder, prefill=True)
            ratio = evaluated / floor
            print(f"{n_slots} slots: {evaluated} evaluated, {ratio:.3f} x least (target 1.1)")
            if n_slots == 1:
                one, one_seconds = evaluated, seconds
                other = rule_first(address, texts(folder), folder)
                print(
                    f"rule first: {other} evaluated; ours {one / other:.3f} x of it (target 0.35)"
                )
                batch, batch_seconds, rated = asked(
                    address, texts(folder), folder, batch_rules=True, reading="text"
                )
                share = sum(r.n_rated for r in rated.coverage) / (N_RESPONSES * len(RULES))
                print(
                    f"one call for all rules: {batch} evaluated, {batch / one:.2f} x of one a call;"
                )
                print(f"  {batch_seconds:.0f} s beside {one_seconds:.0f} s; {share:.0%} rated")
            del server


if __name__ == "__main__":
    main()
