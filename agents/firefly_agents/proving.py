"""Proof: every gate of every task, the pure ones first, then execution by a real client, a model's word where one is asked, and
the gates over the whole set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firefly_mcp.replay import Replay
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.gates import Grounds
from firefly_mcp.tasks.model import Task
from firefly_mcp.tasks.proof import Ledger, judge, strict_replay, without_repeats
from firefly_proxies.verify import execution_gate

if TYPE_CHECKING:
    from firefly_agents.model_gates import ModelGates


@dataclass
class Synthesis:
    """What came of it, and how the executed calls were matched."""

    ledger: Ledger
    replay: Counter[str] = field(default_factory=Counter)


async def prove(
    tasks: Sequence[Task],
    recording: Recording,
    *,
    replay: Replay | None = None,
    asked: ModelGates | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Synthesis:
    """Ask every gate of every task.

    Args:
        tasks: the candidates.
        recording: what they were made from.
        replay: the proving replay of the same recording; opened when None.
        asked: the gates that ask a model; none when None.
        progress: called after each executed task.

    Raises:
        TaskError: a task was made from another recording.
        ModelError: a model is asked and does not answer.
    """
    replay = replay or strict_replay(recording)
    grounds = Grounds(replay)
    judged = [judge(task, replay, grounds) for task in tasks]
    rejected, going = _parted(judged)
    kinds: Counter[str] = Counter()
    if going:
        executed, kinds = await execution_gate(going, recording, index=replay.index, progress=progress)
        fallen, going = _parted(executed)
        rejected += fallen
    if asked is not None and going:
        fallen, going = _parted(await asked.ask(going, recording))
        rejected += fallen
    ledger = without_repeats(going)
    ledger.rejected = [*rejected, *ledger.rejected]
    return Synthesis(ledger, kinds)


def _parted(tasks: Sequence[Task]) -> tuple[list[Task], list[Task]]:
    """Those that a gate rejected, and those that go on."""
    rejected = [task for task in tasks if not task.verdicts[-1].passed]
    return rejected, [task for task in tasks if task.verdicts[-1].passed]
