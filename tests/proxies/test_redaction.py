"""Redaction by a user's own rules: what they hide is in no byte, and the recording replays by the same rules."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from firefly_mcp.cli import main
from firefly_mcp.redact import Redactor
from firefly_mcp.redaction_rules import NO_RULES, PathRule, RedactionRules
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_proxies.record import RecordFactory
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http
from tests.proxies.harness import SERVERS, Firefly, stored_bytes

NOTES = ServerSpec(name="notes", command=sys.executable, args=(str(SERVERS / "notes.py"),))
RULES = RedactionRules(
    environment=("WARD_CODE",),
    patterns=(("staff-number", r"EMP-\d{4,}"),),
    paths=(
        PathRule("notes", "add_note", arguments=("/title", "/tags/*"), result=("$.title",)),
        PathRule(None, None, result=("$..tags",)),
    ),
)
VARIABLES = {"WARD_CODE": "ward-77-blue"}
HIDDEN = ("Ann Lee", "EMP-123456", "ward-77-blue", "flu and gout")


async def ask(client: Client) -> list[Any]:
    """A note full of what is to be hidden, and reading it again by the id that the server made."""
    text = "seen by EMP-123456 in ward-77-blue"
    added = await client.call_tool("add_note", {"title": "Ann Lee", "text": text, "tags": ["flu and gout"]})
    assert added.structured_content, added.content
    number = added.structured_content["id"]
    read = await client.call_tool("get_note", {"note_id": number})
    listed = await client.call_tool("list_notes", {})
    return [added.structured_content, read.structured_content, listed.structured_content]


async def record(path: Path, rules: RedactionRules = RULES, *, key: str = "one") -> list[Any]:
    with Recording(path, create=True) as recording:
        redactor = Redactor(rules=rules, variables=VARIABLES)
        factory = RecordFactory(recording, {"notes": NOTES}, redactor=redactor, labels={"test": key})
        async with running_http(factory) as url, Client(f"{url}?session={key}", mode="legacy") as client:
            await client.list_tools()
            return await ask(client)


async def replay(recording: Recording, monkeypatch: pytest.MonkeyPatch, **more: Any) -> list[Any]:
    monkeypatch.setenv("WARD_CODE", "ward-77-blue")
    async with running_http(ReplayFactory(recording, **more)) as url, Client(url, mode="legacy") as client:
        return await ask(client)


async def test_what_the_rules_hide_is_in_no_byte_and_replay_needs_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.db"
    live = await record(path)
    assert live[1]["title"] == "Ann Lee"
    for hidden in HIDDEN:
        assert hidden.encode() not in stored_bytes(path)
    with Recording(path) as recording:
        added, read, _ = await replay(recording, monkeypatch)
        assert added["title"] == "[redacted:path]"
        assert added["text"] == "seen by [redacted:staff-number] in [redacted:environment]"
        assert (read["id"], read["tags"]) == (live[1]["id"], "[redacted:path]")
        assert {call.match for call in queries.calls(recording) if call.match} == {"exact"}
    for hidden in HIDDEN:  # nor after what replay has logged
        assert hidden.encode() not in stored_bytes(path)


async def test_rules_and_how_often_each_redacted_are_kept_with_the_session(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.db"
    await record(path)
    await record(path, NO_RULES, key="two")
    await record(path, key="three")
    assert main(["sessions", "--store", str(path), "--json"]) == 0
    one, two, three = json.loads(capfd.readouterr().out)
    assert one["config"]["redaction"] == RULES.to_json()
    assert "redaction" not in two["config"]
    assert two["redacted"] == {}
    assert one["labels"]["test"] == "one"
    assert set(one["redacted"]) == {"path", "staff-number", "environment", "echo"}
    assert three["redacted"].keys() == one["redacted"].keys()
    assert main(["stats", "--store", str(path), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["redacted"] == dict(Counter(one["redacted"]) + Counter(three["redacted"]))
    assert main(["stats", "--store", str(path)]) == 0
    assert "staff-number" in capfd.readouterr().out


async def test_sessions_of_different_rules_in_one_recording_each_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.db"
    await record(path, key="hidden")
    live = await record(path, NO_RULES, key="plain")
    with Recording(path) as recording:
        from firefly_mcp.replay import ReplayPolicy

        hidden, _, _ = await replay(recording, monkeypatch, policy=ReplayPolicy(start="hidden"))
        assert hidden["title"] == "[redacted:path]"
        assert await replay(recording, monkeypatch, policy=ReplayPolicy(start="plain")) == live


async def test_a_file_given_to_replay_hides_requests_in_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.db"
    await record(path, NO_RULES)
    rules = RedactionRules(keys=("color",), patterns=(("shade", r"dark \w+"),))
    with Recording(path) as recording:
        factory = ReplayFactory(recording, redaction=rules)
        async with running_http(factory) as url, Client(url, mode="legacy") as client:
            answer = await client.call_tool("add_note", {"title": "dark green", "text": "color: azure"})
            await client.call_tool("list_notes", {})
        assert answer.is_error
        assert "dark green" not in str(answer.content)
    assert b"dark green" not in stored_bytes(path)
    assert b"azure" not in stored_bytes(path)


async def test_a_variable_of_the_servers_is_hidden_again_when_its_value_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.db"
    spec = ServerSpec(name="notes", command=NOTES.command, args=NOTES.args, env={"API_KEY": "${NOTES_KEY}"})
    monkeypatch.setenv("NOTES_KEY", "sesame-opens-1234")
    with Recording(path, create=True) as recording:
        factory = RecordFactory(recording, {"notes": spec}, redactor=Redactor(["sesame-opens-1234"]))
        async with running_http(factory) as url, Client(url, mode="legacy") as client:
            await client.call_tool("add_note", {"title": "the key is sesame-opens-1234"})
        async with running_http(ReplayFactory(recording)) as url, Client(url, mode="legacy") as client:
            answer = await client.call_tool("add_note", {"title": "the key is sesame-opens-1234"})
        assert answer.structured_content
        assert answer.structured_content["title"] == "the key is [redacted:config]"
    assert b"sesame-opens" not in stored_bytes(path)


async def test_the_commands_take_the_file(tmp_path: Path, firefly: Firefly) -> None:
    store, rules = str(tmp_path / "f.db"), tmp_path / "mine.toml"
    rules.write_text("[patterns]\nstaff-number = 'EMP-\\d{4,}'\n[[paths]]\narguments = ['/title']\nresult = ['/title']\n")
    params = {"name": "add_note", "arguments": {"title": "Ann Lee", "text": "by EMP-123456"}}
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}

    async def once(*arguments: str, cwd: Path) -> Any:
        async with firefly(*arguments, cwd=cwd) as command:
            for method, sent in (("initialize", hello), ("tools/call", params)):
                await command.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": sent}).encode())
                answer = json.loads(await command.receive())
            assert (await command.finish())[0] == 0
        return answer["result"]["structuredContent"]

    server = ("--", sys.executable, str(SERVERS / "notes.py"))
    assert (await once("record", "--store", store, "--redaction", str(rules), *server, cwd=tmp_path))["title"] == "Ann Lee"
    replayed = await once("replay", "--store", store, cwd=tmp_path)
    assert (replayed["title"], replayed["text"]) == ("[redacted:path]", "by [redacted:staff-number]")
    rules.rename(tmp_path / "redaction.toml")  # found in the working folder
    await once("record", "--store", str(tmp_path / "g.db"), *server, cwd=tmp_path)
    for name in ("f.db", "g.db"):
        assert b"Ann Lee" not in stored_bytes(tmp_path / name)
        assert b"EMP-123456" not in stored_bytes(tmp_path / name)
    assert main(["scan", "--store", store, "--secret", "Ann Lee", "--secret", "EMP-123456"]) == 0


@pytest.mark.parametrize("command", ["record", "replay"])
async def test_an_error_in_the_file_is_one_line_and_exit_code_2(tmp_path: Path, firefly: Firefly, command: str) -> None:
    store = tmp_path / "f.db"
    Recording(store, create=True).close()
    (tmp_path / "bad.toml").write_text("[patterns]\nstaff = '('\n")
    server = ["--", sys.executable, str(SERVERS / "notes.py")] if command == "record" else []
    async with firefly(command, "--store", str(store), "--redaction", "bad.toml", *server, cwd=tmp_path) as started:
        code, out, errors = await started.finish()
    assert (code, out, errors.count("\n")) == (2, "", 1)
    assert errors.startswith("firefly: bad.toml: patterns.staff: not a regular expression")
