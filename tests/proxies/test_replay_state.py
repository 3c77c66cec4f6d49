"""State over HTTP: what names a session, in which order, and that nothing stale is served, resources and prompts included."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError

from firefly_mcp.redact import Redactor
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store.recording import Recording
from firefly_proxies.record import RecordFactory
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http

NOTES = Path(__file__).parents[1] / "servers" / "notes.py"
STATELESS = "2026-07-28"
BREAD = {"title": "bread"}


async def record(path: Path) -> None:
    spec = ServerSpec(name="notes", command=sys.executable, args=(str(NOTES),))
    with Recording(path, create=True) as recording:
        factory = RecordFactory(recording, {"notes": spec}, redactor=Redactor())
        async with running_http(factory) as url, Client(url, mode="legacy") as client:
            await client.list_tools()
            await client.list_resources()
            await client.list_prompts()
            await client.read_resource("notes://all")
            await client.get_prompt("summarize", {})
            await client.call_tool("list_notes", {})
            await client.call_tool("add_note", BREAD)
            await client.read_resource("notes://all")
            await client.call_tool("list_notes", {})


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One recorded session of the notes server."""
    path = tmp_path_factory.mktemp("recorded") / "a.db"
    anyio.run(record, path)
    return path


@pytest.fixture
def store(recorded: Path, tmp_path: Path) -> Path:
    """A copy of that recording for one test."""
    return Path(shutil.copy(recorded, tmp_path / "a.db"))


def count(result: Any) -> Any:
    """How many notes a list shows, or the cause of the miss."""
    return result.structured_content["count"] if not result.is_error else result.meta["firefly/cause"]


async def test_a_resource_that_a_write_may_have_changed_is_not_served_from_before_it(store: Path) -> None:
    with Recording(store) as recording:
        async with running_http(ReplayFactory(recording)) as url, Client(url, mode="legacy") as client:
            assert (await client.read_resource("notes://all")).contents[0].text == ""  # type: ignore[union-attr]
            await client.call_tool("add_note", BREAD)
            assert (await client.read_resource("notes://all")).contents[0].text == "bread"  # type: ignore[union-attr]
            with pytest.raises(MCPError, match=r"another state.*add_note"):
                await client.get_prompt("summarize", {})
        async with running_http(ReplayFactory(recording)) as url, Client(url, mode="legacy") as client:
            await client.call_tool("add_note", {"title": "never recorded"})
            with pytest.raises(MCPError, match=r"another state.*add_note"):
                await client.read_resource("notes://all")


async def test_a_stateless_client_that_names_no_session_misses_on_state_and_is_told_how_to_name_one(store: Path) -> None:
    with Recording(store) as recording:
        async with running_http(ReplayFactory(recording)) as url:
            async with Client(url, mode=STATELESS) as client:
                added = await client.call_tool("add_note", BREAD)
                listed = await client.call_tool("list_notes", {})
            assert [count(added), count(listed)] == ["session", "session"]
            assert "?session=ID" in str(listed.content)
            assert "firefly/session" in str(listed.content)
            async with Client(f"{url}?session=one", mode=STATELESS) as client:
                assert count(await client.call_tool("list_notes", {})) == 0
                await client.call_tool("add_note", BREAD)
                assert count(await client.call_tool("list_notes", {})) == 1


@pytest.mark.parametrize("mode", ["legacy", STATELESS])
async def test_a_name_in_meta_comes_before_the_url_and_the_url_before_the_protocols_own_session(store: Path, mode: str) -> None:
    meta: Any = {"firefly/session": "two"}
    with Recording(store) as recording:
        async with running_http(ReplayFactory(recording)) as url, Client(f"{url}?session=one", mode=mode) as client:
            await client.call_tool("add_note", BREAD)
            assert count(await client.call_tool("list_notes", {}, meta=meta)) == 0
            assert count(await client.call_tool("list_notes", {})) == 1
            async with Client(f"{url}?session=one", mode=mode) as other:
                assert count(await other.call_tool("list_notes", {})) == 1
            async with Client(f"{url}?session=three", mode=mode) as other:
                assert count(await other.call_tool("list_notes", {})) == 0


async def test_without_a_name_each_handshake_begins_anew(store: Path) -> None:
    with Recording(store) as recording:
        async with running_http(ReplayFactory(recording)) as url, Client(url, mode="legacy") as first:
            await first.call_tool("add_note", BREAD)
            async with Client(url, mode="legacy") as second:
                assert count(await second.call_tool("list_notes", {})) == 0
            assert count(await first.call_tool("list_notes", {})) == 1
