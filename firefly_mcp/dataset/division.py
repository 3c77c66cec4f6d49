"""Give proven tasks their splits; what would contaminate a split is rejected, as by a gate."""

from __future__ import annotations

from firefly_mcp.dataset.families import Families
from firefly_mcp.dataset.splits import Splits, split
from firefly_mcp.dataset.traits import traits_of
from firefly_mcp.replay import Replay
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Verdict
from firefly_mcp.tasks.proof import Ledger, strict_replay

GATE = "split"


def families_of(recording: Recording) -> Families:
    """The families of the servers in a recording."""
    return Families(queries.servers(recording), queries.tools(recording))


def divide(ledger: Ledger, recording: Recording, *, replay: Replay | None = None, seed: int = 0) -> Splits:
    """Set the split of every admitted task, in place; a task that is in the way of a clean split is moved to the rejected ones.

    Args:
        ledger: what became of the candidates.
        recording: what proves them.
        replay: the proving replay of that recording; opened when None.
        seed: another one holds out other families and sub-DAGs.

    Raises:
        TaskError: a task does not belong to the recording.
    """
    found = split(traits_of(ledger.admitted, replay or strict_replay(recording), families_of(recording)), seed=seed)
    for task in ledger.admitted:
        if task.id not in found.of:
            verdict = Verdict(gate=GATE, passed=False, reason=found.dropped[task.id])
            ledger.rejected.append(task.model_copy(update={"verdicts": [*task.verdicts, verdict]}))
    ledger.admitted = found.applied(ledger.admitted)
    return found
