"""Forgetting sessions: nothing of them is left in any byte, and what others hold stays as it was."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.cli import main
from firefly_mcp.errors import StoreError
from firefly_mcp.forget import Forgotten, forget
from firefly_mcp.graph.store import build_from, read_graph, write_graph
from firefly_mcp.jsonio import loads, text
from firefly_mcp.replay import Replay, ReplayIndex, ReplayPolicy
from firefly_mcp.state.learn import learn_effects, store_effects
from firefly_mcp.store import queries
from firefly_mcp.store.prune import Choice
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.session_writer import SessionWriter
from firefly_mcp.tasks.trajectories import store_trajectories

TOOLS = [
    {"name": "add", "inputSchema": {"type": "object", "properties": {"title": {"type": "string"}}}},
    {"name": "get", "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}}},
    {"name": "list", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}},
]


def stored(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def session(recording: Recording, word: str, kind: str = "record", **more: Any) -> SessionWriter:
    """A session in which every value holds ``word``; a note's id goes from an answer into the next argument."""
    writer = recording.begin_session(kind, key=f"key-{word}", client_info={"name": f"client-{word}"}, **more)
    writer.connect("notes", {"serverInfo": {"name": f"server-{word}"}})

    def call(tool: str, arguments: dict[str, Any], answer: Any) -> None:
        number = writer.begin_call("notes", "tools/call", {"name": tool, "arguments": arguments})
        writer.event(number, "to_client", {"method": "notifications/message", "params": {"data": f"event-{word}"}})
        body = {"content": [{"type": "text", "text": text(answer)}], "structuredContent": answer}
        writer.end_call(number, result=body)

    call("list", {}, {"count": 0, "notes": []})  # the same in every session
    call("add", {"title": f"title-{word}"}, {"id": f"note-{word}-77", "title": f"title-{word}"})
    call("get", {"id": f"note-{word}-77"}, {"text": f"text-{word} " * 3000})
    call("list", {}, {"count": 1, "image": {"data": f"{word}" + "Q" * 5000}})
    failed = writer.begin_call("notes", "tools/call", {"name": "get", "arguments": {"id": f"none-{word}"}})
    writer.end_call(failed, error={"code": -32602, "message": f"error-{word}"})
    writer.begin_call("notes", "resources/read", {"uri": f"note://{word}"})
    writer.end()
    return writer


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two sessions of the same kind with all that is derived from them."""
    path = tmp_path / "r.db"
    with Recording(path, create=True) as recording:
        recording.snapshot_tools("notes", TOOLS)
        session(recording, "willow", labels={"team": "red", "n": 7})
        session(recording, "poplar", labels={"team": "blue"})
        write_graph(recording, build_from(recording))
        store_effects(recording, learn_effects(recording))
        store_trajectories(recording)
    return path


def only(path: Path, key: str) -> Choice:
    with Recording(path) as recording:
        return Choice(frozenset(one.id for one in queries.sessions(recording) if one.key == key))


def test_nothing_of_a_forgotten_session_is_left_in_any_byte_and_the_other_is_untouched(store: Path) -> None:
    with Recording(store) as recording:
        before = [call for call in queries.calls(recording) if call.session == 2]
    assert stored(store).count(b"willow") > 20
    report = forget(store, only(store, "key-willow"))
    assert b"willow" not in stored(store)
    assert report.rows["sessions"] == 1
    assert report.rows["calls"] == 6
    assert report.rows["blobs"] == 4  # three results and an image; what both sessions were answered stays
    assert report.bytes[1] < report.bytes[0]
    with Recording(store) as recording:
        assert list(queries.calls(recording)) == before
        assert [one.key for one in queries.sessions(recording)] == ["key-poplar"]
        assert [(n.server, n.session) for n in queries.connections(recording)] == [("notes", 2)]
        assert recording.db.execute("SELECT DISTINCT session_id FROM trajectory").fetchall() == [(2,)]
        assert recording.db.execute("SELECT count(*) FROM call_event").fetchall() == [(4,)]
        assert recording.db.execute("SELECT count(*) FROM effect").fetchall() != [(0,)]
        assert read_graph(recording).edges == build_from(recording).edges
        assert recording.db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_the_bytes_are_gone_although_a_killed_process_left_a_log(store: Path) -> None:
    code = (
        "import os, sys; from firefly_mcp.store.recording import Recording; r = Recording(sys.argv[1]);"
        " w = r.begin_session('record', key='key-osier'); w.begin_call('notes', 'tools/call', {'name': 'osier'}); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(store)], check=False, timeout=50)
    assert b"osier" in store.with_name("r.db-wal").read_bytes()
    forget(store, only(store, "key-osier"))
    assert b"osier" not in stored(store)
    assert b"willow" in stored(store)


def test_repeats_and_replays_of_a_session_go_with_it_and_others_stay(store: Path) -> None:
    with Recording(store) as recording:
        session(recording, "sallow", kind="confirm", labels={"of": "key-willow"})
        for source in (2, 8):  # the first session's add, the second one's
            replayed = recording.begin_session("replay")
            number = replayed.begin_call("notes", "tools/call", {"name": "add"})
            replayed.end_call(number, result={"content": []}, match="exact", source_call=source)
    report = forget(store, only(store, "key-willow"))
    assert [(one.kind, one.id in report.chosen) for one in report.sessions] == [
        ("record", True),
        ("confirm", False),
        ("replay", False),
    ]
    assert b"sallow" not in stored(store)
    with Recording(store) as recording:
        assert [one.kind for one in queries.sessions(recording)] == ["record", "replay"]


def test_a_miss_forgets_the_recorded_calls_that_were_nearest(store: Path) -> None:
    with Recording(store) as recording:
        replay = Replay(recording, ReplayPolicy(), ReplayIndex(recording))
        answer = replay.session().answer("notes", "tools/call", {"name": "add", "arguments": {"title": "other"}})
        assert answer.miss is not None
        assert "willow" in answer.miss.message
        detail = {"cause": answer.miss.cause, "why": answer.miss.message, "nearest": answer.miss.nearest}
        log = recording.begin_session("replay")
        number = log.begin_call("notes", "tools/call", {"name": "add", "arguments": {"title": "other"}})
        log.end_call(number, match="miss", detail=detail)
    forget(store, only(store, "key-willow"))
    assert b"willow" not in stored(store)
    with Recording(store) as recording:
        (miss,) = [call for call in queries.calls(recording) if call.match == "miss"]
        assert [one["arguments"]["title"] for one in miss.detail["nearest"]] == ["title-poplar"]


def test_what_continued_a_forgotten_session_has_an_unknown_origin(store: Path) -> None:
    with Recording(store) as recording:
        for number, origin in enumerate(("continues(key-willow)", "continues(1)", "continues(2)", "proven(x)")):
            recording.begin_session("record", key=f"later-{number}").connect("notes", {}, origin=origin)
    forget(store, only(store, "key-willow"))
    with Recording(store) as recording:
        assert [link.origin for link in queries.connections(recording)][1:] == [
            "unknown",
            "unknown",
            "continues(2)",
            "proven(x)",
        ]


def test_a_dry_run_tells_the_same_and_changes_nothing(store: Path) -> None:
    with Recording(store) as other:  # somebody may look on
        before = store.read_bytes()
        would = forget(store, only(store, "key-willow"), dry_run=True)
        assert len(list(queries.calls(other))) == 12
    assert store.read_bytes() == before
    did = forget(store, only(store, "key-willow"))

    def told(report: Forgotten) -> Any:
        return {key: value for key, value in report.to_json().items() if key not in ("dry_run", "bytes_before", "bytes_after")}

    assert told(would) == told(did)


def test_nothing_is_forgotten_while_another_process_has_the_recording_open(store: Path) -> None:
    code = (
        "import sys; from firefly_mcp.store.recording import Recording; r = Recording(sys.argv[1]);"
        " print('open', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        before = store.read_bytes()
        with pytest.raises(StoreError, match="another process has it open"):
            forget(store, Choice(kind="record"))
        assert store.read_bytes() == before
    finally:
        holder.communicate(timeout=30)
    forget(store, Choice(kind="record"))
    with Recording(store) as recording:
        assert not queries.sessions(recording)


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        (["--session", "1"], ["key-willow"]),
        (["--session", "key-wil", "--session", "key-poplar"], ["key-willow", "key-poplar"]),
        (["--kind", "record"], ["key-willow", "key-poplar"]),
        (["--kind", "replay"], []),
        (["--label", "team=red"], ["key-willow"]),
        (["--label", "n=7"], ["key-willow"]),
        (["--label", "team=red", "--label", "n=8"], []),
        (["--older-than", "3"], ["key-poplar"]),
        (["--older-than", "3", "--label", "team=red"], []),
    ],
)
def test_sessions_are_chosen_by_all_that_is_given(
    store: Path, options: list[str], keys: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with Recording(store) as recording:
        recording.db.execute("UPDATE session SET ended_at = ? WHERE key = 'key-poplar'", (time.time() - 4 * 86_400,))
    assert main(["prune", "--store", str(store), *options, "--dry-run", "--json"]) == 0
    assert [one["key"] for one in loads(capfd.readouterr().out)["sessions"]] == keys
    assert main(["prune", "--store", str(store), *options]) == 0
    with Recording(store) as recording:
        left = [one.key for one in queries.sessions(recording)]
    assert left == [key for key in ("key-willow", "key-poplar") if key not in keys]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "say which sessions"),
        (["--label", "team"], "--label team: expected NAME=VALUE"),
        (["--session", "99"], "no session '99'"),
        (["--older-than", "-1"], "--older-than"),
    ],
)
def test_wrong_use_is_one_line(store: Path, options: list[str], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["prune", "--store", str(store), *options]) == 2
    assert said in capfd.readouterr().err


def test_the_report_as_json_counts_what_went(store: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["prune", "--store", str(store), "--label", "team=red", "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["dry_run"] is False
    assert [(one["key"], one["calls"], one["chosen"]) for one in report["sessions"]] == [("key-willow", 6, True)]
    assert {"calls", "sessions", "blobs", "events", "connections", "trajectories"} <= set(report["removed"])
    assert report["tasks"] == {"forgotten": [], "unproven": []}


def test_what_a_model_wrote_from_a_forgotten_call_and_the_vectors_of_its_texts_are_forgotten(store: Path) -> None:
    with Recording(store) as recording:
        own = {call.session: call.id for call in queries.calls(recording) if call.tool == "get" and not call.is_error}
        gone, kept = list(own)[:2]
        with recording.transaction() as db:
            db.execute("INSERT INTO embedder VALUES (1, 'hashing', 1, '{}')")
            for number, (session_id, call_id) in enumerate(((gone, own[gone]), (kept, own[kept]))):
                written = recording.store_result({"content": [{"type": "text", "text": f"simulated {session_id}"}]})
                sources = json.dumps([call_id])
                db.execute(
                    "INSERT INTO simulated VALUES (1, 'get', ?, '', 'm', ?, NULL, ?, 0)", (str(number), written, sources)
                )
                db.execute("INSERT INTO vector VALUES (1, ?, x'0000803f')", (f"text {session_id}",))
                db.execute("INSERT INTO candidate_text VALUES (?, '/q', ?)", (call_id, f"text {session_id}"))
    forget(store, Choice(ids=frozenset({gone})))
    with Recording(store) as recording:
        assert recording.db.execute("SELECT args_hash FROM simulated").fetchall() == [("1",)]
        assert recording.db.execute("SELECT text_hash FROM vector").fetchall() == [(f"text {kept}",)]
        assert recording.db.execute("SELECT count(*) FROM candidate_text").fetchall() == [(0,)]
    assert f"simulated {gone}".encode() not in stored(store)
    assert f"simulated {kept}".encode() in stored(store)
