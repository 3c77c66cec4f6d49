"""Kill recording proxies in the middle of their work, over and over, and look for answers that the recording does not have.

    python -m benchmarks.crash               # 200 kills
    python -m benchmarks.crash --kills 20    # what `make bench` runs

Two proxies write one file. Sixteen clients, half on each, call without a pause; at a random moment one of the proxies, chosen
at random, gets SIGKILL and is started again. The clients keep what they were answered, and compare.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import apsw
import uvloop

from benchmarks.processes import Measured, echo_server, recorder
from benchmarks.wire import LostError, Session
from firefly_mcp.jsonio import loads
from firefly_mcp.store.recording import Recording

CLIENTS = 16
_FILE_KILLS = 20
"""Kills on one file; then a fresh one, so that checking it stays quick."""


class Client:
    """Calls one proxy until told to stop, over restarts of it, and remembers every answer."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self.number = number
        self.sent: set[str] = set()
        self.answers: dict[str, str] = {}
        self._chance = chance

    async def run(self, urls: list[str], stopped: asyncio.Event) -> None:
        """Call whatever serves at ``urls[0]`` now."""
        while not stopped.is_set():
            session = Session(urls[0])
            try:
                await session.open()
                while not stopped.is_set():
                    message = f"client {self.number} call {len(self.sent)}"
                    self.sent.add(message)
                    delay = self._chance.choice((0, 0, 1, 5))
                    result = await session.call("echo", {"message": message, "delay_ms": delay})
                    self.answers[message] = result["content"][0]["text"]
                await session.end()
            except LostError:
                session.drop()
                await asyncio.sleep(0.01)


class Tally(Counter[str]):
    """What was counted, and the faults by name."""

    faults = ("answered and missing", "answered and not done", "answered otherwise", "bad files", "bad states")

    @property
    def clean(self) -> bool:
        """Whether nothing was lost."""
        return not any(self[name] for name in self.faults)


async def one_file(folder: Path, upstream: Measured, kills: int, chance: random.Random, tally: Tally) -> None:
    """So many kills on one file, and the check of all that it should hold."""
    store = folder / "crash.db"
    proxies = [await asyncio.to_thread(_start, store, folder, upstream, number) for number in (0, 1)]
    urls = [[proxy.url] for proxy in proxies]
    clients = [Client(number, random.Random(chance.random())) for number in range(CLIENTS)]
    stopped = asyncio.Event()
    running = [asyncio.create_task(client.run(urls[client.number % 2], stopped)) for client in clients]
    try:
        for _ in range(kills):
            await asyncio.sleep(chance.uniform(0.02, 0.6))
            victim = chance.randrange(2)
            await asyncio.to_thread(proxies[victim].kill)
            tally["kills"] += 1
            if _integrity(store) != "ok":
                tally["bad files"] += 1
            proxies[victim] = await asyncio.to_thread(_start, store, folder, upstream, victim)
            urls[victim][0] = proxies[victim].url
        stopped.set()
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        for proxy in proxies:
            proxy.stop()
    check(store, clients, tally)


def check(store: Path, clients: list[Client], tally: Tally) -> None:
    """Compare what the clients were answered with what the file holds."""
    with Recording(store) as recording:
        if recording.db.pragma("integrity_check") != "ok":
            tally["bad files"] += 1
        rows = recording.db.execute("SELECT params, status, result_hash FROM call WHERE method = 'tools/call'").fetchall()
        kept = {loads(str(params))["arguments"]["message"]: (status, digest) for params, status, digest in rows}
        sent = set().union(*(client.sent for client in clients))
        answers = {message: text for client in clients for message, text in client.answers.items()}
        for message, text in answers.items():
            status, digest = kept.get(message, (None, None))
            if status is None:
                tally["answered and missing"] += 1
            elif status != "done" or digest is None:
                tally["answered and not done"] += 1
            elif recording.load_result(str(digest))["content"][0]["text"] != text:
                tally["answered otherwise"] += 1
    tally["answered"] += len(answers)
    tally["sent"] += len(sent)
    for message in sent - set(answers):
        status = kept[message][0] if message in kept else "never arrived"
        tally[f"unanswered, {status}"] += 1
        # What was committed in the moment of the kill is done although its client never heard; all else is interrupted.
        tally["bad states"] += status not in ("interrupted", "done", "never arrived")
    tally["bad states"] += len(rows) - len(kept)


def _start(store: Path, folder: Path, upstream: Measured, number: int) -> Measured:
    return recorder(store, folder / f"{number}.log", upstream=upstream.url)


def _integrity(store: Path) -> str:
    """What SQLite says of the file as the kill left it, while the other proxy writes on."""
    db = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        db.set_busy_timeout(10_000)
        return str(db.pragma("integrity_check"))
    finally:
        db.close()


def main() -> int:
    """Kill, count, and say; 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="how many (200)")
    parser.add_argument("--seed", type=int, default=7, help="chooses the moments and the victims (7)")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    tally = Tally()
    begun = time.monotonic()
    while tally["kills"] < options.kills:
        kills = min(_FILE_KILLS, options.kills - tally["kills"])
        with tempfile.TemporaryDirectory(prefix="firefly-crash-") as folder:
            upstream = echo_server(Path(folder) / "echo.log")
            try:
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    runner.run(one_file(Path(folder), upstream, kills, chance, tally))
            finally:
                upstream.stop()
        print(f"{tally['kills']} kills, {time.monotonic() - begun:.0f} s: {dict(tally)}", file=sys.stderr)
    for name in ("kills", "sent", "answered", *sorted(key for key in tally if key.startswith("unanswered")), *Tally.faults):
        print(f"{name}: {tally[name]}")
    print("nothing lost" if tally.clean else "LOST")
    return 0 if tally.clean else 1


if __name__ == "__main__":
    sys.exit(main())
