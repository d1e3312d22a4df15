"""Saved rollouts of verifiers 0.3 and later: ``python verifiers_traces.py FOLDER``.

Needs verifiers and no model: the rollouts are made up, and written by its own writer.
"""

import sys
from pathlib import Path

from verifiers.v1.configs.agent import AgentConfig
from verifiers.v1.episode import EnvInfo, Episode
from verifiers.v1.graph import MessageNode
from verifiers.v1.task import TaskData
from verifiers.v1.trace import AgentInfo, Error, Reward, Trace, TraceTask
from verifiers.v1.types import AssistantMessage, UserMessage
from verifiers.v1.utils.trace_store import write_episode


def rollout(task: TraceTask, number: int, reply: str | None) -> Trace:
    nodes = [MessageNode(message=UserMessage(content=task.data.prompt))]
    if reply is not None:
        nodes.append(MessageNode(message=AssistantMessage(content=reply), parent=0, sampled=True))
    return Trace(
        id=f"{number:032x}",
        task=task,
        agent=AgentInfo(config=AgentConfig(model="made/model")),
        nodes=nodes,
        rewards={
            "correct": None if reply is None else Reward(score=float(reply == "4"), weight=2.0),
            "brief": None if reply is None else Reward(score=1 / len(reply)),
        },
        metrics={"words": None if reply is None else float(len(reply.split()))},
        is_completed=reply is not None,
        ok=reply is not None,
        errors=[] if reply is not None else [Error(type="ProviderError", message="no reply")],
    )


def main(folder: Path) -> None:
    data = TaskData(idx=0, prompt="What is 2 + 2?")
    task = TraceTask(type="Sum", data=data, key="sum-0")
    replies = ["4", "It is five, I think.", None]
    for number, reply in enumerate(replies):
        trace = rollout(task, number, reply)
        write_episode(
            folder,
            Episode(env=EnvInfo(id="sums"), task=task, traces=[trace], ok=trace.ok),
        )


main(Path(sys.argv[1]))
