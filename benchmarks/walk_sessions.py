"""Twenty recorded servers behind one replay, and many clients that each replay one session of every server, all at once."""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.arguments import arguments_for
from benchmarks.processes import Measured, free_port
from benchmarks.walk_judge import match_kind
from benchmarks.walk_place import Place
from benchmarks.wire import Session
from firefly_mcp.canonical import hash_json
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.servers.names import ExposedNames
from firefly_mcp.state.learn import learn_effects
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording

_TOOLS = 8
"""Tools called of each server; the first three are called again at the end."""


@dataclass(frozen=True)
class Script:
    """The recorded calls of all servers, as a client of the replay makes them, and what the recording says of each."""

    calls: dict[str, list[dict[str, Any]]]
    expected: dict[str, str]
    answers: dict[str, set[str]]
    """By call (a hash of its params): the hashes of its recorded answers."""
    stateless: list[str]
    """Servers of which no tool may affect another, as far as the effect relation knows."""


async def record_some(specs: list[ServerSpec], store: Path, folder: Path, seed: Path | None, wanted: int) -> list[str]:
    """Record one session of each of the first ``wanted`` servers that work; gives their names."""
    names: list[str] = []
    for spec in specs:
        if len(names) == wanted:
            break
        own = folder / str(len(names))
        own.mkdir(exist_ok=True)
        try:
            async with Place(spec, own, seed, store=store).recording() as session:
                tools = await session.listed("tools/list", "tools")
                called = [tool for tool in tools if isinstance(tool, dict)][:_TOOLS]
                for tool in [*called, *called[:3]]:
                    arguments = arguments_for(tool.get("inputSchema") or {})
                    await session.request("tools/call", {"name": tool["name"], "arguments": arguments})
        except (EOFError, TimeoutError, OSError, TypeError) as trouble:
            print(f"{spec.name}: left out, {type(trouble).__name__} {trouble}", flush=True)
            with Recording(store) as recording:  # what it said before it failed is not replayed
                recording.db.execute("DELETE FROM call WHERE server_id = (SELECT id FROM server WHERE name = ?)", (spec.name,))
            continue
        names.append(spec.name)
    return names


def script_of(store: Path, names: list[str]) -> Script:
    """Read the recorded sessions back."""
    calls: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    said: dict[str, list[Any]] = {name: [] for name in names}
    answers: dict[str, set[str]] = defaultdict(set)
    with Recording(store) as recording:
        relation = learn_effects(recording)
        exposed = ExposedNames(queries.tool_map(recording), single=False)
        for call in queries.calls(recording, method="tools/call", evidence_only=True):
            if call.server in calls:
                calls[call.server].append({"name": exposed.exposed(call.key), "arguments": call.arguments})
                said[call.server].append(_bare(call.result if call.error is None else {"error": call.error}))
                answers[hash_json(calls[call.server][-1])].add(hash_json(said[call.server][-1]))
    digests = {name: hash_json(told) for name, told in said.items()}
    return Script(calls, digests, answers, [name for name in names if relation.stateless(name)])


def _bare(result: Any) -> Any:
    meta = {key: value for key, value in (result.get("_meta") or {}).items() if not key.startswith("firefly/")}
    kept = {key: value for key, value in result.items() if key != "_meta"}
    return {**kept, "_meta": meta} if meta else kept


async def _client(url: str, script: Script, number: int, kinds: Counter[str]) -> int:
    """Replay every server's session, beginning with another server than the other clients; gives how many digests differ."""
    names = list(script.calls)
    names = names[number % len(names) :] + names[: number % len(names)]
    session = Session(url)
    await session.open()
    differ = 0
    for name in names:
        said = []
        for params in script.calls[name]:
            answer = await session.ask("tools/call", params)
            kinds[match_kind(answer)] += 1
            said.append(_bare(answer["result"] if "error" not in answer else {"error": answer["error"]}))
        differ += hash_json(said) != script.expected[name]
    await session.end()
    return differ


async def _shuffling_client(url: str, script: Script, number: int, kinds: Counter[str]) -> int:
    """Make the calls of all stateless servers in an order of its own; gives how many answers are none of the recorded ones."""
    calls = [params for name in script.stateless for params in script.calls[name]]
    random.Random(number).shuffle(calls)
    session = Session(url)
    await session.open()
    wrong = 0
    for params in calls:
        answer = await session.ask("tools/call", params)
        kinds[match_kind(answer)] += 1
        said = _bare(answer["result"] if "error" not in answer else {"error": answer["error"]})
        wrong += hash_json(said) not in script.answers[hash_json(params)]
    await session.end()
    return wrong


def _replay_help() -> str:
    argv = [sys.executable, "-m", "firefly_mcp", "replay", "--help"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


async def sessions_at_once(specs: list[ServerSpec], options: argparse.Namespace) -> bool:
    """Record, then replay with one worker and with two, two runs each; the bar is every call a hit and every digest equal."""
    with tempfile.TemporaryDirectory(prefix="firefly-sessions-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        store = folder / "pool.db"
        begun = time.monotonic()
        names = await record_some(specs, store, folder, options.seed, options.servers)
        script = script_of(store, names)
        count = sum(map(len, script.calls.values()))
        print(f"{len(names)} servers recorded, {count} calls, {time.monotonic() - begun:.0f} s: {', '.join(names)}", flush=True)
        help_text = await asyncio.to_thread(_replay_help)
        good = True
        for workers in (1, 2):
            if workers > 1 and "--workers" not in help_text:
                print("2 workers: left out, firefly replay has no --workers")
                continue
            port = free_port()
            argv = [sys.executable, "-m", "firefly_mcp", "replay", "--store", str(store), "--http", str(port)]
            server = Measured(argv + (["--workers", str(workers)] if workers > 1 else []), port, folder / "replay.log")
            try:
                for run in (1, 2):
                    kinds: Counter[str] = Counter()
                    begun = time.monotonic()
                    clients = [_client(server.url, script, number, kinds) for number in range(options.clients)]
                    differ = sum(await asyncio.gather(*clients))
                    answers, seconds = sum(kinds.values()), time.monotonic() - begun
                    digests = options.clients * len(names)
                    print(
                        f"{workers} worker{'s' * (workers > 1)}, run {run}: {options.clients} clients, {answers} calls,"
                        f" {answers - kinds['miss']} hits {dict(kinds)}, {differ} of {digests} digests differ,"
                        f" {answers / seconds:.0f} calls/s",
                        flush=True,
                    )
                    good = good and not differ and not kinds["miss"]
                kinds = Counter()
                shuffling = [_shuffling_client(server.url, script, number, kinds) for number in range(options.clients)]
                wrong = sum(await asyncio.gather(*shuffling))
                print(
                    f"{len(script.stateless)} stateless servers in any order: {sum(kinds.values())} calls,"
                    f" {sum(kinds.values()) - kinds['miss']} hits, {wrong} other answers",
                    flush=True,
                )
                good = good and not wrong and not kinds["miss"]
            finally:
                server.stop()
        if options.keep:
            (options.keep / "pool.db").write_bytes(store.read_bytes())
        return good
