"""What the semantic rung costs among many recorded calls, and how large its vectors make a recording.

``python -m benchmarks.semantic`` (a minute; --calls, --asked, --embedder, --json).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

from firefly_mcp.embed import local_embedder
from firefly_mcp.replay import ReplayIndex
from firefly_mcp.replay.semantic import SemanticNeighbours
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import SessionKind, ToolKey, params_of

_WORDS = "apple river stone cloud garden window bridge market candle forest island mirror ladder harbor pencil basket".split()
_SCHEMA = {"type": "object", "properties": {"page": {"type": "integer"}, "query": {"type": "string"}}}
_KEY = ToolKey("guide", "search_0")
_MIB = 2**20


def record(path: Path, tools: int, calls: int, share: int) -> None:
    """Calls of ``tools`` tools in turn, all with texts of their own; ``share`` of one tool have one identity."""
    draw = random.Random(1)
    names = ["".join(letters) for letters in product("abcdefghij", repeat=5)]
    with Recording(path, create=True) as recording:
        recording.db.pragma("synchronous", "off")  # a benchmark's own file: it can be made again
        definition = {"inputSchema": _SCHEMA, "annotations": {"readOnlyHint": True}}
        recording.snapshot_tools("guide", [{"name": f"search_{number}", **definition} for number in range(tools)])
        session = recording.begin_session(SessionKind.IMPORT)
        session.connect("guide", {}, origin="proven(import)")
        for number in range(calls):
            query = " ".join((*draw.sample(_WORDS, 5), names[number]))
            params = params_of(f"search_{number % tools}", {"page": number // tools // share, "query": query})
            call = session.begin_call("guide", "tools/call", params)
            session.end_call(call, result={"content": [{"type": "text", "text": query[::-1]}]})


def measure(path: Path, asked: int, embedder: str) -> dict[str, Any]:
    """Ask for recorded texts in other words: the first time, and again with vectors and candidates at hand."""
    with Recording(path) as recording:
        begin = time.process_time()
        index = ReplayIndex(recording)
        indexed = time.process_time()
        neighbours = SemanticNeighbours(recording, index, local_embedder(embedder))
        embedded = time.process_time()
        SemanticNeighbours(Recording(path), index, local_embedder(embedder))
        again = time.process_time()
        rows = recording.db.execute("SELECT params FROM call WHERE tool = ? ORDER BY id", (_KEY.tool,)).fetchall()
        chosen = [json.loads(str(params))["arguments"] for (params,) in random.Random(2).sample(rows, min(asked, len(rows)))]
        requests = [{**given, "query": f"please find the {given['query']}"} for given in chosen]
        walls: list[list[float]] = []
        hits = 0
        cpu = 0.0
        for _ in range(2):
            times = []
            hits = 0
            start = time.process_time()
            for arguments in requests:
                before = time.perf_counter()
                found = neighbours.candidates(_KEY, arguments)
                times.append(time.perf_counter() - before)
                hits += bool(found)
            cpu = (time.process_time() - start) / len(requests)
            walls.append(sorted(times))
        return {
            "found": f"{hits} of {len(requests)}",
            "index_cpu_s": round(indexed - begin, 2),
            "embed_cpu_s": round(embedded - indexed, 2),
            "next_start_cpu_s": round(again - embedded, 3),
            "first_p50_ms": round(walls[0][len(times) // 2] * 1000, 3),
            "first_max_ms": round(walls[0][-1] * 1000, 1),
            "p50_ms": round(walls[1][len(times) // 2] * 1000, 3),
            "cpu_ms": round(cpu * 1000, 3),
            "file_mib": round(path.stat().st_size / _MIB, 1),
        }


def main() -> int:
    """Run the three cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--asked", type=int, default=200)
    parser.add_argument("--embedder", default="hashing")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    cases = {
        f"{given.calls:,} calls of one tool, 100 to an identity": (1, given.calls, 100),
        f"{given.calls:,} calls of one tool, one identity": (1, given.calls, given.calls),
        "1,000 tools, one call each": (1000, 1000, 1),
    }
    results = {}
    for name, (tools, calls, share) in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.db"
            record(path, tools, calls, share)
            results[name] = measure(path, given.asked if share < 1000 else given.asked // 10, given.embedder)
        if len(results) == 1:
            print(f"| | {' | '.join(results[name])} |\n|{' --- |' * (1 + len(results[name]))}")
        print(f"| {name} | {' | '.join(map(str, results[name].values()))} |", flush=True)
    if given.json:
        given.json.write_text(json.dumps({"embedder": given.embedder, "cases": results}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
