"""The replay index in the recording: what changed is indexed again, and nothing else; what is open does not change."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.canonical import call_hash
from firefly_mcp.errors import StoreError
from firefly_mcp.forget import forget
from firefly_mcp.replay import Replay, ReplayIndex, ReplayPolicy
from firefly_mcp.replay.indexing import index_quietly
from firefly_mcp.replay.rules import Entry, ReplayRules
from firefly_mcp.store import queries
from firefly_mcp.store.merge import merge
from firefly_mcp.store.prune import Choice
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.schema import INDEX_TABLES
from firefly_mcp.store.session_writer import SessionWriter
from firefly_mcp.types import MatchKind, ToolKey

TOOLS: list[dict[str, Any]] = [
    {
        "name": "get",
        "inputSchema": {"type": "object", "properties": {"id": {"type": "integer"}, "pad": {"type": "integer", "default": 1}}},
        "annotations": {"readOnlyHint": True},
    },
    {"name": "add", "inputSchema": {"type": "object", "properties": {"id": {"type": "integer"}}}},
]
GET, ADD = ToolKey("shop", "get"), ToolKey("shop", "add")


def ask(writer: SessionWriter, tool: str, number: int, answer: str = "", **error: Any) -> int:
    call = writer.begin_call("shop", "tools/call", {"name": tool, "arguments": {"id": number}})
    said = answer or f"{tool} {number}"
    writer.end_call(call, **(error or {"result": {"content": [{"type": "text", "text": said}]}}))
    return call


def record(recording: Recording, key: str, first: int, count: int = 3) -> SessionWriter:
    """A session: ``get`` and ``add`` in turns."""
    writer = recording.begin_session("record", key=key)
    writer.connect("shop", {"serverInfo": {"name": "shop"}}, origin="proven(a)")
    for number in range(first, first + count):
        ask(writer, "get", number)
        ask(writer, "add", number)
    writer.end()
    return writer


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    with Recording(path, create=True) as recording:
        recording.add_server("shop", {"command": "shop"})
        recording.snapshot_tools("shop", TOOLS)
        record(recording, "one", 0)
        record(recording, "two", 10)
    return path


def rows(recording: Recording) -> dict[str, list[Any]]:
    """The stored index, without the numbers of tools."""
    told = {name: recording.db.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in INDEX_TABLES}
    return {name: list(found) for name, found in told.items()}


def exact(index: ReplayIndex, tool: str, number: int) -> list[int]:
    found = index.exact(ToolKey("shop", tool), call_hash("tools/call", {"name": tool, "arguments": {"id": number}}))
    return [candidate.call for candidate in found]


def rewritten(recording: Recording) -> int:
    """How many rows were written since the connection was opened."""
    return int(recording.db.total_changes())


def test_an_index_that_is_there_is_opened_without_a_write(store: Path) -> None:
    with Recording(store) as recording:
        ReplayIndex(recording)
    with Recording(store) as recording:
        before = rewritten(recording)
        index = ReplayIndex(recording)
        assert rewritten(recording) == before
        assert exact(index, "get", 1) == [3]
        assert [candidate.position for candidate in index.exact(ADD, call_of("add", 2))] == [5]


def call_of(tool: str, number: int) -> str:
    return call_hash("tools/call", {"name": tool, "arguments": {"id": number}})


def test_an_index_brought_up_to_date_is_the_one_that_would_be_built_anew(store: Path, tmp_path: Path) -> None:
    with Recording(store) as recording:
        ReplayIndex(recording)
        writer = record(recording, "three", 20)
        ReplayIndex(recording)
        late = recording.begin_session("record", key="late")
        late.connect("shop", {}, origin="continues(three)")
        waiting = late.begin_call("shop", "tools/call", {"name": "add", "arguments": {"id": 5}})
        ask(late, "get", 1)
        ReplayIndex(recording)
        late.end_call(waiting, error={"code": -32602, "message": "invalid arguments"})
        ReplayIndex(recording)
        recording.snapshot_tools("shop", [{**TOOLS[0], "description": "other"}, *TOOLS[1:]])
        index_quietly(recording)
        grown = rows(recording)
        assert writer.id == 3
    again = Path(shutil.copy(store, tmp_path / "again.db"))
    with Recording(again) as recording:
        for name in INDEX_TABLES:
            recording.db.execute(f"DELETE FROM {name}")
        ReplayIndex(recording)
        assert rows(recording) == grown
        assert len(grown["candidate"]) == 20


def test_only_the_session_that_grew_is_read_again(store: Path) -> None:
    with Recording(store) as recording:
        ReplayIndex(recording)
        before = {row[0] for row in recording.db.execute("SELECT rowid FROM candidate")}
        recording.db.execute("UPDATE candidate SET position = position + 100 WHERE session_id = 1")
        record(recording, "three", 20)
        ReplayIndex(recording)
        kept = recording.db.execute("SELECT min(position) FROM candidate WHERE session_id = 1").fetchall()
        assert kept == [(100,)]
        assert len(before) + 6 == len(rows(recording)["candidate"])


def test_what_is_recorded_later_is_not_seen_until_the_index_is_opened_again(store: Path) -> None:
    with Recording(store) as recording:
        index = ReplayIndex(recording)
        with Recording(store) as other:
            writer = other.begin_session("record", key="other")
            number = ask(writer, "get", 1, "otherwise")
            index_quietly(other)
        assert exact(index, "get", 1) == [3]
        assert exact(ReplayIndex(recording), "get", 1) == [3, number]


def test_look_ups_at_hand_are_those_of_the_file(store: Path) -> None:
    with Recording(store) as recording:
        writer = recording.begin_session("record", key="more")
        ask(writer, "get", 1, "again")
        at_hand, plain = ReplayIndex(recording), ReplayIndex(recording)
        at_hand.keep_at_hand()
        recording.db.execute("DELETE FROM candidate_tool")  # what is at hand needs no look at the file
        for key in (GET, ADD, ToolKey("other", "get")):
            for number in (0, 1, 12, 99):
                wanted = call_of(key.tool, number)
                assert list(at_hand.exact(key, wanted)) == list(plain.exact(key, wanted))
        assert len(at_hand.exact(GET, call_of("get", 1))) == 2


def test_two_replays_with_other_rules_on_one_file_do_not_disturb_each_other(store: Path) -> None:
    rules = ReplayRules(entries=(Entry(pattern="shop/get", ignore=("/id",)),))
    with Recording(store) as recording, Recording(store) as other:
        plain = ReplayIndex(recording)
        wanted = plain.normalized_hash(GET, {"id": 1})
        assert [candidate.call for candidate in plain.normalized(GET, wanted)] == [3]
        loose = ReplayIndex(other, rules=rules)
        assert len(loose.normalized(GET, loose.normalized_hash(GET, {"id": 77}))) == 6
        recording.reader.release()
        again = plain.normalized_hash(GET, {"id": 2, "pad": 1})
        assert [candidate.call for candidate in plain.normalized(GET, again)] == [5]
        assert plain.trace(1, "shop", 2, 4) == [
            (call.args_hash, call.result_hash) for call in queries.calls(recording, session=1) if call.seq in (3, 4)
        ]


def test_a_pruned_and_a_merged_recording_get_an_index_of_their_own(store: Path, tmp_path: Path) -> None:
    with Recording(store) as recording:
        ReplayIndex(recording)
    shutil.copy(store, tmp_path / "b.db")
    forget(store, Choice(ids=frozenset({1})))
    with Recording(store) as recording:
        assert rows(recording)["candidate"] == []
        assert exact(ReplayIndex(recording), "get", 11) == [9]
        assert exact(ReplayIndex(recording), "get", 1) == []
    merge([store, tmp_path / "b.db"], tmp_path / "out.db")
    with Recording(tmp_path / "out.db") as recording:
        assert rows(recording)["candidate"] == []
        index = ReplayIndex(recording)
        assert len(exact(index, "get", 1)) == 1
        assert len(exact(index, "get", 11)) == 1


def test_an_index_can_be_built_while_a_transaction_is_open(store: Path) -> None:
    with Recording(store) as recording, recording.transaction() as db:
        db.execute("DELETE FROM call WHERE session_id = 2")
        index = ReplayIndex(recording)
        assert exact(index, "get", 1) == [3]
        assert exact(index, "get", 11) == []


def test_a_session_that_continues_another_begins_in_its_state_also_when_only_that_one_changed(store: Path) -> None:
    with Recording(store) as recording:
        second = recording.begin_session("record", key="second")
        second.connect("shop", {}, origin="continues(one)")
        call = ask(second, "get", 0, "after")
        index = ReplayIndex(recording)
        states = {c.call: c.state_key for c in index.exact(GET, call_of("get", 0))}
        assert len(set(states.values())) == 2
        session = Replay(recording, ReplayPolicy(start="second"), index).session()
        answer = session.answer("shop", "tools/call", {"name": "get", "arguments": {"id": 0}})
        assert answer.call is not None
        assert (answer.kind, answer.call.id) == (MatchKind.EXACT, call)


def test_of_several_answers_the_session_that_agrees_longest_is_followed(tmp_path: Path) -> None:
    with Recording(tmp_path / "v.db", create=True) as recording:
        recording.snapshot_tools("shop", [TOOLS[0]])
        for key, last in (("a", "red"), ("b", "blue")):
            writer = recording.begin_session("record", key=key)
            writer.connect("shop", {}, origin="proven(a)")
            for number in range(600):
                ask(writer, "get", number, f"{key if number == 599 else 'same'} {number}")
            ask(writer, "get", 1000, last)
        session = Replay(recording, ReplayPolicy(), ReplayIndex(recording)).session()

        def got(number: int) -> str:
            answer = session.answer("shop", "tools/call", {"name": "get", "arguments": {"id": number}})
            assert answer.call is not None
            assert answer.call.result is not None
            return str(answer.call.result["content"][0]["text"])

        assert [got(number) for number in range(599)] == [f"same {number}" for number in range(599)]
        assert got(599) == "a 599"
        assert got(1000) == "red"


def test_a_recording_that_cannot_be_written_is_replayed_and_nothing_is_left_beside_it(store: Path) -> None:
    before = store.read_bytes()
    for _ in range(2):
        with Recording(store, readonly=True) as recording:
            index = ReplayIndex(recording)
            assert exact(index, "get", 1) == [3]
            answer = Replay(recording, ReplayPolicy(), index).session().answer("shop", "tools/call", call("get", 0))
            assert answer.kind is MatchKind.EXACT
        assert store.read_bytes() == before
        assert [path.name for path in store.parent.iterdir()] == [store.name]


def call(tool: str, number: int) -> dict[str, Any]:
    return {"name": tool, "arguments": {"id": number}}


def test_a_recording_of_an_older_format_that_cannot_be_written_is_refused(store: Path) -> None:
    with Recording(store) as recording:
        recording.db.pragma("user_version", 1)
        recording.db.pragma("wal_checkpoint", "truncate")
    with pytest.raises(StoreError, match="copy the file to where it can be brought up to date"):
        Recording(store, readonly=True)
