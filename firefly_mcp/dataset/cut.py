"""Cut tasks out of a data set together with the part of the recording that they need, so that the part proves them again.

The part is built as a recording of its own and every pure gate is asked there. For what it does not prove yet it gets all that
the task's servers answered. A task that is not proven even then is replaced by another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firefly_mcp.canonical import hash_json
from firefly_mcp.dataset.needs import all_calls, calls_of, effect_calls, neighbours_of, with_sessions
from firefly_mcp.dataset.strata import choose
from firefly_mcp.errors import TaskError
from firefly_mcp.exchange.cassette import read_cassette, write_cassette
from firefly_mcp.exchange.selection import Selection
from firefly_mcp.replay import Replay
from firefly_mcp.servers.names import ExposedNames
from firefly_mcp.store.pages import remove
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.gates import Grounds, PlanBrokenError, observe
from firefly_mcp.tasks.model import Source, Task
from firefly_mcp.tasks.proof import judge, strict_replay, without_repeats
from firefly_mcp.tasks.setting import names_of

ROUNDS = 6
NEIGHBOURS = 6
"""Neighbouring calls for each call of a plan."""


@dataclass
class Cut:
    """A part of a data set.

    Attributes:
        store: the recording that holds the part.
        tasks: what it proves, each naming that recording.
        replaced: tasks that were left out, with the gate that the part could not pass.
    """

    store: Path
    tasks: list[Task]
    replaced: dict[str, str] = field(default_factory=dict)


def _quiet(line: str) -> None:
    pass


class Cutter:
    """Cuts parts out of one recording."""

    def __init__(self, recording: Recording, *, neighbours: int = NEIGHBOURS) -> None:
        """Open the recording for look-ups."""
        self.recording = recording
        self.replay: Replay = strict_replay(recording)
        self._grounds = Grounds(self.replay)
        self.names: ExposedNames = names_of(self.replay.index.tools)
        self.neighbours = neighbours
        self._of: dict[str, tuple[set[int], set[int]]] = {}
        self._offers = {self.names.exposed(key): key.server for key in self.replay.index.tools}

    def cut(
        self,
        tasks: Sequence[Task],
        store: Path,
        *,
        count: int | None = None,
        seed: int = 0,
        tell: Callable[[str], None] = _quiet,
    ) -> Cut:
        """Write the part that some or all of the tasks need.

        Args:
            tasks: the data set.
            store: where the part goes; it must not exist.
            count: how many tasks to choose; all when None.
            seed: which ones are chosen.
            tell: told in a line what is being done.

        Raises:
            TaskError: no task can be cut out.
        """
        replaced: dict[str, str] = {}
        whole: set[str] = set()
        for number in range(1, ROUNDS + 1):
            left = [task for task in tasks if task.id not in replaced]
            chosen = left if count is None else choose(left, count, seed=seed)
            unique = without_repeats(chosen)
            replaced.update((task.id, task.verdicts[-1].gate) for task in unique.rejected)
            chosen = unique.admitted
            calls = self._calls(chosen, whole)
            tell(f"round {number}: {len(chosen)} tasks, {len(calls)} calls")
            failed = self._prove(chosen, calls, store)
            if not failed and not unique.rejected:
                return Cut(store, self._renamed(chosen, store), replaced)
            for task in chosen:
                if task.id not in failed:
                    continue
                servers = self._stateful(task)
                if servers <= whole:
                    replaced[task.id] = failed[task.id]
                whole |= servers
        raise TaskError(f"{self.recording.path}: no part of it proves its tasks again; the last to fail was {failed}")

    def _calls(self, tasks: Sequence[Task], whole: set[str]) -> set[int]:
        proof: set[int] = set()
        around: set[int] = set()
        for task in tasks:
            if task.id not in self._of:
                try:
                    seen = observe(task, self.replay, self._grounds)
                except PlanBrokenError as error:
                    raise TaskError(f"{self.recording.path}: task {task.id} does not belong to it: {error}") from error
                self._of[task.id] = calls_of(seen), neighbours_of(seen, self.neighbours)
            own, near = self._of[task.id]
            proof |= own
            around |= near
        servers = {server for task in tasks for server in task.servers}
        shown = with_sessions(self.recording, effect_calls(self.replay.index.relation, servers))
        return proof | around | shown | all_calls(self.recording, whole)

    def _stateful(self, task: Task) -> set[str]:
        """The servers of a task on which what was called before may matter; all of its servers where there is none."""
        relation = self.replay.index.relation
        own = {node.server for node in task.plan}
        return {server for server in own if not relation.stateless(server)} or own

    def _prove(self, tasks: Sequence[Task], calls: set[int], store: Path) -> dict[str, str]:
        """Write the part anew, and ask the gates there; gives the failed gate by task id."""
        remove(store)
        beside = frozenset(self._offers[name] for task in tasks for name in task.tools if name in self._offers)
        chosen = Selection(calls=frozenset(calls), replays=False, beside=beside, effects=False)
        cassette = store.with_name(f".{store.name}.cassette")
        try:
            write_cassette(self.recording, cassette, chosen)
            with Recording(store, create=True) as part:
                read_cassette(cassette, part)
                identity = hash_json([self.recording.id, sorted(calls)]).partition(":")[2]
                part.db.execute("UPDATE info SET value = ? WHERE key = 'recording_id'", (identity,))
                self._join(tasks, part)
                return _failures(tasks, strict_replay(part))
        finally:
            cassette.unlink(missing_ok=True)

    def _join(self, tasks: Sequence[Task], part: Recording) -> None:
        """Take along the edges of the tool graph that the bindings of the tasks go by."""
        joined = {
            (*task.node(binding.source).key, *node.key, binding.argument.split("/")[1])
            for task in tasks
            for node in task.plan
            for binding in node.bindings
        }
        place = "(source_server, source_tool, target_server, target_tool, argument) = (?, ?, ?, ?, ?)"
        for edge in sorted(joined):
            rows = self.recording.db.execute(f"SELECT * FROM edge WHERE {place}", edge).fetchall()
            part.db.executemany("INSERT INTO edge VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def _renamed(self, tasks: Sequence[Task], store: Path) -> list[Task]:
        with Recording(store) as part:
            return [task.model_copy(update={"recording": Source(id=part.id, digest=task.recording.digest)}) for task in tasks]


def _failures(tasks: Sequence[Task], replay: Replay) -> dict[str, str]:
    failed = {}
    grounds = Grounds(replay)
    for task in tasks:
        try:
            last = judge(task, replay, grounds).verdicts[-1]
        except TaskError:
            failed[task.id] = "execution"
            continue
        if not last.passed:
            failed[task.id] = last.gate
    return failed
