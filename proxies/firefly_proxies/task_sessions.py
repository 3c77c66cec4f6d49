"""The sessions of a task server over HTTP, by their connection or by the name under which the index has opened them."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

from firefly_mcp.errors import UsageError
from firefly_mcp.tasks.model import Task
from firefly_proxies.task_desk import MOST_OPEN, TaskDesk
from firefly_proxies.task_session import TaskSession

_KEPT_SECONDS = 1800.0
"""How long a session that has ended still says so to its client."""


@dataclass
class _Name:
    """A session that the index has opened for a task; its attempts come one after the other."""

    task: str
    session: TaskSession | None = None
    touched: float = field(default_factory=time.monotonic)


class TaskSessions:
    """The sessions of a task server, by their connection or by their name."""

    def __init__(self, desk: TaskDesk) -> None:
        """Open sessions at ``desk``."""
        self.desk = desk
        self._connections: dict[str, tuple[str | None, TaskSession]] = {}
        self._names: dict[str, _Name] = {}

    def name(self, task: Task) -> str:
        """A new name under which a task can be attempted.

        Raises:
            UsageError: there are too many names.
        """
        self._sweep()
        if len(self._names) >= MOST_OPEN:
            raise UsageError(f"too many open sessions ({MOST_OPEN}); end some")
        name = uuid.uuid4().hex
        self._names[name] = _Name(task.id)
        return name

    def knows(self, name: str, task_id: str) -> bool:
        """Whether the index has opened a session of that name for that task."""
        return name in self._names and self._names[name].task == task_id

    async def connect(self, task_id: str, name: str | None) -> TaskSession:
        """Begin an attempt for a client that connects; what was under the name before is reset."""
        self._sweep()
        if name is not None and (before := self._names[name].session) is not None:
            await before.close("reset")
        session = await self.desk.open(task_id)
        if name is not None:
            self._names[name].session = session
        return session

    async def named(self, name: str) -> TaskSession:
        """The attempt that goes on under a name, begun if there is none."""
        known = self._names[name]
        known.touched = time.monotonic()
        if known.session is None:
            known.session = await self.desk.open(known.task)
        return known.session

    def bind(self, connection: str, name: str | None, session: TaskSession) -> None:
        """Note that an ``Mcp-Session-Id`` stands for a session."""
        self._connections[connection] = (name, session)

    def bound(self, connection: str, name: str | None, task_id: str) -> TaskSession | None:
        """The session of an ``Mcp-Session-Id``, if it was begun at this address."""
        found = self._connections.get(connection)
        return found[1] if found is not None and found[0] == name and found[1].task.id == task_id else None

    async def leave(self, connection: str) -> None:
        """A client has said that it is gone."""
        found = self._connections.pop(connection, None)
        if found is not None:
            await found[1].close()

    async def reset(self, key: str | None = None) -> int:
        """End the session of a key or name, or all; gives how many went on. The next request under a name begins anew."""
        chosen = [
            session
            for session in list(self.desk.sessions.values())
            if key is None or session.key == key or ((named := self._names.get(key)) is not None and named.session is session)
        ]
        for session in chosen:
            await session.close("reset")
        for name, known in self._names.items():
            if key in (None, name) or (known.session is not None and known.session.key == key):
                known.session = None
        return len(chosen)

    def _sweep(self) -> None:
        """Forget what ended long ago."""
        before = time.time() - _KEPT_SECONDS
        for connection, (_, session) in list(self._connections.items()):
            if session.ended_at is not None and session.ended_at < before:
                del self._connections[connection]
        untouched = time.monotonic() - _KEPT_SECONDS - self.desk.limits.seconds
        for name, known in list(self._names.items()):
            idle = known.session is None or known.session.ended is not None
            if idle and known.touched < untouched:
                del self._names[name]
