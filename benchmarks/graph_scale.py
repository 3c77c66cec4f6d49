"""Many realistic tools, mutated from real ones: how long a graph of 1,000 or 10,000 takes, on one core.

Each made-up server copies the tools of a real one (Booking.com's of ComplexFuncBench; four servers recorded for the tests) and
renames its things: every noun of names, fields and descriptions stands for another one, the same throughout the server. Types,
nesting, verbs and the length of texts stay as they are. Nothing is recorded on them: the cost of flows is that of calls.
"""

from __future__ import annotations

import json
import random
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.booking import tools as booking_tools
from firefly_mcp.graph.words import KNOBS, PRODUCERS, VERBS, name_words, text_words
from firefly_mcp.types import Tool

_REAL = Path(__file__).parents[1] / "tests" / "data" / "real_tools.jsonl"
_KEPT = (
    VERBS
    | KNOBS
    | PRODUCERS
    | frozenset(
        "id name type of to by from in the and for with date time true false string number integer object array".split()
    )
)
_WORD = re.compile(r"[A-Za-z]{3,}")
_THINGS = 3
"""Of four nouns, so many get another name in a made-up server."""


def made_up(count: int, *, seed: int = 0) -> list[Tool]:
    """``count`` tools of made-up servers; the same seed makes the same tools."""
    families = _families()
    nouns = sorted({word for tools in families for tool in tools for word in _nouns(tool)})
    rng = random.Random(seed)
    found: list[Tool] = []
    for number in range(count):
        family = families[number % len(families)]
        others = rng.sample(nouns, len(nouns))
        renamed = {
            noun: f"{other}{rng.choice(('', '', 'let', 'set', 'unit'))}" for noun, other in zip(nouns, others, strict=True)
        }
        kept = {noun for noun in nouns if rng.randrange(4) >= _THINGS}
        for tool in family:
            definition = _renamed(tool.definition, {noun: new for noun, new in renamed.items() if noun not in kept})
            found.append(Tool(f"server{number}", definition))
            if len(found) == count:
                return found
    return found


def _families() -> list[list[Tool]]:
    by_server: dict[str, list[Tool]] = {"booking": booking_tools()}
    for line in _REAL.read_text(encoding="utf-8").splitlines():
        definition = json.loads(line)
        server = definition.pop("server")
        by_server.setdefault(server, []).append(Tool(server, definition))
    return [by_server[server] for server in sorted(by_server)]


def _nouns(tool: Tool) -> set[str]:
    names = Counter(name_words(tool.name))
    for schema in (tool.input_schema, tool.output_schema or {}):
        for name in schema.get("properties") or {}:
            names.update(name_words(name))
    names.update(text_words(tool.description))
    return {word for word in names if len(word) > 2 and word.isalpha() and word not in _KEPT}


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """The definition with its nouns renamed, in keys of ``properties`` and in texts alike; keywords of JSON Schema stay."""

    def word(match: re.Match[str]) -> str:
        new = names.get(match[0].lower())
        return match[0] if new is None else new.capitalize() if match[0][0].isupper() else new

    def visit(item: Any, key: str) -> Any:
        if isinstance(item, dict):
            inside = key in ("properties", "$defs")
            return {
                (_WORD.sub(word, name) if inside else name): visit(own, "" if inside else name) for name, own in item.items()
            }
        if isinstance(item, list):
            return [visit(own, key) for own in item]
        return _WORD.sub(word, item) if isinstance(item, str) and key not in ("type", "format", "$ref", "pattern") else item

    return visit(value, "")


def build(count: int) -> dict[str, Any]:
    """Build the graph of ``count`` tools in this process: wall and CPU seconds, peak memory in MiB, edges."""
    from firefly_mcp.graph import build_graph

    tools = made_up(count)
    before = _peak_mib()
    wall, cpu = time.perf_counter(), time.process_time()
    graph = build_graph(tools, [])
    return {
        "tools": count,
        "servers": len({tool.server for tool in tools}),
        "edges": len(graph),
        "wall_s": round(time.perf_counter() - wall, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
        "peak_mib": _peak_mib(),
        "mib_before": before,
    }


def _peak_mib() -> int:
    """The most memory that this process had. Linux hands ``ru_maxrss`` on from parent to child, so it is not asked there."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(r"VmHWM:\s*(\d+) kB", status.read_text(encoding="ascii"))[0]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def measured(count: int) -> dict[str, Any]:
    """The same in a process of its own, pinned to one core, with one thread in numpy."""
    argv = [sys.executable, "-m", "benchmarks.graph_scale", str(count)]
    single = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    import os

    def pin() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})

    done = subprocess.run(argv, env={**os.environ, **single}, preexec_fn=pin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the build of {count} tools failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    print(json.dumps(build(int(sys.argv[1]))))
