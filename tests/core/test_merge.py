"""Putting recordings together: nothing is lost, nothing is there twice, and everything points where it pointed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.cli import main
from firefly_mcp.errors import StoreError, UsageError
from firefly_mcp.jsonio import loads
from firefly_mcp.store import queries
from firefly_mcp.store.diff import diff
from firefly_mcp.store.merge import TABLES, merge
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.schema import INDEX_TABLES
from firefly_mcp.store.session_writer import SessionWriter
from firefly_mcp.store.translation import Translation
from firefly_mcp.types import Call

TOOL = {"name": "get", "inputSchema": {"type": "object"}}


def ask(writer: SessionWriter, question: str, answer: str, **more: Any) -> int:
    number = writer.begin_call("shop", "tools/call", {"name": "get", "arguments": {"q": question}, "_meta": {"t": 1}})
    writer.event(number, "to_client", {"method": "n", "params": {"of": question}})
    writer.end_call(number, result={"content": [{"type": "image", "data": answer * 3000}], "a": answer}, **more)
    return number


def make(path: Path, name: str, *, key: str | None = None, spec: dict[str, Any] | None = None) -> Path:
    """A recording with a row in every table, whose calls have ids that other recordings use for other calls."""
    with Recording(path, create=True) as recording:
        recording.add_server("shop", spec or {"command": "shop"})
        recording.snapshot_tools("shop", [TOOL, {"name": f"get_{name}", "inputSchema": {}}])
        first = recording.begin_session("explore", key=key or f"{name}-first", labels={"team": name})
        second = recording.begin_session("confirm", key=f"{name}-second", labels={"of": key or f"{name}-first"})
        first.connect("shop", {"serverInfo": {"name": name}}, origin=f"proven({name})")
        second.connect("shop", {}, origin="continues(1)")
        numbers = [ask(first, f"{name} 1", "x"), ask(second, f"{name} 1", "x"), ask(first, f"{name} 2", "y")]
        first.end()
        replayed = recording.begin_session("replay", key=f"{name}-replay")
        ask(replayed, f"{name} 2", "y", match="exact", source_call=numbers[2])
        miss = {"cause": "state", "why": f"made: shop/get (call {numbers[1]})", "nearest": [{"call": numbers[0]}]}
        ask(replayed, f"{name} 3", "z", match="miss", detail=miss)
        bindings = [{"from": numbers[0], "to": numbers[2], "argument": "/q"}]
        values = (json.dumps([numbers[0], numbers[2]]), json.dumps(bindings))
        recording.db.execute("INSERT INTO trajectory VALUES (NULL, 1, '{}', ?, ?, '{}', 0)", values)
        evidence = json.dumps({"calls": [numbers[0], numbers[2]]})
        recording.db.execute("INSERT INTO effect VALUES (1, ?, 'get', 1, 'observed', ?)", (f"get_{name}", evidence))
        recording.db.execute("INSERT INTO edge VALUES ('shop', ?, 'shop', 'get', 'q', 0.5, '{}')", (f"get_{name}",))
        recording.db.execute("INSERT INTO task VALUES (?, 'admitted', '{}', 0)", (f"t-{name}",))
        recording.db.execute("INSERT INTO verdict VALUES (?, 'evidence', 1, '', 0)", (f"t-{name}",))
        recording.db.execute("INSERT INTO embedder VALUES (?, ?, 1, '{}')", (len(name), f"by {name}"))
        recording.db.execute("INSERT INTO vector VALUES (?, ?, x'0000803f')", (len(name), f"text of {name}"))
        recording.db.execute(
            "INSERT INTO simulated SELECT 1, 'get', ?, '', 'm', result_hash, id, ?, 0 FROM call WHERE id = ?",
            (f"args {name}", json.dumps([numbers[0]]), numbers[1]),
        )
        recording.db.execute("INSERT INTO info VALUES ('note', ?)", (name,))
    return path


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Path, Path]:
    return make(tmp_path / "a.db", "ash"), make(tmp_path / "b.db", "birch")


def told(path: Path) -> list[Any]:
    """Everything in terms that do not depend on ids."""
    with Recording(path) as recording:
        sessions = {session.id: session.key for session in queries.sessions(recording)}
        calls = {call.id: call for call in queries.calls(recording)}

        def name(number: Any) -> Any:
            return None if number is None else (sessions[calls[number].session], calls[number].seq)

        def shown(call: Call) -> Any:
            detail = json.loads(json.dumps(call.detail))
            for one in detail.get("nearest", []):
                one["call"] = name(one["call"])
            detail["why"] = detail.get("why", "").replace("(call ", "(").split("(")[0]
            kept = (call.params, call.args_hash, call.result, call.status, call.started_at, call.duration_ms, call.match)
            return [name(call.id), call.server, kept, name(call.source_call), detail]

        rows: list[Any] = [shown(call) for call in calls.values()]
        for link in queries.connections(recording):
            origin = link.origin
            if origin.startswith("continues("):
                inside = origin[len("continues(") : -1]
                origin = f"continues({sessions.get(int(inside)) if inside.isdigit() else inside})"
            rows.append([sessions[link.session], link.server, link.initialize, origin])
        rows += [[s.key, s.kind, s.labels, s.config, s.started_at, s.ended_at] for s in queries.sessions(recording)]
        for call_id, message in recording.db.execute("SELECT call_id, message FROM call_event"):
            rows.append([name(call_id), message])
        for session, listed, bindings in recording.db.execute("SELECT session_id, calls, bindings FROM trajectory"):
            ends = [(name(one["from"]), name(one["to"])) for one in loads(str(bindings))]
            rows.append([sessions[int(str(session))], [name(number) for number in loads(str(listed))], ends])
        for writer, evidence in recording.db.execute("SELECT writer, evidence FROM effect"):
            rows.append([writer, [name(number) for number in loads(str(evidence))["calls"]]])
        rows += [
            ["vector", *row]
            for row in recording.db.execute(
                "SELECT e.name, v.text_hash, hex(v.data) FROM vector v JOIN embedder e ON e.id = v.embedder_id"
            )
        ]
        for args, result, nearest, sources in recording.db.execute(
            "SELECT args_hash, result_hash, call_id, sources FROM simulated"
        ):
            rows.append(["simulated", args, result, name(nearest), [name(number) for number in loads(str(sources))]])
        for table in ("edge", "task", "verdict", "blob"):
            rows += [[table, *row] for row in recording.db.execute(f"SELECT * FROM {table}")]
        rows += [
            ["snapshot", *row] for row in recording.db.execute("SELECT name, hash, definition, seen_at FROM tool_snapshot")
        ]
    return rows


def unique(rows: list[Any]) -> list[str]:
    return sorted({json.dumps(row, sort_keys=True) for row in rows})


def test_a_merged_recording_holds_all_that_its_parts_hold_and_nothing_else(parts: tuple[Path, Path], tmp_path: Path) -> None:
    report = merge(parts, tmp_path / "out.db")
    wanted, found = unique(told(parts[0]) + told(parts[1])), unique(told(tmp_path / "out.db"))
    # Both list the tool ``get``; the merged one was last seen when either last saw it.
    assert [row for row in found if '"snapshot", "get",' not in row] == [
        row for row in wanted if '"snapshot", "get",' not in row
    ]
    assert (report.sessions, report.calls, report.same, report.renamed) == (6, 10, 0, [])
    with Recording(tmp_path / "out.db") as recording:
        assert recording.db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert recording.db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        whys = [call.detail["why"] for call in queries.calls(recording) if call.match == "miss"]
        second = [call.id for call in queries.calls(recording) if call.session in (2, 5)]
        assert whys == [f"made: shop/get (call {number})" for number in second]


def test_every_table_is_merged(parts: tuple[Path, Path]) -> None:
    with Recording(parts[0]) as recording:
        rows = recording.db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        names = {str(name) for (name,) in rows}
        assert names == TABLES | {"migration", *INDEX_TABLES}, "teach firefly_mcp/store/merge.py the new table"
        told = names - set(INDEX_TABLES)
        assert all(recording.db.execute(f"SELECT count(*) FROM {name}").fetchall() != [(0,)] for name in told)


def test_the_order_of_the_sources_changes_nothing_that_is_held(parts: tuple[Path, Path], tmp_path: Path) -> None:
    merge(parts, tmp_path / "one.db")
    merge(parts[::-1], tmp_path / "two.db")
    assert unique(told(tmp_path / "one.db")) == unique(told(tmp_path / "two.db"))
    with Recording(tmp_path / "one.db") as one, Recording(tmp_path / "two.db") as two:
        assert diff(one, two).equal


def test_the_same_session_is_taken_once_also_from_a_copy_that_went_on(parts: tuple[Path, Path], tmp_path: Path) -> None:
    later = Path(shutil.copy(parts[0], tmp_path / "later.db"))
    with Recording(later) as recording:
        ask(recording.begin_session("record", key="more"), "more", "m")
    report = merge([parts[0], later, parts[0]], tmp_path / "out.db")
    assert (report.sessions, report.same, report.renamed) == (4, 6, [])
    assert unique(told(tmp_path / "out.db")) == unique(told(later))
    again = merge([tmp_path / "out.db", later], tmp_path / "again.db")
    assert (again.sessions, again.calls) == (4, 6)


def test_the_origin_of_a_live_session_follows_the_session_that_it_names() -> None:
    there = Translation()
    there.know_key(1, "day", "day~2")
    assert there.origin("live(session(day))") == "live(session(day~2))"
    assert there.origin("live(proven(day))") == "live(proven(day))"


def test_another_session_of_the_same_key_is_renamed_with_all_that_names_it(tmp_path: Path) -> None:
    a, b = make(tmp_path / "a.db", "ash", key="day"), make(tmp_path / "b.db", "birch", key="day")
    report = merge([a, b, b], tmp_path / "out.db")
    with Recording(b) as recording:
        new = f"day~{recording.id[:8]}"
    assert report.renamed == [{"source": str(b), "key": "day", "to": new}]
    assert (report.sessions, report.same) == (6, 3)
    with Recording(tmp_path / "out.db") as recording:
        by_key = {session.key: session for session in queries.sessions(recording)}
        assert by_key["day"].labels["team"] == "ash"
        assert by_key[new].labels["team"] == "birch"
        assert by_key["ash-second"].labels["of"] == "day"
        assert by_key["birch-second"].labels["of"] == new
        origins = {link.session: link.origin for link in queries.connections(recording)}
        assert origins[by_key["ash-second"].id] == "continues(day)"
        assert origins[by_key["birch-second"].id] == f"continues({new})"
        answered = {call.session: call.source_call for call in queries.calls(recording) if call.match == "exact"}
        source = queries.call(recording, answered[by_key["birch-replay"].id] or 0)
        assert source is not None
        assert source.session == by_key[new].id


def test_ids_of_the_sources_are_kept_through_every_merge(parts: tuple[Path, Path], tmp_path: Path) -> None:
    third = make(tmp_path / "c.db", "cedar")
    merge(parts, tmp_path / "ab.db")
    merge([tmp_path / "ab.db", third], tmp_path / "abc.db")
    ids = []
    for path in (*parts, tmp_path / "ab.db", third):
        with Recording(path) as recording:
            ids.append(recording.id)
    with Recording(tmp_path / "abc.db") as recording:
        info = {str(key): str(value) for key, value in recording.db.execute("SELECT key, value FROM info")}
        assert recording.id not in ids
    assert [one["id"] for one in loads(info["merged_from"])] == ids
    assert (info[f"{ids[0]}/note"], info[f"{ids[1]}/note"], info[f"{ids[3]}/note"]) == ("ash", "birch", "cedar")


def test_a_server_of_the_same_name_with_another_configuration_is_told_and_kept(tmp_path: Path) -> None:
    a = make(tmp_path / "a.db", "ash")
    b = make(tmp_path / "b.db", "birch", spec={"command": "other"})
    report = merge([a, b], tmp_path / "out.db")
    assert report.specs == [{"server": "shop", "source": str(b)}]
    with Recording(b) as source, Recording(tmp_path / "out.db") as recording:
        assert queries.servers(recording) == {"shop": {"command": "shop"}}
        kept = recording.db.execute("SELECT value FROM info WHERE key = ?", (f"{source.id}/spec/shop",)).fetchall()
    assert loads(str(kept[0][0])) == {"command": "other"}


def test_of_tasks_and_effects_that_differ_the_stronger_is_kept(tmp_path: Path) -> None:
    a, b = make(tmp_path / "a.db", "ash"), make(tmp_path / "b.db", "ash2")
    for path, status, source in ((a, "rejected", "verb"), (b, "admitted", "observed")):
        with Recording(path) as recording:
            recording.db.execute("INSERT INTO task VALUES ('t', ?, ?, 0)", (status, json.dumps({"from": status})))
            recording.db.execute("INSERT INTO verdict VALUES ('t', ?, 1, '', 0)", (f"gate of {status}",))
            recording.db.execute("INSERT INTO effect VALUES (1, 'w', 'r', 0, ?, '{}')", (source,))
            score = 0.9 if source == "observed" else 0.1
            recording.db.execute("INSERT INTO edge VALUES ('s', 't', 's', 'u', 'a', ?, '{}')", (score,))
    for number, order in enumerate(([a, b], [b, a])):
        out = tmp_path / f"{number}.db"
        assert merge(order, out).tasks == ["t"]
        with Recording(out) as recording:
            assert recording.db.execute("SELECT status FROM task WHERE id = 't'").fetchall() == [("admitted",)]
            assert recording.db.execute("SELECT gate FROM verdict WHERE task_id = 't'").fetchall() == [("gate of admitted",)]
            assert recording.db.execute("SELECT source FROM effect WHERE writer = 'w'").fetchall() == [("observed",)]
            assert recording.db.execute("SELECT score FROM edge WHERE source_tool = 't'").fetchall() == [(0.9,)]


@pytest.mark.parametrize("which", ["input", "linked", "other", "log"])
def test_nothing_is_overwritten(parts: tuple[Path, Path], tmp_path: Path, which: str) -> None:
    out = {"input": parts[0], "linked": tmp_path / "link.db", "other": tmp_path / "x.db", "log": tmp_path / "y.db"}[which]
    if which == "linked":
        out.hardlink_to(parts[1])
    elif which == "other":
        out.write_text("mine")
    elif which == "log":
        tmp_path.joinpath("y.db-wal").write_text("mine")
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(UsageError, match="one of the recordings to merge" if which in ("input", "linked") else "there already"):
        merge(parts, out)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("no recording"), lambda path: path.unlink()])
def test_a_source_that_is_none_leaves_nothing_behind(
    parts: tuple[Path, Path], tmp_path: Path, spoil: Callable[[Path], Any]
) -> None:
    spoil(parts[1])
    with pytest.raises(StoreError, match=r"b\.db"):
        merge(parts, tmp_path / "out.db")
    assert not [file for file in tmp_path.iterdir() if file.name not in ("a.db", "b.db")]


def test_the_command_reports_and_refuses_in_one_line(
    parts: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    a, b, out = str(parts[0]), str(parts[1]), str(tmp_path / "out.db")
    assert main(["merge", a, b, "--store", out, "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert {key: report[key] for key in ("store", "sessions", "calls", "same", "renamed")} == {
        "store": out, "sessions": 6, "calls": 10, "same": 0, "renamed": [],
    }  # fmt: skip
    assert [source["path"] for source in report["sources"]] == [a, b]
    for wrong, said in (([a, b, "--store", a], "one of the recordings"), ([a, "--store", "new.db"], "two recordings or more")):
        assert main(["merge", *wrong]) == 2
        err = capfd.readouterr().err
        assert said in err
        assert len([line for line in err.splitlines() if line.startswith("firefly: ")]) == 1
    assert main(["merge", a, b, "--store", str(tmp_path / "again.db")]) == 0
    assert "6 sessions, 10 calls" in capfd.readouterr().err
