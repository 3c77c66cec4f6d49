"""One test's part of a recording: replayed, or recorded from the real server where that is wanted and it is not there yet.

The recording that is committed with the tests is never served itself: a copy is, and what was recorded anew is put back without
the log of replays. Each test records its own session and is replayed from where that one began.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from firefly_mcp.errors import UsageError
from firefly_mcp.exchange.arrival import bring
from firefly_mcp.exchange.cassette import write_cassette
from firefly_mcp.exchange.selection import Selection
from firefly_mcp.redact import Redactor
from firefly_mcp.replay import ReplayPolicy
from firefly_mcp.replay.forms import RequestForms
from firefly_mcp.replay.missed import Missed, missed
from firefly_mcp.replay.rules_file import replay_rules_for
from firefly_mcp.servers.config import ServerSpec, load_servers, spec_from_command
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Call, MatchKind
from firefly_proxies.in_thread import ServedInThread
from firefly_proxies.live import Live
from firefly_proxies.on_miss import OnMiss
from firefly_proxies.record import RecordFactory
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http

CASSETTE = ".jsonl"
MODES = ("none", "once", "new_episodes", "all")


@dataclass(frozen=True)
class Wanted:
    """What a test asks for.

    Attributes:
        store: the recording or, if its name ends in ``.jsonl``, the cassette.
        test: the test's name; its session bears it.
        mode: ``none``: replay alone. ``once``: record where the test has no session yet. ``new_episodes``: replay, and ask the
            real server what is not recorded. ``all``: record anew.
        match, state, start: as the options of ``firefly replay``.
        servers: narrow to these.
        command: starts the real server.
        config: a servers file, in place of ``command``.
        rules: a ``replay.toml``.
        strict: a miss fails the test.
    """

    store: Path
    test: str
    mode: str = "none"
    match: str = "normalized"
    state: str = "strict"
    start: str | None = None
    servers: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    config: Path | None = None
    rules: Path | None = None
    strict: bool = False

    def specs(self) -> dict[str, ServerSpec]:
        """The real servers.

        Raises:
            UsageError: none is given.
        """
        if self.config is not None:
            return load_servers(self.config, self.servers)
        if not self.command:
            raise UsageError(f"{self.store}: to record it, name the server: command=[...] or config=FILE in the firefly marker")
        spec = spec_from_command(self.command)
        name = self.servers[0] if self.servers else spec.name
        return {name: replace(spec, name=name)}


class Episode:
    """Serves one test. Use as a context manager.

    Attributes:
        url: the endpoint, for any MCP client.
        recording: whether the real server is recorded, not replayed.
    """

    def __init__(self, wanted: Wanted, folder: Path) -> None:
        """Prepare; ``folder`` is an empty folder for the copy."""
        if wanted.mode not in MODES:
            raise UsageError(f"record mode {wanted.mode!r} is not known; modes are {', '.join(MODES)}")
        self.wanted = wanted
        self.url = ""
        self.recording = False
        self._folder = folder
        self._copy = folder / "recording.db"
        self._factory: ReplayFactory | None = None
        self._served = ExitStack()
        self._thread: ServedInThread | None = None
        self._last = 0

    def __enter__(self) -> Episode:
        self._bring()
        self.recording = self._to_record()
        self._thread = self._served.enter_context(ServedInThread(self._record if self.recording else self._replay))
        # A client of the stateless era has a session only if it names one: here each test is one.
        self.url = f"{self._thread.url}?session={quote(self.wanted.test, safe='')}"
        return self

    def __exit__(self, *_: object) -> None:
        self._served.close()
        self._thread = None
        if self.recording or (self.wanted.mode == "new_episodes" and self._grown()):
            self._put_back()

    def misses(self) -> list[Missed]:
        """What could not be answered so far; each request once."""
        if self._thread is not None and self._factory is not None:
            log = self._factory.log
            assert log is not None

            async def flush() -> None:
                log.flush()

            self._thread.ask(flush)
        with Recording(self._copy) as recording:
            return list(missed(recording, after=self._last))

    def calls(self) -> list[Call]:
        """The calls that were recorded or replayed so far, in order."""
        self.misses()
        with Recording(self._copy) as recording:
            return [call for call in queries.calls(recording) if call.id > self._last]

    def _bring(self) -> None:
        store = self.wanted.store
        if store.exists() and self.wanted.mode != "all":
            if store.suffix == CASSETTE:
                bring(store, self._copy)
            else:
                for suffix in ("", "-wal"):
                    beside = store.with_name(store.name + suffix)
                    if beside.exists():
                        shutil.copy(beside, self._copy.with_name(self._copy.name + suffix))
        elif not store.exists() and self.wanted.mode == "none":
            raise UsageError(f"{store}: no such recording; record it once with --firefly-record once")

    def _to_record(self) -> bool:
        if not self._copy.exists() or self.wanted.mode == "all":
            return True
        with Recording(self._copy) as recording:
            (last,) = recording.db.execute("SELECT coalesce(max(id), 0) FROM call").fetchall()
            self._last = int(str(last[0]))
            tests = [session.labels.get("test") for session in queries.sessions(recording, evidence_only=True)]
            answered = recording.db.execute("SELECT 1 FROM call WHERE status = 'done' LIMIT 1").fetchall()
        mine = self.wanted.test in tests
        if self.wanted.mode == "once":
            return any(tests) and not mine
        return self.wanted.mode == "new_episodes" and not answered

    @asynccontextmanager
    async def _record(self) -> AsyncIterator[str]:
        specs = self.wanted.specs()
        secrets = [secret for spec in specs.values() for secret in spec.expanded(os.environ).secrets()]
        with Recording(self._copy, create=True) as recording:
            labels: Mapping[str, Any] = {"test": self.wanted.test}
            factory = RecordFactory(recording, specs, redactor=Redactor(secrets), labels=labels)
            async with running_http(factory) as url:
                yield url

    @asynccontextmanager
    async def _replay(self) -> AsyncIterator[str]:
        wanted = self.wanted
        with Recording(self._copy) as recording:
            policy = ReplayPolicy(MatchKind(wanted.match), wanted.state == "lenient", self._start(recording))
            rules = replay_rules_for(wanted.rules, wanted.store, lambda note: None)
            wraps = [self._live(recording)] if wanted.mode == "new_episodes" else []
            self._factory = ReplayFactory(recording, policy, servers=wanted.servers, rules=rules, wraps=wraps)
            async with running_http(self._factory) as url:
                yield url
            self._factory = None

    def _start(self, recording: Recording) -> str | None:
        """Where the test's own session began, if it has one."""
        mine = [s.key for s in queries.sessions(recording, evidence_only=True) if s.labels.get("test") == self.wanted.test]
        return self.wanted.start or (mine[0] if mine else None)

    def _live(self, recording: Recording) -> OnMiss:
        specs = self.wanted.specs()
        recorded = list(queries.servers(recording))
        if self.wanted.config is None and not self.wanted.servers and len(recorded) == 1:
            ((_, spec),) = specs.items()
            specs = {recorded[0]: replace(spec, name=recorded[0])}
        secrets = [secret for spec in specs.values() for secret in spec.expanded(os.environ).secrets()]
        return OnMiss(Live(recording, specs, redactor=Redactor(secrets, rules=RequestForms(recording).rules)))

    def _grown(self) -> bool:
        with Recording(self._copy) as recording:
            return any(call.id > self._last for call in queries.calls(recording, evidence_only=True, results=False))

    def _put_back(self) -> None:
        """Keep what was recorded, the log of replays left out."""
        store = self.wanted.store
        store.parent.mkdir(parents=True, exist_ok=True)
        cassette = store if store.suffix == CASSETTE else self._folder / f"kept{CASSETTE}"
        with Recording(self._copy) as recording:
            if not any(True for _ in queries.calls(recording, evidence_only=True, results=False, limit=1)):
                return  # the test called nothing
            write_cassette(recording, cassette, Selection(replays=False))
        if cassette is not store:
            kept = self._folder / "kept.db"
            bring(cassette, kept)
            kept.replace(store)


def explained(misses: Sequence[Missed]) -> str:
    """Misses as lines for the report of a test."""
    lines = []
    for one in misses:
        asked = one.call.arguments if one.call.tool is not None else one.call.params
        lines.append(f"{one.count}x {one.call.key} {asked}: {one.cause}: {one.why}")
    return "\n".join(lines)
