from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from firefly_mcp.cli import main
from firefly_mcp.errors import UsageError
from firefly_mcp.graph import ToolGraph
from firefly_mcp.graph.store import build_from, is_current, load_coverage, load_graph, read_graph, write_graph
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import ToolKey, params_of

AIR = "tau2-airline"


@pytest.fixture
def store(real_recording: Path, tmp_path: Path) -> Path:
    for file in real_recording.parent.glob(real_recording.name + "*"):
        shutil.copy(file, tmp_path / file.name)
    return tmp_path / real_recording.name


def test_a_stored_graph_is_read_back_as_it_was_written(store: Path, real_graph: ToolGraph) -> None:
    with Recording(store) as recording:
        write_graph(recording, real_graph)
        write_graph(recording, real_graph)
        assert read_graph(recording).to_json() == real_graph.to_json()


def test_a_stored_graph_is_used_until_something_new_is_recorded(store: Path, real_graph: ToolGraph) -> None:
    with Recording(store) as recording:
        assert not is_current(recording)
        write_graph(recording, real_graph.above(0.5))
        assert is_current(recording)
        assert len(load_graph(recording)) == len(real_graph.above(0.5))
        replay = recording.begin_session("replay")
        replay.end_call(replay.begin_call("sqlite", "tools/call", params_of("list_tables", {})), result={"content": []})
        assert is_current(recording)
        session = recording.begin_session("record")
        asked = session.begin_call(AIR, "tools/call", params_of("get_user_details", {"user_id": "mia_li_3668"}))
        session.end_call(asked, result={"structuredContent": {"reservations": ["XQ7781"]}, "content": []})
        told = session.begin_call(AIR, "tools/call", params_of("get_reservation_details", {"reservation_id": "XQ7781"}))
        session.end_call(told, result={"content": []})
        assert not is_current(recording)
        key = (ToolKey(AIR, "get_user_details"), ToolKey(AIR, "get_reservation_details"), "reservation_id")
        assert load_graph(recording).by_key[key].evidence["flow"]["count"] == 9


def test_replayed_calls_are_no_evidence_but_their_misses_are_a_debt(store: Path) -> None:
    key = ToolKey("tau2-airline", "calculate")
    with Recording(store) as recording:
        before = build_from(recording).to_json()
        session = recording.begin_session("replay")
        for _ in range(2):
            call = session.begin_call(*key[:1], "tools/call", params_of(key.tool, {"expression": "8831*7741"}), match="miss")
            session.end_call(call, result={"content": [], "isError": True}, detail={"cause": "never_recorded"})
        assert build_from(recording).to_json() == before
        coverage = load_coverage(recording)
    assert coverage.misses == {key: 1}  # the same miss asks once
    assert coverage.tools[key] == 0


def test_a_recording_without_tools_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "empty.db"
    with Recording(path, create=True) as recording, pytest.raises(UsageError, match="no tools recorded"):
        load_graph(recording)
    for arguments in (["graph", "build"], ["graph", "show"], ["graph", "export"], ["sample"]):
        assert main([*arguments, "--store", str(path)]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert len(told.err.splitlines()) == 1


def test_the_commands_build_show_export_and_sample(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> str:
        assert main([*arguments, "--store", str(store)]) == 0
        return capsys.readouterr().out

    built = json.loads(run("graph", "build", "--json"))
    assert built["tools"] == 40
    assert built["by_evidence"]["flow"] > 10
    shown = json.loads(run("graph", "show", "--json", "--tool", "get_reservation_details", "--limit", "5"))
    assert shown[0]["score"] >= shown[-1]["score"]
    assert any(line.startswith("seen: ") for line in shown[0]["why"])
    assert "get_reservation_details" in run("graph", "show")
    assert "described alike" in run("graph", "show", "get_reservation_details", "--limit", "5")
    assert len(json.loads(run("graph", "export", "--format", "json"))["edges"]) == built["edges"]
    run("graph", "export", "--format", "html", "--out", str(tmp_path / "graph.html"))
    assert (tmp_path / "graph.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    first = run("sample", "--count", "12", "--seed", "5", "--json")
    assert first == run("sample", "--count", "12", "--seed", "5", "--json")
    drawn = json.loads(first)
    assert len(drawn) == 12
    assert {"nodes", "edges", "shape"} <= drawn[0].keys()
    chains = json.loads(run("sample", "--count", "5", "--shapes", "chain=1", "--size", "2-3", "--json"))
    assert all(2 <= len(dag["nodes"]) <= 3 for dag in chains)
    assert run("sample", "--count", "3")


@pytest.mark.parametrize(
    "wrong",
    [
        ["sample", "--shapes", "star=1"],
        ["sample", "--shapes", "chain=x"],
        ["sample", "--servers", "tau2-airline=x"],
        ["sample", "--servers", "nowhere"],
        ["sample", "--size", "a-b"],
        ["sample", "--size", "0-4"],
        ["graph", "show", "--tool", "nobody"],
        ["graph", "export", "--format", "json", "--out", "/nowhere/at/all.json"],
    ],
)
def test_wrong_options_are_told_in_one_line(wrong: list[str], store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*wrong, "--store", str(store)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
