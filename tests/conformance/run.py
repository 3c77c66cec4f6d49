"""Run the official conformance suite against the fixture, the recording proxy before it, and replay: ``make conformance``.

Replay serves what was recorded of the suite's run over HTTP, with the fixture stopped, to two runs in a row.

Exits 1 when a scenario that the fixture passes directly is lost behind the proxy or replay passes fewer than it must, 2 when
something could not be run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from tests.conformance.suite import SCENARIOS, SUITE, SUITE_VERSION, BrokenError, MissingError, Outcome, Suite

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / ".node"
STORE = "firefly.db"
START_SECONDS = 60
HANDSHAKE, STATELESS = SCENARIOS
_FIXTURE = [sys.executable, "-m", "tests.conformance.server"]
BY_CHOICE = frozenset({"server-stateless", "dns-rebinding-protection"})
"""Lost on purpose where clients name no session and the server is a process: see ``docs/conformance.md``."""


@dataclass(frozen=True)
class Way:
    """A way from the suite to the fixture.

    Attributes:
        name: what the table calls it.
        serve: makes it answer; yields its URL, given a folder to work in.
        versions: the protocol versions to run.
        may_lose: scenarios by protocol version, which may fail.
        may_lose_any: how many scenarios may fail by protocol version, whichever they are.
        replays: the way whose recording this one serves; it must come first.
        times: how often the suite is run.
    """

    name: str
    serve: Callable[[Path], AbstractContextManager[str]]
    versions: tuple[str, ...] = tuple(SCENARIOS)
    may_lose: dict[str, frozenset[str]] = field(default_factory=dict)
    may_lose_any: dict[str, int] = field(default_factory=dict)
    replays: str | None = None
    times: int = 1

    def runs(self) -> list[str]:
        """What the table calls each run."""
        return [self.name if number == 1 else f"{self.name}, run {number}" for number in range(1, self.times + 1)]

    def lost(self, version: str, outcome: Outcome, direct: Outcome, name: str = "") -> str:
        """What a run lost against the direct way, or an empty string."""
        lost = outcome.failed - direct.failed - self.may_lose.get(version, frozenset())
        if len(lost) <= self.may_lose_any.get(version, 0):
            return ""
        return f"{name or self.name}, {version}: {len(lost)} lost: {', '.join(sorted(lost))}"


@contextlib.contextmanager
def process(argv: list[str], log: Path) -> Iterator[subprocess.Popen[str]]:
    """A process for as long as the block lasts; its standard error goes to a file and can be read on."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    with log.open("w") as errors:
        running = subprocess.Popen(argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stderr=errors, text=True)
        try:
            yield running
        finally:
            running.send_signal(signal.SIGTERM)
            try:
                running.wait(timeout=20)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


def wait_for(what: Callable[[], str | None], running: subprocess.Popen[str], log: Path) -> str:
    """Ask until there is an answer.

    Raises:
        BrokenError: the process ended, or took too long.
    """
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and running.poll() is None:
        if (answer := what()) is not None:
            return answer
        time.sleep(0.05)
    raise BrokenError(f"it did not start: {running.args!r}: {log.read_text()[-500:]}")


@contextlib.contextmanager
def fixture(folder: Path) -> Iterator[str]:
    """The fixture over HTTP."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def answers() -> str | None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return f"http://127.0.0.1:{port}/mcp"
        return None

    log = folder / "fixture.log"
    with process([*_FIXTURE, "--http", str(port)], log) as running:
        yield wait_for(answers, running, log)


@contextlib.contextmanager
def firefly(folder: Path, command: str, *more: str) -> Iterator[str]:
    """A ``firefly`` command that serves HTTP, with its recording in the folder."""
    log = folder / "firefly.log"
    told = "listening on "

    def url() -> str | None:
        return next((line.partition(told)[2].strip() for line in log.read_text().splitlines() if told in line), None)

    argv = [sys.executable, "-m", "firefly_mcp", command, "--store", str(folder / STORE), "--http", "0", *more]
    with process(argv, log) as running:
        yield wait_for(url, running, log)


@contextlib.contextmanager
def recorded(folder: Path, *server: str) -> Iterator[str]:
    """The recording proxy before a server; afterwards there must be calls in the recording."""
    with firefly(folder, "record", *server) as url:
        yield url
    with Recording(folder / STORE) as recording:
        if not any(queries.calls(recording)):
            raise BrokenError(f"nothing was recorded of {' '.join(server)}")


def replayed(folder: Path) -> AbstractContextManager[str]:
    """Replay of the recording in the folder. The suite's sessions have no common beginning: any state may answer."""
    return firefly(folder, "replay", "--state", "lenient")


