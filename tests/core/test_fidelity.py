"""Fidelity: recorded calls held out, replayed from the others, and judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.cli import main
from firefly_mcp.store.recording import Recording

READ = {"annotations": {"readOnlyHint": True}}
SHOP = [
    {
        "name": "price",
        "inputSchema": {
            "type": "object",
            "properties": {"id": {"type": "integer"}, "unit": {"type": "string", "default": "EUR"}},
        },
        **READ,
    },
    {"name": "find", "inputSchema": {"type": "object", "properties": {"query": {"type": "string"}}}, **READ},
]
NOTES = [{"name": "list_notes", "inputSchema": {}, **READ}, {"name": "add_note", "inputSchema": {}}]


def record(path: Path, server: str, tools: list[Any], *sessions: list[tuple[str, Any, Any]], origin: str = "unknown") -> Path:
    """Sessions of ``(tool, arguments, answer)``; an answer that is an exception is a JSON-RPC error."""
    with Recording(path, create=True) as recording:
        recording.snapshot_tools(server, tools)
        for calls in sessions:
            writer = recording.begin_session("record")
            writer.connect(server, {}, origin=origin)
            for tool, arguments, answer in calls:
                number = writer.begin_call(server, "tools/call", {"name": tool, "arguments": arguments})
                if isinstance(answer, Exception):
                    writer.end_call(number, error={"code": -1, "message": str(answer)})
                else:
                    writer.end_call(number, result={"content": [], "structuredContent": {"is": answer}})
    return path


def measured(path: Path, capfd: pytest.CaptureFixture[str], *options: str) -> Any:
    assert main(["fidelity", "--store", str(path), "--json", *options]) == 0
    return json.loads(capfd.readouterr().out)


def counts(found: Any) -> dict[str, int]:
    return {name: found[name] for name in ("held_out", "correct", "wrong", "missed", "conflicting")}


def test_right_wrong_missed_and_conflicting_calls_are_told_apart(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = record(
        tmp_path / "a.db",
        "shop",
        SHOP,
        [
            ("price", {"id": 1}, 5),
            ("price", {"id": 2}, 7),
            ("price", {"id": 3}, ValueError("gone")),
            ("price", {"id": 4}, 1),
        ],
        [
            ("price", {"id": 1}, 5),  # right, exactly
            ("price", {"id": "2", "unit": "EUR"}, 8),  # the same by its schema, and answered otherwise
            ("price", {"id": 3}, ValueError("gone")),  # right, an error
            ("price", {"id": 4}, 2),  # the same call, and answered otherwise
            ("price", {"id": 9}, 0),  # nobody else asked that
        ],
    )
    found = measured(store, capfd)
    assert counts(found) == {"held_out": 9, "correct": 4, "wrong": 2, "missed": 1, "conflicting": 2}
    assert found["by_match"] == {
        "exact": {"answered": 4, "correct": 4, "wrong": 0},
        "normalized": {"answered": 2, "correct": 0, "wrong": 2},
    }
    assert found["missed_by_cause"] == {"never_recorded": 1}
    (row,) = found["by_tool"]
    assert (row["server"], row["tool"], row["wrong"]) == ("shop", "price", 2)
    first = found["wrong_answers"][0]
    assert (first["kind"], first["arguments"], first["source_arguments"]) == (
        "normalized",
        {"id": 2},
        {"id": "2", "unit": "EUR"},
    )
    assert (first["recorded"]["structuredContent"], first["replayed"]["structuredContent"]) == ({"is": 7}, {"is": 8})
    assert first["differs"] == ["/structuredContent/is"]
    (conflict,) = found["conflicts"]
    assert (conflict["arguments"], conflict["answers"], conflict["calls"]) == ({"id": 4}, 2, [4, 8])
    exact = measured(store, capfd, "--match", "exact")
    assert counts(exact) == {"held_out": 9, "correct": 4, "wrong": 0, "missed": 3, "conflicting": 2}
    assert main(["fidelity", "--store", str(store)]) == 0
    out, err = capfd.readouterr()
    assert 'wrong: call 2 shop/price {"id":2}' in out
    assert "recorded with several answers in one state" in err


def test_a_call_is_held_out_with_and_without_its_own_session(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = record(tmp_path / "a.db", "shop", SHOP, [("price", {"id": 1}, 5)] * 2, [("price", {"id": 2}, 7)])
    found = measured(store, capfd)
    assert counts(found) == {"held_out": 3, "correct": 2, "wrong": 0, "missed": 1, "conflicting": 0}
    assert counts(found["without_own_session"]) == {"held_out": 3, "correct": 0, "wrong": 0, "missed": 3, "conflicting": 0}


def walk(*titles: str) -> list[tuple[str, Any, Any]]:
    calls: list[tuple[str, Any, Any]] = [("list_notes", {}, [])]
    for number, title in enumerate(titles, 1):
        calls += [("add_note", {"title": title}, number), ("list_notes", {}, list(titles[:number]))]
    return calls


def test_calls_of_a_stateful_server_are_asked_in_the_state_in_which_they_were_made(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    proven = record(
        tmp_path / "a.db", "notes", NOTES, walk("bread", "rye"), walk("bread", "oats"), walk("bread", "rye"), origin="proven(o)"
    )
    found = measured(proven, capfd)["without_own_session"]
    # Of "oats" nobody else knows, nor what is listed after it: misses, and nothing stale.
    assert counts(found) == {"held_out": 15, "correct": 13, "wrong": 0, "missed": 2, "conflicting": 0}
    assert found["missed_by_cause"] == {"never_recorded": 1, "state": 1}
    unknown = record(tmp_path / "b.db", "notes", NOTES, walk("bread", "rye"), walk("bread", "rye"))
    strict = measured(unknown, capfd)
    assert (strict["correct"], strict["wrong"]) == (0, 0)
    lenient = measured(unknown, capfd, "--state", "lenient")
    assert lenient["wrong"] > 0


def test_the_semantic_rung_and_the_users_rules_are_measured_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = record(
        tmp_path / "a.db",
        "shop",
        SHOP,
        [("find", {"query": "please find the red bicycle for the children"}, 1), ("price", {"id": 1, "unit": "EUR"}, 5)],
        [("find", {"query": "Please find the red bicycle for the children!"}, 1), ("price", {"id": 1, "unit": "USD"}, 5)],
    )
    semantic = measured(store, capfd, "--match", "semantic")
    assert semantic["by_match"]["semantic"] == {"answered": 2, "correct": 2, "wrong": 0}
    rules = tmp_path / "rules.toml"
    rules.write_text('[tools."shop/price"]\nignore = ["/unit"]\n')
    assert measured(store, capfd, "--rules", str(rules))["by_match"]["normalized"]["correct"] == 2


def test_bounds_make_it_a_check(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = record(
        tmp_path / "a.db", "shop", SHOP, [("price", {"id": 2}, 7), ("price", {"id": "2"}, 8)], [("price", {"id": 1}, 5)] * 2
    )
    base = ("fidelity", "--store", str(store))
    assert main([*base, "--max-wrong", "2", "--fail-under", "50"]) == 0
    assert main([*base, "--max-wrong", "1"]) == 1
    assert "2 calls are answered wrongly, more than 1" in capfd.readouterr().err
    assert main([*base, "--fail-under", "51"]) == 1
    assert "50.0% of 4 calls are answered rightly" in capfd.readouterr().err


def test_a_sample_is_chosen_by_its_seed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = record(tmp_path / "a.db", "shop", SHOP, [("price", {"id": n // 2}, n // 2) for n in range(40)])
    one, again = (measured(store, capfd, "--sample", "10", "--seed", "3") for _ in range(2))
    assert one == again
    assert counts(one)["held_out"] == 10


def test_an_empty_recording_has_nothing_to_hold_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert counts(measured(record(tmp_path / "a.db", "shop", SHOP), capfd))["held_out"] == 0
