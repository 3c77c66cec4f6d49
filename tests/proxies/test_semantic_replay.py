"""``firefly replay --match semantic`` for a real client: other words are answered, the distance is told, the rest misses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from firefly_mcp.errors import UsageError
from firefly_mcp.replay import ReplayPolicy
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import MatchKind, params_of
from firefly_proxies.embedders import embedder_named
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http

TOOL: dict[str, Any] = {
    "name": "search",
    "inputSchema": {"type": "object", "properties": {"query": {"type": "string"}, "limit": {"type": "integer", "default": 5}}},
    "annotations": {"readOnlyHint": True},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "a.db"
    with Recording(made, create=True) as recording:
        recording.snapshot_tools("shop", [TOOL])
        session = recording.begin_session("record")
        session.connect("shop", {"capabilities": {"tools": {}}}, origin="proven(x)")
        for number, query in enumerate(["cheap shoes for children", "a red umbrella"]):
            call = session.begin_call("shop", "tools/call", params_of("search", {"query": query}))
            session.end_call(call, result={"content": [{"type": "text", "text": f"page {number}"}]})
    return made


async def test_a_client_gets_the_answer_to_other_words_with_its_distance_and_a_miss_for_another_request(path: Path) -> None:
    with Recording(path) as recording:
        factory = ReplayFactory(recording, ReplayPolicy(match=MatchKind.SEMANTIC), embedder=embedder_named("hashing"))
        async with running_http(factory) as url, Client(url) as client:
            found = await client.call_tool("search", {"query": "inexpensive shoes for kids"})
            assert found.content[0].text == "page 0"  # type: ignore[union-attr]
            assert found.meta is not None
            assert found.meta["firefly/match"] == "semantic"
            assert 0 < found.meta["firefly/distance"] < 1
            for query, limit in (
                ("expensive shoes for children", 5),
                ("a blue umbrella", 5),
                ("inexpensive shoes for kids", 6),
            ):
                missed = await client.call_tool("search", {"query": query, "limit": limit})
                assert missed.is_error
                assert missed.meta is not None
                assert missed.meta["firefly/match"] == "miss"
    with Recording(path) as recording:
        logged = [call.match for call in queries.calls(recording) if call.match]
    assert logged == ["semantic", "miss", "miss", "miss"]


async def test_the_rung_is_climbed_only_when_it_was_asked_for(path: Path) -> None:
    with Recording(path) as recording:
        async with running_http(ReplayFactory(recording)) as url, Client(url) as client:
            assert (await client.call_tool("search", {"query": "inexpensive shoes for kids"})).is_error
        assert not recording.db.execute("SELECT * FROM vector").fetchall()


def test_an_unknown_embedder_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="no such embedder"):
        embedder_named("nonsense")


def test_vectors_of_a_recording_stay_small(tmp_path: Path) -> None:
    made = tmp_path / "many.db"
    with Recording(made, create=True) as recording:
        tools = [{**TOOL, "name": f"search_{number}"} for number in range(1000)]
        recording.snapshot_tools("shop", tools)
        session = recording.begin_session("record")
        session.connect("shop", {}, origin="proven(x)")
        for tool in tools:
            call = session.begin_call("shop", "tools/call", params_of(tool["name"], {"query": f"shoes of {tool['name']}"}))
            session.end_call(call, result={"content": []})
        ReplayFactory(recording, ReplayPolicy(match=MatchKind.SEMANTIC))
        assert recording.db.execute("SELECT count(*) FROM vector").fetchall() == [(1000,)]
        pages = int(json.loads(str(recording.db.pragma("page_count")))) * int(json.loads(str(recording.db.pragma("page_size"))))
    assert pages < 20 * 2**20