@contextlib.contextmanager
def before_http(folder: Path) -> Iterator[str]:
    """The recording proxy before the fixture over HTTP."""
    with fixture(folder) as upstream:
        config = folder / "servers.json"
        config.write_text(json.dumps({"mcpServers": {"fixture": {"type": "http", "url": upstream}}}))
        with recorded(folder, "--config", str(config)) as url:
            yield url


def before_stdio(folder: Path) -> AbstractContextManager[str]:
    """The recording proxy before the fixture as a child process."""
    return recorded(folder, "--", *_FIXTURE)


@contextlib.contextmanager
def before_stdio_named(folder: Path) -> Iterator[str]:
    """The same, for clients that name their session in the URL."""
    with before_stdio(folder) as url:
        yield f"{url}?session=conformance"


RECORDED = "`firefly record`, HTTP upstream"
DIRECT = Way("the fixture directly", fixture)
WAYS = (
    DIRECT,
    Way(RECORDED, before_http),
    Way(
        "`firefly record`, stdio upstream",
        before_stdio,
        may_lose={STATELESS: BY_CHOICE},
        may_lose_any={HANDSHAKE: 1},
    ),
    Way("`firefly record`, stdio upstream, session named in the URL", before_stdio_named, versions=(STATELESS,)),
    Way("`firefly replay`", replayed, may_lose_any={HANDSHAKE: 2, STATELESS: 2}, replays=RECORDED, times=2),
)


def measure(suite: Suite, folder: Path) -> dict[tuple[str, str], Outcome]:
    """Run the suite along every way; outcomes by the way's name and the protocol version."""
    outcomes = {}
    places: dict[tuple[str, str], Path] = {}
    for number, way in enumerate(WAYS):
        for version in way.versions:
            place = folder / f"{number}-{version}"
            place.mkdir()
            if way.replays is not None:
                shutil.copy(places[way.replays, version] / STORE, place)
            places[way.name, version] = place
            with way.serve(place) as url:
                for name in way.runs():
                    outcome = outcomes[name, version] = suite.run(url, version, place / f"suite-{way.runs().index(name)}.log")
                    print(f"conformance: {name}, {version}: {outcome}", flush=True)
    return outcomes


def table(outcomes: dict[tuple[str, str], Outcome]) -> str:
    """The outcomes as a Markdown table."""
    lines = [f"| way | {' | '.join(SCENARIOS)} |", f"| --- |{' --- |' * len(SCENARIOS)}"]
    for way in WAYS:
        for name in way.runs():
            cells = [str(outcomes.get((name, version), "not run")) for version in SCENARIOS]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def losses(outcomes: dict[tuple[str, str], Outcome]) -> list[str]:
    """What failed directly, and what was lost along the other ways; a line each."""
    direct = {version: outcomes[DIRECT.name, version] for version in SCENARIOS}
    told = [f"{DIRECT.name}, {version}: failed: {', '.join(sorted(o.failed))}" for version, o in direct.items() if o.failed]
    for way in WAYS:
        for version in way.versions:
            told += [way.lost(version, outcomes[name, version], direct[version], name) for name in way.runs()]
    return [line for line in told if line]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--optional", action="store_true", help="exit 0 when Node or the npm registry is missing")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep logs, results and recordings in this new folder")
    options = parser.parse_args()
    try:
        suite = Suite.ready(FOLDER)
    except MissingError as missing:
        print(f"conformance: {'skipped' if options.optional else 'cannot run'}: {missing}")
        return 0 if options.optional else 2
    with contextlib.ExitStack() as stack:
        if options.keep is not None:
            folder = options.keep.absolute()
            folder.mkdir(parents=True)
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="firefly-conformance-")))
        try:
            outcomes = measure(suite, folder)
        except BrokenError as trouble:
            print(f"conformance: {trouble}")
            return 2
    print(f"\n{SUITE}@{SUITE_VERSION}: scenarios passed of all (checks passed/failed)\n\n{table(outcomes)}\n")
    lost = losses(outcomes)
    print("\n".join(f"conformance: {said}" for said in lost) or "conformance: nothing is lost that is not meant to be")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
