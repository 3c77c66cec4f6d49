"""A merged recording replays as its parts do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from firefly_mcp.redact import Redactor
from firefly_mcp.redaction_rules import NO_RULES, RedactionRules
from firefly_mcp.replay import ReplayPolicy
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store import queries
from firefly_mcp.store.merge import merge
from firefly_mcp.store.recording import Recording
from firefly_proxies.record import RecordFactory
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http
from tests.proxies.harness import SERVERS


async def script(client: Client, *titles: str) -> list[Any]:
    """Reads before, between and after writes; ids that only the server knows; a read that fails; a resource."""
    out: list[Any] = []

    async def call(tool: str, **arguments: Any) -> Any:
        answer = await client.call_tool(tool, arguments)
        shown = answer.model_dump(mode="json", by_alias=True, exclude_none=True)
        shown["_meta"] = {key: value for key, value in shown.get("_meta", {}).items() if not key.startswith("firefly/")}
        out.append(shown)
        return answer.structured_content

    await call("list_notes")
    for title in titles:
        added = await call("add_note", title=title, tags=["all"])
        await call("list_notes", tag="all")
        await call("get_note", note_id=added["id"])
    await call("delete_note", note_id=added["id"])
    await call("get_note", note_id=added["id"])
    await call("list_notes")
    out.append((await client.read_resource("notes://all")).model_dump(mode="json", exclude={"meta"}))
    return out


async def record(path: Path, seed: str, *titles: str, key: str, rules: RedactionRules = NO_RULES) -> list[Any]:
    env = {"NOTES_SEED": seed}
    spec = ServerSpec(name="notes", command=sys.executable, args=(str(SERVERS / "notes.py"),), env=env)
    with Recording(path, create=True) as recording:
        factory = RecordFactory(recording, {"notes": spec}, redactor=Redactor(rules=rules))
        async with running_http(factory) as url, Client(f"{url}?session={key}", mode="legacy") as client:
            await client.list_tools()
            return await script(client, *titles)


async def replayed(path: Path, start: str | None, *titles: str) -> tuple[list[Any], set[str]]:
    """What replay answers, and the kinds of match that its log tells."""
    with Recording(path) as recording:
        before = max(session.id for session in queries.sessions(recording))
        async with (
            running_http(ReplayFactory(recording, ReplayPolicy(start=start))) as url,
            Client(url, mode="legacy") as client,
        ):
            answers = await script(client, *titles)
        return answers, {str(call.match) for call in queries.calls(recording) if call.session > before}


@pytest.mark.parametrize("key", ["other", "day"])
async def test_each_session_of_the_parts_replays_from_the_merged_recording(tmp_path: Path, key: str) -> None:
    titles_a, titles_b = ("bread", "rye"), ("bread", "oats", "bran")
    live_a = await record(tmp_path / "a.db", "one", *titles_a, key="day")
    live_b = await record(tmp_path / "b.db", "two", *titles_b, key=key)
    assert live_a[1] != live_b[1]  # the same call in the same place, and another id
    assert (await replayed(tmp_path / "a.db", None, *titles_a))[0] == live_a
    report = merge([tmp_path / "a.db", tmp_path / "b.db"], tmp_path / "ab.db")
    start_b = report.renamed[0]["to"] if report.renamed else key
    assert (start_b == key) == (key != "day")
    for start, titles, live in (("day", titles_a, live_a), (start_b, titles_b, live_b)):
        assert await replayed(tmp_path / "ab.db", start, *titles) == (live, {"exact"})


async def test_parts_that_were_redacted_by_different_rules_replay_merged(tmp_path: Path) -> None:
    rules = RedactionRules(patterns=(("grain", "rye|oats"),))
    await record(tmp_path / "a.db", "one", "rye", key="redacted", rules=rules)
    live = await record(tmp_path / "b.db", "two", "rye", key="plain")
    hidden, _ = await replayed(tmp_path / "a.db", None, "rye")
    assert "[redacted:grain]" in str(hidden)
    merge([tmp_path / "a.db", tmp_path / "b.db"], tmp_path / "ab.db")
    assert (await replayed(tmp_path / "ab.db", "redacted", "rye"))[0] == hidden
    assert (await replayed(tmp_path / "ab.db", "plain", "rye"))[0] == live
