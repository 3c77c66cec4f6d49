"""One rollout: what a subject did with a task, what it answered, and how that was graded. A line of ``rollouts.jsonl``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

from firefly_mcp.bench.attribution import failure_of
from firefly_mcp.bench.outcome import outcome_of, outcome_reward
from firefly_mcp.jsonio import JSON, JsonObject, dumps, loads
from firefly_mcp.reward import reward
from firefly_mcp.tasks.model import Task
from firefly_mcp.types import MatchKind


@dataclass(frozen=True)
class RolloutCall:
    """One tool call of a rollout.

    Attributes:
        name: the tool's exposed name.
        arguments: as the subject gave them.
        match: how replay found the answer; empty for a call that was refused because the budget was spent.
        source: the recorded call that answered, by its id.
        cause: why it was missed, else empty.
        is_error: whether the answer was an error, a miss included.
        node: the plan's node whose tool and arguments the call has, failed or not; else empty.
        invented: pointers to arguments of a missed call that neither the request, an earlier result nor the schema gave.
        shown: the beginning of what the subject was told.
    """

    name: str
    arguments: JSON
    match: str = ""
    source: int | None = None
    cause: str = ""
    is_error: bool = False
    node: str = ""
    invented: list[str] = field(default_factory=list)
    shown: str = ""


@dataclass(frozen=True)
class Rollout:
    """One attempt at one task.

    Attributes:
        task: the task's id.
        attempt: from 0.
        session: the replay session's name in the recording.
        answer: what was answered, or None.
        submitted: whether by ``submit_answer``, rather than in the final message.
        boundary: where it was cut short: ``model``, ``budget``, ``format``, ``proxy``; empty where it came to its end.
        error: what was said of it then.
        calls: its tool calls in order of arrival.
        messages: the conversation, as the model interface had it; empty for subjects that are no model.
        usage: ``requests``, ``input`` and ``output`` tokens, as far as the model tells.
        state: the hash of the world in the end, for tasks that are graded by it.
        seconds: how long it took.
        reward: 1.0 or 0.0.
        failure: why it failed (:data:`firefly_mcp.bench.attribution.FAILURES`), empty if it passed.
    """

    task: str
    attempt: int
    session: str = ""
    answer: JSON = None
    submitted: bool = False
    boundary: str = ""
    error: str = ""
    calls: list[RolloutCall] = field(default_factory=list)
    messages: list[JsonObject] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    state: str = ""
    seconds: float = 0.0
    reward: float = 0.0
    failure: str = ""

    @property
    def by_match(self) -> Counter[str]:
        """How its calls were answered."""
        return Counter(call.match for call in self.calls if call.match)

    @property
    def misses(self) -> Counter[str]:
        """Its misses by cause."""
        return Counter(call.cause or "unknown" for call in self.calls if call.match == MatchKind.MISS)

    @property
    def tokens(self) -> int:
        """Tokens in and out."""
        return self.usage.get("input", 0) + self.usage.get("output", 0)

    def cost(self, price: tuple[float, float] | None) -> float:
        """US dollars, at a price for a million tokens in and out."""
        if price is None:
            return 0.0
        return (self.usage.get("input", 0) * price[0] + self.usage.get("output", 0) * price[1]) / 1e6

    def graded(self, task: Task) -> Rollout:
        """The same with its reward and the reason of its failure, by the task as it is given."""
        outcome = outcome_of(task)
        if outcome is not None:
            score = outcome_reward(outcome, self.state, self.answer)
        else:
            score = reward(self.answer, task.answer, task.answer_schema)
        return replace(self, reward=score, failure="" if score == 1.0 else failure_of(task, self))

    def line(self) -> bytes:
        """The rollout as one line of JSON."""
        return dumps(msgspec.to_builtins(self)) + b"\n"

    @classmethod
    def of_line(cls, line: bytes) -> Rollout:
        """Read a line.

        Raises:
            ValueError: not JSON, or not a rollout.
        """
        return msgspec.convert(loads(line), cls)


def by_task(tasks: Mapping[str, Task], rollouts: list[Rollout]) -> dict[str, list[Rollout]]:
    """The rollouts of each task in order of their attempts, tasks in their own order; those of other tasks are left out."""
    found: dict[str, list[Rollout]] = {task: [] for task in tasks}
    for rollout in sorted(rollouts, key=lambda one: one.attempt):
        if rollout.task in found:
            found[rollout.task].append(rollout)
    return {task: held for task, held in found.items() if held}
