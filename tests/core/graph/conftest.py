from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.graph import ToolGraph, build_graph
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.session_writer import SessionWriter
from firefly_mcp.types import Call, Tool, params_of

DATA = Path(__file__).parents[2] / "data"


def read_lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="session")
def real_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of 68 calls that four real servers answered (tau2-airline, sqlite, business-day, memory)."""
    path = tmp_path_factory.mktemp("graph") / "real.db"
    definitions: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in read_lines("real_tools.jsonl"):
        definitions[line.pop("server")].append(line)
    sessions: dict[str, SessionWriter] = {}
    with Recording(path, create=True) as recording:
        for server, listed in definitions.items():
            recording.snapshot_tools(server, listed)
        for line in read_lines("real_calls.jsonl"):
            if line["session"] not in sessions:
                sessions[line["session"]] = recording.begin_session("record", key=line["session"])
            writer = sessions[line["session"]]
            call = writer.begin_call(line["server"], "tools/call", params_of(line["tool"], line["arguments"]))
            writer.end_call(call, result=line["result"])
    return path


@pytest.fixture(scope="session")
def real_calls(real_recording: Path) -> list[Call]:
    with Recording(real_recording) as recording:
        return list(queries.calls(recording))


@pytest.fixture(scope="session")
def real_tools(real_recording: Path) -> list[Tool]:
    with Recording(real_recording) as recording:
        return queries.tools(recording)


@pytest.fixture(scope="session")
def real_graph(real_tools: list[Tool], real_calls: list[Call]) -> ToolGraph:
    return build_graph(real_tools, real_calls)
