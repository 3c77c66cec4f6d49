"""Writing a recording: several processes at once, killed ones, and each result stored once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from firefly_mcp.errors import StoreError
from firefly_mcp.jsonio import loads
from firefly_mcp.store import queries
from firefly_mcp.store.blobs import LARGE
from firefly_mcp.store.recording import Recording

WRITER = """
import sys
from firefly_mcp.store.recording import Recording

with Recording(sys.argv[1], create=True) as recording:
    writer = recording.begin_session("record", labels={"who": sys.argv[2]})
    number = 0
    while number < int(sys.argv[3]):
        call = writer.begin_call("srv", "tools/call", {"name": "t", "arguments": {"who": sys.argv[2], "n": number}})
        print("asked", number, flush=True)
        writer.end_call(call, result={"structuredContent": {"n": number}})
        print("answered", number, flush=True)
        number += 1
"""


def writer(path: Path, who: str, calls: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), who, str(calls)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_several_processes_write_one_recording_that_none_of_them_found(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    writers = [writer(path, str(number), 60) for number in range(3)]
    for process in writers:
        _, errors = process.communicate(timeout=50)
        assert (process.returncode, errors) == (0, "")
    with Recording(path) as recording:
        assert recording.db.pragma("integrity_check") == "ok"
        calls = list(queries.calls(recording))
        assert len(queries.sessions(recording)) == 3
        assert list(queries.servers(recording)) == ["srv"]
    for who in "012":
        mine = [call for call in calls if call.arguments["who"] == who]
        assert [call.arguments["n"] for call in mine] == list(range(60))
        assert [call.seq for call in mine] == list(range(1, 61))
        assert all(call.result == {"structuredContent": {"n": call.arguments["n"]}} for call in mine)


@pytest.mark.parametrize("after", [1, 37, 200])
def test_a_killed_writer_loses_no_answered_call_and_leaves_the_other_as_interrupted(tmp_path: Path, after: int) -> None:
    path = tmp_path / "r.db"
    with writer(path, "x", 1_000_000) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(after)]
        os.kill(process.pid, signal.SIGKILL)
        lines = [line.split() for line in [*seen, *process.stdout.readlines()]]
    answered = {int(number) for what, number in (line for line in lines if len(line) == 2) if what == "answered"}
    with Recording(path) as recording:
        assert recording.db.pragma("integrity_check") == "ok"
        calls = {call.arguments["n"]: call for call in queries.calls(recording)}
    assert all(calls[number].result == {"structuredContent": {"n": number}} for number in answered)
    unanswered = [call for number, call in calls.items() if number not in answered]
    # Between the commit and the word of it lies one call at most; that one may be stored as done.
    assert len(unanswered) <= 1
    assert all(call.status in ("interrupted", "done") for call in unanswered)


def test_a_killed_writers_recording_takes_further_sessions(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with writer(path, "x", 1_000_000) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    with Recording(path) as recording:
        before = len(list(queries.calls(recording)))
        call = recording.begin_session("record").begin_call("srv", "tools/call", {"name": "t"})
        assert [found.id for found in queries.calls(recording)][before:] == [call]


def test_an_unanswered_call_is_interrupted_until_its_answer_is_there(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with Recording(path, create=True) as recording, Recording(path) as other:
        session = recording.begin_session("record")
        call = session.begin_call("srv", "tools/call", {"name": "t"})
        (seen,) = queries.calls(other)
        assert (seen.status, seen.result, seen.is_error) == ("interrupted", None, False)
        session.end_call(call, error={"code": -32602, "message": "no such tool"})
        (seen,) = queries.calls(other)
        assert (seen.status, seen.error, seen.is_error) == ("done", {"code": -32602, "message": "no such tool"}, True)


def test_equal_results_and_large_parts_are_stored_once(tmp_path: Path) -> None:
    image = "A" * (LARGE * 8)
    with Recording(tmp_path / "r.db", create=True) as recording:
        session = recording.begin_session("record")
        for number in range(10):
            result = {
                "content": [
                    {"type": "image", "data": image, "mimeType": "image/png"},
                    {"type": "text", "text": f"{number % 2}"},
                ]
            }
            session.end_call(session.begin_call("srv", "tools/call", {"name": "t", "arguments": {"n": number}}), result=result)
        sizes = [int(str(size)) for (size,) in recording.db.execute("SELECT size FROM blob ORDER BY size DESC")]
        assert len(sizes) == 3
        assert sizes[0] == len(image)
        assert sizes[1] < LARGE
        restored = [call.result for call in queries.calls(recording)]
        assert all(result is not None and result["content"][0]["data"] == image for result in restored)


def test_what_was_written_is_read_back_whole(tmp_path: Path) -> None:
    result = loads(
        '{"content": [], "structuredContent": {"big": 12345678901234567890123, "text": "é\\u0000\\ud83d\\udc1d", "f": 1.5}}'
    )
    params = {"name": "t", "arguments": {"deep": [{"x": None, "y": [True, "ü"]}]}, "_meta": {"progressToken": 1}}
    with Recording(tmp_path / "r.db", create=True) as recording:
        session = recording.begin_session("record", key="k-1", client_info={"name": "c"}, labels={"l": 1}, config={"c": [2]})
        session.connect("srv", {"serverInfo": {"name": "s"}}, protocol_version="2025-11-25")
        session.set_origin("srv", "proven(o1)")
        session.end_call(session.begin_call("srv", "tools/call", params), result=result, detail={"why": "x"})
        session.end()
        (call,) = queries.calls(recording)
        (read,) = queries.sessions(recording)
        (connection,) = queries.connections(recording)
    assert call.params == {"name": "t", "arguments": params["arguments"]}
    assert call.result == result
    assert call.detail == {"why": "x"}
    assert (read.key, read.client_info, read.labels, read.config, read.calls) == ("k-1", {"name": "c"}, {"l": 1}, {"c": [2]}, 1)
    assert read.ended_at is not None
    assert (connection.origin, connection.protocol_version) == ("proven(o1)", "2025-11-25")


def test_calls_that_overlap_are_marked(tmp_path: Path) -> None:
    with Recording(tmp_path / "r.db", create=True) as recording:
        session = recording.begin_session("record")
        first = session.begin_call("srv", "tools/call", {"name": "a"})
        second = session.begin_call("srv", "tools/call", {"name": "b"})
        session.end_call(first, result={})
        session.end_call(second, result={})
        third = session.begin_call("srv", "tools/call", {"name": "c"})
        session.end_call(third, result={})
        assert {call.id: call.overlaps for call in queries.calls(recording)} == {first: 1, second: 1, third: 0}


def test_the_latest_snapshot_of_a_tool_is_the_one_that_was_seen_last(tmp_path: Path) -> None:
    old = {"name": "t", "description": "old", "inputSchema": {"type": "object"}}
    new = {"name": "t", "description": "new", "inputSchema": {"type": "object"}}
    with Recording(tmp_path / "r.db", create=True) as recording:
        for definition in (old, new, old):
            recording.snapshot_tools("srv", [definition, {"name": "u", "inputSchema": {"type": "object"}}])
        assert [(tool.name, tool.description) for tool in queries.tools(recording)] == [("t", "old"), ("u", "")]
        assert recording.db.execute("SELECT count(*) FROM tool_snapshot").fetchall() == [(3,)]


def test_a_read_only_recording_says_so(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    Recording(path, create=True).close()
    with Recording(path) as recording:
        recording.db.pragma("query_only", True)
        with pytest.raises(StoreError, match="cannot be written"):
            recording.begin_session("record")


def test_a_missing_result_is_an_error_and_never_an_empty_answer(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with Recording(path, create=True) as recording:
        session = recording.begin_session("record")
        session.end_call(session.begin_call("srv", "tools/call", {"name": "t"}), result={"content": []})
    db = apsw.Connection(str(path))
    db.execute("DELETE FROM blob")
    db.close()
    with Recording(path) as recording, pytest.raises(StoreError, match=r"result blake2b:.* is missing"):
        list(queries.calls(recording))
