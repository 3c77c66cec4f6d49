"""Cassettes: a recording goes out as JSON lines and comes back as it was; a part of one stands on its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from firefly_mcp.cli import main
from firefly_mcp.exchange import cassette
from firefly_mcp.exchange.cassette import read_cassette, write_cassette
from firefly_mcp.exchange.rows import rows
from firefly_mcp.exchange.selection import Selection
from firefly_mcp.store import merge, queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Call
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http
from tests.proxies.harness import Proxy, Specs


async def record(proxy: Proxy, spec: Specs) -> None:
    """A session with notes, one with the calculator."""
    async with proxy(spec("notes")) as url, Client(url, mode="legacy") as client:
        await client.list_tools()
        await client.call_tool("list_notes", {})
        await client.call_tool("add_note", {"title": "bread", "text": "x" * 5000})
        await client.call_tool("list_notes", {})
        await client.read_resource("notes://all")
    async with proxy(spec("calc")) as url, Client(url, mode="legacy") as client:
        for n in range(3):
            await client.call_tool("add", {"a": n, "b": 0.5})
        await client.call_tool("divide", {"a": 1, "b": 0})


def everything(recording: Recording) -> dict[str, list[dict[str, Any]]]:
    """All that a recording says; the replay index, and its mark in ``info``, are made anew wherever they are wanted."""
    told = {table: list(rows(recording.db, f"SELECT * FROM {table}")) for table in cassette.TABLES}
    told["info"] = [row for row in told["info"] if row["key"] != "replay_index"]
    return told


def command(capfd: pytest.CaptureFixture[str], *args: object) -> tuple[int, Any, str]:
    code = main([str(arg) for arg in args])
    out, err = capfd.readouterr()
    return code, json.loads(out) if "--json" in args else out, err


def tools(recording: Recording) -> list[Call]:
    return [call for call in queries.calls(recording, evidence_only=True) if call.tool]


def test_a_cassette_holds_all_that_a_merge_keeps() -> None:
    assert set(cassette.TABLES) == merge.TABLES


async def test_a_recording_comes_back_from_its_cassette_row_by_row(
    recording: Recording, proxy: Proxy, spec: Specs, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    await record(proxy, spec)
    with recording.transaction() as db:
        large = json.dumps({"content": [{"type": "image", "data": {"firefly/blob": "blake2b:part"}}]})
        db.execute("INSERT INTO blob VALUES ('blake2b:result', 1, ?), ('blake2b:part', 5000, ?)", (large, "1" * 5000))
        db.execute("INSERT INTO effect VALUES (1, 'add_note', 'list_notes', 1, 'observed', '{\"calls\":[2]}')")
        db.execute("INSERT INTO task VALUES ('t', 'admitted', '{\"n\": 1.0}', 1.5)")  # not as we write it: kept all the same
        db.execute("INSERT INTO embedder VALUES (1, 'hashing', 2, '{}')")
        db.execute("INSERT INTO vector VALUES (1, 'h', x'0001ff')")
        db.execute("INSERT INTO info VALUES ('merged_from', '[]')")
    out, back = tmp_path / "a.cassette.jsonl", tmp_path / "back.db"
    code, told, _ = command(capfd, "export", "--format", "cassette", "--store", recording.path, "--out", out, "--json")
    assert (code, told["sessions"], told["brought_along"]) == (0, 2, 0)
    assert command(capfd, "import", out, "--store", back)[0] == 0
    assert command(capfd, "diff", recording.path, back, "--json")[1]["equal"] is True
    with Recording(back) as copy:
        assert everything(copy) == everything(recording)
        assert copy.id == recording.id
        again = write_cassette(copy, tmp_path / "again.jsonl")
    assert again.checksum == told["checksum"]
    assert (tmp_path / "again.jsonl").read_bytes() == out.read_bytes()


async def test_a_recording_replays_from_its_cassette_with_the_same_bytes(
    recording: Recording, proxy: Proxy, spec: Specs, tmp_path: Path
) -> None:
    await record(proxy, spec)
    write_cassette(recording, tmp_path / "a.jsonl")
    with Recording(tmp_path / "b.db", create=True) as copy:
        read_cassette(tmp_path / "a.jsonl", copy)
        seen = []
        for one in (recording, copy):
            answers: list[str] = []
            async with running_http(ReplayFactory(one)) as url, Client(url, mode="legacy") as client:
                answers.append((await client.list_tools()).model_dump_json())
                for call in tools(recording):
                    answers.append((await client.call_tool(f"{call.server}_{call.tool}", call.arguments)).model_dump_json())
            seen.append(answers)
    assert seen[0] == seen[1]
    assert all('"firefly/match":"exact"' in answer for answer in seen[0][1:])


async def test_a_slice_brings_along_what_it_rests_on(
    recording: Recording, proxy: Proxy, spec: Specs, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    await record(proxy, spec)
    last = [call for call in tools(recording) if call.tool == "list_notes"][-1]
    out = tmp_path / "slice.jsonl"
    code, told, err = command(
        capfd, "export", "--format", "cassette", "--store", recording.path, "--call", last.id, "--out", out, "--json"
    )
    assert (code, told["calls"], told["brought_along"], told["sessions"]) == (0, 3, 2, 1)
    assert "2 of them because others rest on them" in err
    assert command(capfd, "import", out, "--store", tmp_path / "b.db")[0] == 0
    with Recording(tmp_path / "b.db") as part:
        assert part.id != recording.id
        assert list(queries.servers(part)) == ["notes"]
        assert {call.id: call.result for call in queries.calls(part)}[last.id] == last.result
        async with running_http(ReplayFactory(part)) as url, Client(url, mode="legacy") as client:
            early = await client.call_tool("list_notes", {})
            await client.call_tool("add_note", {"title": "bread", "text": "x" * 5000})
            late = await client.call_tool("list_notes", {})
    assert (early.structured_content, late.structured_content) != (late.structured_content, late.structured_content)
    assert last.result is not None
    assert late.structured_content == last.result["structuredContent"]


async def test_calls_of_a_stateless_server_stand_for_themselves(
    recording: Recording, proxy: Proxy, spec: Specs, tmp_path: Path
) -> None:
    await record(proxy, spec)
    chosen = [call for call in tools(recording) if call.tool == "add"][1]
    written = write_cassette(recording, tmp_path / "a.jsonl", Selection(calls=frozenset({chosen.id})))
    assert (written.calls, written.brought_along) == (1, 0)


async def test_options_narrow_a_cassette_to_sessions_servers_and_tools(
    recording: Recording, proxy: Proxy, spec: Specs, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    await record(proxy, spec)

    def counted(*options: str) -> tuple[int, int]:
        store = ("--store", recording.path, "--out", tmp_path / "o.jsonl")
        told = command(capfd, "export", "--format", "cassette", *store, *options, "--json")[1]
        return told["sessions"], told["calls"]

    whole = counted()
    assert counted("--server", "calc") == (1, 4)
    assert counted("--tool", "calc/add") == counted("--tool", "add") == (1, 3)
    assert counted("--session", "1", "--tool", "list_notes") == (1, 3)
    async with running_http(ReplayFactory(recording)) as url, Client(url, mode="legacy") as client:
        await client.call_tool("calc_add", {"a": 1, "b": 0.5})
    assert counted("--without-replays") == whole
    assert counted() == (whole[0] + 1, whole[1] + 1)
    for options in (("--call", "99"), ("--session", "2", "--server", "notes")):
        store = ("--store", recording.path, "--out", tmp_path / "n.jsonl")
        code, _, err = command(capfd, "export", "--format", "cassette", *store, *options)
        assert (code, "no call is selected" in err) == (2, True)
    assert not (tmp_path / "n.jsonl").exists()


async def test_a_cassette_that_was_cut_or_changed_is_refused_and_the_recording_left_alone(
    recording: Recording, proxy: Proxy, spec: Specs, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    await record(proxy, spec)
    whole = tmp_path / "a.jsonl"
    write_cassette(recording, whole)
    lines = whole.read_bytes().splitlines(keepends=True)
    bad, store = tmp_path / "bad.jsonl", tmp_path / "b.db"

    def refused(content: bytes) -> str:
        bad.write_bytes(content)
        code, _, err = command(capfd, "import", bad, "--store", store)
        assert code == 2
        assert not store.exists()
        return err

    assert "cut off: it has" in refused(b"".join(lines[:-1]))
    assert "was changed" in refused(b"".join(lines).replace(b"bread", b"bream"))
    assert f"{bad}:3: not a line of a cassette" in refused(lines[0] + lines[1] + b"{}\n")
    assert "server colour: not known here" in refused(lines[0] + b'{"server":{"id":1,"name":"a","colour":1}}\n')
    assert "newer than 1" in refused(lines[0].replace(b'cassette":1', b'cassette":2') + b"".join(lines[1:]))


async def test_a_cassette_comes_into_a_recording_that_holds_something_already(
    recording: Recording, proxy: Proxy, spec: Specs, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    await record(proxy, spec)
    write_cassette(recording, tmp_path / "calc.jsonl", Selection(servers=frozenset({"calc"})))
    write_cassette(recording, tmp_path / "notes.jsonl", Selection(servers=frozenset({"notes"})))
    store = tmp_path / "b.db"
    for name in ("calc", "notes", "calc"):
        code, told, _ = command(capfd, "import", tmp_path / f"{name}.jsonl", "--store", store, "--json")
        assert code == 0
    assert told["same"] == 1
    assert command(capfd, "diff", recording.path, store, "--json")[1]["equal"] is True
