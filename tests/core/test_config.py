"""servers.json: what is read, what is filled in, what may be stored, and what bad input is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.errors import ConfigError
from firefly_mcp.servers.config import ServerSpec, load_servers, spec_from_command


def write(folder: Path, content: Any) -> Path:
    path = folder / "servers.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def one(folder: Path, entry: dict[str, Any]) -> ServerSpec:
    return load_servers(write(folder, {"mcpServers": {"it": entry}}))["it"]


def test_the_desktop_clients_file_is_read_in_order(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "mcpServers": {
                "notes": {
                    "command": "uvx",
                    "args": ["notes-mcp", 3],
                    "env": {"MODE": "x", "DEBUG": True, "GONE": None},
                    "cwd": "/w",
                },
                "remote": {"url": "https://host.example/mcp", "headers": {"X-Team": "blue"}},
            }
        },
    )
    specs = load_servers(path)
    assert list(specs) == ["notes", "remote"]
    assert specs["notes"] == ServerSpec("notes", "uvx", ("notes-mcp", "3"), {"MODE": "x", "DEBUG": "true"}, cwd="/w")
    assert (specs["remote"].url, specs["remote"].transport) == ("https://host.example/mcp", "http")


def test_vs_codes_file_is_read_with_its_comments(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """\
{
  // where the notes live
  "servers": {
    "notes": { "type": "stdio", "command": "notes", "args": ["--url", "http://x//y"], }, /* and
    another */
    "events": { "type": "sse", "url": "http://localhost:1/sse" },
  },
}
""",
    )
    specs = load_servers(path)
    assert specs["notes"].args == ("--url", "http://x//y")
    assert specs["events"].transport == "sse"


def test_unknown_keys_are_kept(tmp_path: Path) -> None:
    spec = one(tmp_path, {"command": "a", "autoApprove": ["read"], "timeout": 60})
    assert spec.extra == {"autoApprove": ["read"], "timeout": 60}
    assert spec.redacted()["autoApprove"] == ["read"]


def test_disabled_servers_are_left_out_unless_named(tmp_path: Path) -> None:
    path = write(tmp_path, {"mcpServers": {"a": {"command": "a"}, "b": {"command": "b", "disabled": True}}})
    assert list(load_servers(path)) == ["a"]
    assert list(load_servers(path, ["b"])) == ["b"]


def test_variables_are_filled_in_everywhere_and_only_when_asked(tmp_path: Path) -> None:
    spec = one(
        tmp_path,
        {
            "command": "${BIN}/run",
            "args": ["--dir=${DIR:-/tmp/d}", "${env:NAME}"],
            "env": {"KEY": "${KEY}", "EMPTY": "${NOTHING:-}"},
            "cwd": "${DIR:-/w}",
        },
    )
    assert spec.command == "${BIN}/run"
    filled = spec.expanded({"BIN": "/opt", "NAME": "n", "KEY": "k ${BIN}", "DIR": ""})
    assert (filled.command, filled.args, filled.cwd) == ("/opt/run", ("--dir=/tmp/d", "n"), "/w")
    # A value is never expanded again: what a variable holds is not configuration.
    assert filled.env == {"KEY": "k ${BIN}", "EMPTY": ""}


def test_a_missing_variable_names_server_and_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"server 'it': \$\{TOKEN\} is used, but the variable TOKEN is not set"):
        one(tmp_path, {"command": "a", "env": {"T": "${TOKEN}"}}).expanded({})


def test_an_editors_input_is_refused_with_what_to_write_instead(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\$\{input:key\} asks an editor .* use \$\{VARIABLE\}"):
        one(tmp_path, {"command": "a", "env": {"T": "${input:key}"}}).expanded({})


def test_what_is_stored_holds_references_but_no_values(tmp_path: Path) -> None:
    spec = one(
        tmp_path,
        {
            "url": "https://user:pw-in-url@host.example/mcp?api_key=key-in-url&page=2",
            "headers": {"Authorization": "Bearer ${TOKEN}", "X-Key": "literal-header", "X-D": "${D:-default-value}"},
            "apiKey": "key-in-extra",
        },
    )
    stored = json.dumps(spec.redacted())
    for secret in ("pw-in-url", "key-in-url", "literal-header", "default-value", "key-in-extra"):
        assert secret not in stored
    assert "Bearer ${TOKEN}" in stored
    assert "page=2" in stored
    assert "host.example" in stored


def test_credentials_on_a_command_line_are_not_stored() -> None:
    spec = ServerSpec(
        "x", "srv", ("--api-key", "k-1234567", "--token=t-1234567", "PASSWORD=p-1234567", "--port", "80", "--key-file", "f"), {}
    )
    stored = spec.redacted()["args"]
    assert stored[0] == "--api-key"
    assert stored[4:] == ["--port", "80", "--key-file", "f"]
    assert not [secret for secret in ("k-1234567", "t-1234567", "p-1234567") if secret in json.dumps(stored)]
    assert set(spec.secrets()) == {"k-1234567", "t-1234567", "p-1234567"}


def test_an_expanded_spec_is_stored_without_the_values_that_were_filled_in(tmp_path: Path) -> None:
    spec = one(tmp_path, {"command": "srv", "args": ["--auth", "x:${API_TOKEN}"], "env": {"A": "${API_TOKEN}"}})
    filled = spec.expanded({"API_TOKEN": "tok-998877"})
    assert "tok-998877" in filled.args[1]
    assert "tok-998877" not in json.dumps(filled.redacted())
    assert "tok-998877" in filled.secrets()


def test_every_value_of_env_and_headers_is_a_secret_except_what_hides_nothing(tmp_path: Path) -> None:
    spec = one(
        tmp_path,
        {
            "command": "a",
            "env": {
                "API_KEY": "k",
                "WHATEVER": "some-value-7",
                "LOG_LEVEL": "error",
                "PORT": "8080",
                "FLAG": "true",
                "DATA_DIR": "/srv/data",
                "PUBLIC_ONE": "shown-value",
            },
            "firefly": {"public": ["PUBLIC_ONE"]},
        },
    )
    assert set(spec.secrets()) == {"k", "some-value-7"}
    web = one(tmp_path, {"url": "http://x/mcp", "headers": {"Authorization": "Basic dXNlcjpodW50ZXIy", "Accept": "text/html"}})
    assert set(web.secrets()) == {"Basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy", "hunter2"}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('{"mcpServers": {\n  "a": {"command": "x",,}\n}}', "line 2, column"),
        ("", "line 1, column 1"),
        ("[]", 'expected an object with "mcpServers"'),
        ('{"mcpServers": {}}', "no servers in it"),
        ('{"mcpServers": {"a": 1}}', "server 'a': expected an object"),
        ('{"mcpServers": {"a": {}}}', 'server \'a\': needs either "command" or "url"'),
        ('{"mcpServers": {"a": {"command": "x", "url": "y"}}}', "has both"),
        ('{"mcpServers": {"a": {"command": ["x"]}}}', '"command" must be a text'),
        ('{"mcpServers": {"a": {"command": "x", "args": "y"}}}', '"args" must be a list'),
        ('{"mcpServers": {"a": {"command": "x", "env": ["y"]}}}', '"env" must be an object'),
        ('{"mcpServers": {"a": {"command": "x", "type": "carrier-pigeon"}}}', "known are stdio, http and sse"),
        ('{"mcpServers": {"a": {"command": "x", "type": "http"}}}', "does not fit"),
        ('{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}', "'a' stands twice"),
        ('{"mcpServers": {"a b": {"command": "x"}, "a/b": {"command": "y"}}}', "would both be called 'a-b'"),
    ],
)
def test_a_malformed_file_gets_one_line_that_names_the_place(tmp_path: Path, content: str, line: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        load_servers(path)
    message = str(caught.value)
    assert line in message
    assert message.startswith(str(path))
    assert "\n" not in message


def test_an_unknown_server_is_told_which_are_known(tmp_path: Path) -> None:
    path = write(tmp_path, {"mcpServers": {"a": {"command": "x"}, "b": {"command": "x"}}})
    with pytest.raises(ConfigError, match="no server named 'c'; it has a, b"):
        load_servers(path, ["a", "c"])


def test_a_file_that_is_not_there_or_no_text_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_servers(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="is a folder"):
        load_servers(tmp_path)
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_servers(binary)


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["uvx", "mcp-server-time", "--local-timezone", "UTC"], "mcp-server-time"),
        (["uvx", "--with", "mcp<2", "--python", "3.11", "mcp-server-sqlite==1.0", "--db", "x"], "mcp-server-sqlite"),
        (["uvx", "--from", "pkg", "command"], "command"),
        (["uv", "run", "server.py"], "server"),
        (["uv", "tool", "run", "pkg[extra]@2"], "pkg"),
        (["npx", "-y", "@modelcontextprotocol/server-memory@2025.1.1"], "server-memory"),
        (["python3.12", "-m", "my_server.main", "--x"], "my_server"),
        (["/usr/bin/python", "-u", "tests/servers/notes.py"], "notes"),
        (["node", "dist/weather.js"], "weather"),
        (["./bin/thing", "--flag"], "thing"),
        (["./odd name"], "odd-name"),
    ],
)
def test_a_bare_command_names_its_server(argv: list[str], name: str) -> None:
    spec = spec_from_command(argv)
    assert (spec.name, spec.command, spec.args) == (name, argv[0], tuple(argv[1:]))


def test_no_command_is_refused() -> None:
    with pytest.raises(ConfigError, match="no command"):
        spec_from_command([])
