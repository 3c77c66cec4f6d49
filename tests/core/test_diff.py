"""Comparing recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firefly_mcp.canonical import canonical_json
from firefly_mcp.cli import main
from firefly_mcp.differences import differences
from firefly_mcp.places import parse_place
from firefly_mcp.store.recording import Recording

GET = {"name": "get", "description": "Get one.", "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}}}


def said(value: Any) -> dict[str, Any]:
    return {"content": [], "structuredContent": value}


def make(path: Path, calls: list[tuple[str, Any, Any]], *tools: dict[str, Any], server: str = "shop") -> Path:
    """A recording of one session of ``(tool, arguments, answer)``; an answer that is an exception is a JSON-RPC error."""
    with Recording(path, create=True) as recording:
        recording.snapshot_tools(server, tools)
        writer = recording.begin_session("record")
        for tool, arguments, answer in calls:
            number = writer.begin_call(server, "tools/call", {"name": tool, "arguments": arguments})
            if isinstance(answer, Exception):
                writer.end_call(number, error={"code": -1, "message": str(answer)})
            else:
                writer.end_call(number, result=said(answer))
        writer.begin_call(server, "tools/call", {"name": "never", "arguments": {"answered": str(path)}})
        replayed = recording.begin_session("replay")
        number = replayed.begin_call(server, "tools/call", {"name": "get", "arguments": {"only": str(path)}})
        replayed.end_call(number, result=said("other"), match="exact")
    return path


def compared(a: Path, b: Path, capfd: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    code = main(["diff", str(a), str(b), "--json"])
    return code, json.loads(capfd.readouterr().out)


def test_recordings_with_the_same_calls_and_answers_are_equal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    calls = [("get", {"id": "a", "n": 1}, {"v": 1}), ("get", {"id": "b"}, ValueError("no"))]
    again = [("get", {"id": "b"}, ValueError("no")), ("get", {"n": 1.0, "id": "a"}, {"v": 1.0}), *calls]
    code, found = compared(make(tmp_path / "a.db", calls, GET), make(tmp_path / "b.db", again, GET), capfd)
    assert (code, found["equal"], found["calls"]["same"]) == (0, True, 2)
    assert main(["diff", str(tmp_path / "a.db"), str(tmp_path / "b.db")]) == 0


def test_every_kind_of_difference_is_told_apart(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    changed = json.loads(json.dumps(GET))
    changed["inputSchema"]["properties"]["id"]["type"] = "integer"
    changed["annotations"] = {"readOnlyHint": True}
    a = make(
        tmp_path / "a.db",
        [
            ("get", {"id": "same"}, {"v": 1}),
            ("get", {"id": "other"}, {"rows": [{"price": 1, "name": "x" * 2000}]}),
            ("get", {"id": "failed"}, {"v": 1}),
            ("get", {"id": "only a"}, {}),
            ("get", {"id": "state"}, {"v": 1}),
            ("get", {"id": "state"}, {"v": 2}),
            ("get", {"id": "odd"}, {"v": 1}),
            ("get", {"id": "odd"}, {"v": 2}),
        ],
        GET,
        {"name": "old", "inputSchema": {}},
    )
    b = make(
        tmp_path / "b.db",
        [
            ("get", {"id": "odd"}, {"v": 3}),
            ("get", {"id": "state"}, {"v": 2}),
            ("get", {"id": "state"}, {"v": 1}),
            ("get", {"id": "same"}, {"v": 1}),
            ("get", {"id": "other"}, {"rows": [{"price": 2, "name": "x" * 2000}]}),
            ("get", {"id": "failed"}, ValueError("down")),
            ("get", {"id": "only b"}, {}),
        ],
        changed,
        {"name": "new", "inputSchema": {}},
    )
    make(b, [("ping", {}, {})], server="more")
    code, found = compared(a, b, capfd)
    assert (code, found["equal"]) == (1, False)
    assert found["servers"] == {"only_a": [], "only_b": ["more"]}
    assert found["tools"] == {
        "only_a": [{"server": "shop", "tool": "old"}],
        "only_b": [{"server": "shop", "tool": "new"}],
        "changed": [{"server": "shop", "tool": "get", "parts": ["/inputSchema/properties/id/type", "/annotations"]}],
    }
    calls = found["calls"]
    assert calls["same"] == 1
    assert [one["arguments"] for one in calls["only_a"]] == [{"id": "only a"}]
    assert [(one["server"], one["arguments"]) for one in calls["only_b"]] == [("shop", {"id": "only b"}), ("more", {})]
    other, failed = calls["other"]
    assert other["differs"] == ["/structuredContent/rows/0/price"]
    assert [len(side) for side in (*other["a"], *other["b"])] == [400, 400]
    assert "down" in failed["b"][0]
    assert [(one["arguments"]["id"], len(one["a"]), len(one["b"]), one["equal"]) for one in calls["conflicting"]] == [
        ("state", 2, 2, True),
        ("odd", 2, 1, False),
    ]
    assert main(["diff", str(a), str(b)]) == 1
    out, err = capfd.readouterr()
    assert "call only in B" in out
    assert "are different" in err


def test_several_answers_that_both_have_are_no_difference(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    calls: list[tuple[str, Any, Any]] = [("get", {}, {"v": 1}), ("get", {}, {"v": 2})]
    code, found = compared(make(tmp_path / "a.db", calls), make(tmp_path / "b.db", calls[::-1]), capfd)
    assert (code, found["equal"], len(found["calls"]["conflicting"])) == (0, True, 1)


def test_what_is_no_recording_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    a = make(tmp_path / "a.db", [])
    assert main(["diff", str(a), str(tmp_path / "none.db")]) == 2
    assert "no such recording" in capfd.readouterr().err


documents = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "~1/"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b/c", "d~e"]), inner, max_size=3),
    max_leaves=8,
)


@given(left=documents, right=documents)
def test_differences_point_at_places_that_differ_and_there_are_none_in_equal_documents(left: Any, right: Any) -> None:
    found = differences(left, right, limit=1000)
    assert bool(found) == (canonical_json(left) != canonical_json(right))
    for pointer in found:
        sides = [[()] if not pointer else parse_place(pointer)(side) for side in (left, right)]
        values = [[value_at(side, steps) for steps in places] for side, places in zip((left, right), sides, strict=True)]
        assert canonical_json(values[0]) != canonical_json(values[1])


def value_at(value: Any, steps: tuple[Any, ...]) -> Any:
    for step in steps:
        value = value[step]
    return value
