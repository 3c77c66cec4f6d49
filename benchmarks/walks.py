"""State under replay: recorded sessions by many clients at once, and walks over stateful servers in other orders.

    python -m benchmarks.walks --config servers.json --seed FOLDER                # both parts
    python -m benchmarks.walks --config servers.json --seed FOLDER --part sessions
    python -m benchmarks.walks --config servers.json --seed FOLDER --part walks --only tau2-airline

*sessions*: the first 20 servers of the file that start are recorded, one session each; then 32 clients at once replay one
session of each server, twice, with one worker and with two. Every call must be a hit and every answer the recorded one.

*walks*: stateful servers (benchmarks/walk_servers.py) are recorded on a walk of 200 calls that write and read. Replayed in the
same order, every call must be a hit and equal. Then the walk's calls are reordered, run twice live in fresh folders and once in
replay: an answer of replay that differs from both live runs, in a place where these agree, is wrong; all else is right or a
declared miss. A server whose live runs in the recorded order do not say what was recorded (it keeps state outside its folders)
has no fresh beginning to be judged by, and is left out of that part.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.walk_judge import bare, match_kind, wrong_places
from benchmarks.walk_place import Place
from benchmarks.walk_plans import Step, repeat, shuffled, wander
from benchmarks.walk_servers import WALKS
from benchmarks.walk_sessions import sessions_at_once
from firefly_mcp.servers.config import ServerSpec, load_servers


@dataclass
class Tally:
    """What became of a server's walks."""

    calls: int = 0
    same_hits: int = 0
    same_equal: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    not_fresh: str = ""

    @property
    def hits(self) -> int:
        """Calls of the reordered walks that were answered."""
        return sum(count for kind, count in self.kinds.items() if kind != "miss")


async def walk_server(place: Place, length: int, orders: int, seed: int) -> Tally:
    """Record, replay, and judge reordered walks.

    Raises:
        EOFError, TimeoutError, OSError: the server does not work.
    """
    tally = Tally()
    async with place.recording() as session:
        steps, live = await wander(session, place.spec.name, length, seed, str(place.work))
    tally.calls = len(steps)
    async with place.replay() as session:
        again = [await session.request("tools/call", {"name": s.tool, "arguments": s.arguments}) for s in steps]
    tally.same_hits = sum(match_kind(answer) != "miss" for answer in again)
    tally.same_equal = sum(bare(one) == bare(other) for one, other in zip(live, again, strict=True))
    tally.not_fresh = await _beginning(place, steps, live)
    for number in range(0 if tally.not_fresh else orders):
        order = shuffled(steps, number, seed)
        runs = []
        for _ in range(2):
            async with place.live() as session:
                runs.append(await repeat(session, order))
        async with place.replay() as session:
            replayed = await repeat(session, order)
        _judge(tally, order, replayed, *runs)
    return tally


async def _beginning(place: Place, steps: list[Step], recorded: list[Any]) -> str:
    """Where two live runs in the recorded order agree with each other and not with the recording; empty if nowhere."""
    runs = []
    for _ in range(2):
        async with place.live() as session:
            runs.append(await repeat(session, steps))
    for at, (step, answer) in enumerate(zip(steps, recorded, strict=True)):
        for where in wrong_places(answer, runs[0][at], runs[1][at]):
            return f"{at}: {step.tool} at {where}"
    return ""


def _judge(tally: Tally, order: list[Step], replayed: list[Any], one: list[Any], other: list[Any]) -> None:
    for at, (step, answer) in enumerate(zip(order, replayed, strict=True)):
        kind = match_kind(answer)
        tally.kinds[kind] += 1
        if kind == "miss":
            meta = (answer.get("result") or {}).get("_meta") or {}
            tally.causes[str(meta.get("firefly/cause", "error"))] += 1
            continue
        places = list(wrong_places(answer, one[at], other[at]))
        if places:
            told = json.dumps(answer.get("result", answer))[:300]
            tally.wrong.append(
                f"{at}: {step.tool} {json.dumps(step.arguments)[:120]} at {places[0]}: replay {told}"
                f" live {json.dumps(one[at])[:300]}"
            )


async def walk_all(specs: list[ServerSpec], options: argparse.Namespace) -> bool:
    """In turn; the bar is no wrong answer, and every call of the recorded order."""
    good = True
    total = Tally()
    print("server | recorded order: hits, equal | reordered: right answers | declared misses | wrong", flush=True)
    for spec in specs:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="firefly-walk-", ignore_cleanup_errors=True) as folder:
            place = Place(spec, Path(folder), options.seed)
            try:
                tally = await walk_server(place, options.calls, options.orders, options.number)
            except (EOFError, TimeoutError, OSError) as trouble:
                errors = place.folder / "errors.log"
                said = errors.read_text(errors="replace")[-200:] if errors.exists() else ""
                print(f"{spec.name}: left out, {type(trouble).__name__} {trouble} {said}", flush=True)
                continue
            if options.keep:
                shutil.copy(place.store, options.keep / f"{spec.name.replace('/', '_')}.db")
        count = sum(tally.kinds.values())
        if tally.not_fresh:
            print(f"{spec.name}: no fresh beginning, live runs differ from the recording ({tally.not_fresh})", flush=True)
        print(
            f"{spec.name}: {tally.same_hits}/{tally.calls}, {tally.same_equal}/{tally.calls} |"
            f" {tally.hits - len(tally.wrong)} of {count} ({(tally.hits - len(tally.wrong)) / max(count, 1):.0%}) |"
            f" {dict(tally.causes)} | {len(tally.wrong)} | {time.monotonic() - begun:.0f} s",
            flush=True,
        )
        for line in tally.wrong[: options.show]:
            print(f"  {line}", flush=True)
        total.kinds += tally.kinds
        total.wrong += tally.wrong
        total.calls, total.same_hits, total.same_equal = (
            total.calls + tally.calls,
            total.same_hits + tally.same_hits,
            total.same_equal + tally.same_equal,
        )
        good = good and not tally.wrong and tally.same_hits == tally.same_equal == tally.calls
    count = sum(total.kinds.values())
    print(
        f"all: recorded order {total.same_hits} hits and {total.same_equal} equal of {total.calls};"
        f" reordered {total.hits - len(total.wrong)} right, {total.kinds['miss']} missed, {len(total.wrong)} wrong of {count}"
    )
    return good


def main() -> int:
    """Run the parts; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="the servers (mcpServers)")
    parser.add_argument("--seed", type=Path, help="a folder with files that each run finds in its working folder")
    parser.add_argument("--part", choices=["sessions", "walks", "both"], default="both")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this server; may be repeated")
    parser.add_argument("--servers", type=int, default=20, help="servers of the first part (20)")
    parser.add_argument("--clients", type=int, default=32, help="clients at once (32)")
    parser.add_argument("--calls", type=int, default=200, help="calls of a walk (200)")
    parser.add_argument("--orders", type=int, default=3, help="reorderings of a walk (3)")
    parser.add_argument("--number", type=int, default=7, help="the seed of the walks (7)")
    parser.add_argument("--show", type=int, default=5, help="wrong answers shown for each server (5)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the recordings here")
    options = parser.parse_args()
    specs = load_servers(options.config, options.only)
    good = True
    if options.part in ("sessions", "both"):
        good = asyncio.run(sessions_at_once([s for s in specs.values() if s.command is not None], options))
    if options.part in ("walks", "both"):
        good = asyncio.run(walk_all([specs[name] for name in WALKS if name in specs], options)) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
