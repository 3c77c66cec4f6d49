"""``firefly record`` as a command: what it says, where it listens, and how it ends."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest
from mcp import Client

from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_proxies.serve import listen
from tests.proxies.harness import SERVERS, Firefly, stored_bytes

BAD = str(SERVERS / "bad.py")


def config(folder: Path, **servers: object) -> str:
    path = folder / "servers.json"
    path.write_text(json.dumps({"mcpServers": servers}))
    return str(path)


async def test_it_says_where_it_listens_and_ends_cleanly(tmp_path: Path, firefly: Firefly) -> None:
    store = tmp_path / "f.db"
    async with firefly("record", "--store", str(store), "--http", "0", "--", sys.executable, BAD, "fine") as command:
        line = await command.until("listening on")
        url = line.removeprefix("listening on ")
        assert url.startswith("http://127.0.0.1:")
        assert url.endswith("/mcp")
        async with Client(url) as client:
            await client.call_tool("go", {})
        async with Client(url) as client:  # a session that is open when the proxy is told to stop
            await client.call_tool("go", {})
            assert await command.stop(signal.SIGTERM) == 0
    with Recording(store) as recording:
        assert [session.calls for session in queries.sessions(recording)] == [1, 1]
        assert all(session.ended_at for session in queries.sessions(recording))


async def test_servers_of_a_file_are_chosen_by_name(tmp_path: Path, firefly: Firefly) -> None:
    path = config(
        tmp_path,
        one={"command": sys.executable, "args": [BAD, "fine"]},
        two={"command": sys.executable, "args": [BAD, "exits"]},
    )
    arguments = ("record", "--store", str(tmp_path / "f.db"), "--http", "0", "--config", path)
    async with firefly(*arguments, "--server", "one") as command:
        url = (await command.until("listening on")).split()[-1]
        async with Client(url) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["go"]
    async with firefly(*arguments) as command:
        url = (await command.until("listening on")).split()[-1]
        async with Client(url) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["one_go"]
        await command.until("server 'two' is left out")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--", "no-such-command"], "firefly: server 'no-such-command' cannot be started: command not found: no-such-command"),
        ([], "firefly: no server to record: give --config FILE or -- COMMAND ARG..."),
        (["--config", "nowhere.json"], "nowhere.json"),
        (["--config", "{config}", "--server", "three"], "no server named 'three'; it has one"),
        (["--config", "{config}", "--", "x"], "not both"),
        (["--server", "x"], "--config"),
        (["--http", "port", "--", sys.executable], "--http wants PORT or HOST:PORT, not 'port'"),
        (["--http", "{taken}", "--", sys.executable], "Address already in use"),
        (["--store", "{foreign}", "--", sys.executable], "foreign.db"),
        (["--on-store-error", "maybe", "--", sys.executable], "'maybe' is not one of"),
    ],
)
async def test_wrong_use_is_one_clear_line_and_exit_code_2(
    arguments: list[str], said: str, tmp_path: Path, firefly: Firefly
) -> None:
    path = config(tmp_path, one={"command": sys.executable, "args": [BAD, "fine"]})
    foreign = tmp_path / "foreign.db"
    foreign.write_text("this is no recording")
    with listen("127.0.0.1", 0) as taken:
        filled = [
            argument.format(config=path, taken=taken.getsockname()[1], foreign=foreign)
            if argument.startswith("{")
            else argument
            for argument in arguments
        ]
        async with firefly("record", *filled, cwd=tmp_path) as command:
            code, out, errors = await command.finish()
    assert (code, out) == (2, "")
    assert said in errors
    assert len([line for line in errors.splitlines() if not line.startswith("Try ")]) == 1
    assert foreign.read_text() == "this is no recording"
    assert not (tmp_path / "firefly.db").exists() or "taken" in str(arguments)


async def test_on_stdio_nothing_but_the_protocol_is_on_standard_output(tmp_path: Path, firefly: Firefly) -> None:
    async with firefly("record", "--store", str(tmp_path / "f.db"), "--", sys.executable, BAD, "prints") as command:
        for line in (b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}', b"nonsense", b"[]", b'{"jsonrpc":"2.0"}', b""):
            await command.send(line)
        code, out, errors = await command.finish()
    assert code == 0
    answers = {answer["id"]: answer for answer in map(json.loads, out.splitlines()) if answer["id"] is not None}
    assert answers[1]["result"]["tools"][0]["name"] == "go"
    assert sorted(json.loads(line)["error"]["code"] for line in out.splitlines() if '"id":null' in line) == [
        -32700,
        -32600,
        -32600,
    ]
    assert "not JSON-RPC" in errors


async def test_secrets_of_the_configuration_are_not_stored(tmp_path: Path, firefly: Firefly) -> None:
    env = {"API_KEY": "${THE_KEY}", "OTHER_TOKEN": "literal-9f8e7d6c"}
    path = config(tmp_path, one={"command": sys.executable, "args": [BAD, "fine"], "env": env})
    store = tmp_path / "f.db"
    environment = {"THE_KEY": "from-outside-1a2b3c", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    async with firefly("record", "--store", str(store), "--config", path, env=environment) as command:
        params = {"name": "go", "arguments": {"echo": "from-outside-1a2b3c literal-9f8e7d6c"}}
        await command.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode())
        answer = json.loads(await command.receive())
        assert "from-outside-1a2b3c" in answer["result"]["content"][0]["text"]
        assert (await command.finish())[0] == 0
    stored = stored_bytes(store)
    for secret in (b"from-outside-1a2b3c", b"literal-9f8e7d6c"):
        assert secret not in stored
    with Recording(store) as recording:
        assert queries.servers(recording)["one"]["env"]["API_KEY"] == "${THE_KEY}"
