"""The command line: exit codes, one clear line, and stdout that holds the result and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from firefly_mcp import __version__
from firefly_mcp.cli import main as entry
from firefly_mcp.cli.main import COMMANDS, cli
from firefly_mcp.errors import CheckError, ConfigError, DriftError, FireflyError, StoreError, UsageError
from firefly_mcp.store.recording import Recording

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("FIREFLY_STORE", raising=False)
    monkeypatch.delenv("FIREFLY_DEBUG", raising=False)

    def invoke(*args: object) -> tuple[int, str, str]:
        code = entry([str(arg) for arg in args])
        out, err = capfd.readouterr()
        return code, out, err

    return invoke


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A recording of one session with two servers; one call failed, one was never answered, one was replayed."""
    path = tmp_path / "firefly.db"
    with Recording(path, create=True) as recording:
        add = {"name": "add", "description": "Add \x1b[31mred\x1b[0m [bold]x", "inputSchema": {"type": "object"}}
        recording.snapshot_tools(
            "notes", [add, {"name": "list", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}]
        )
        session = recording.begin_session("record", key="abcdef123456", transport="stdio", client_info={"name": "tests"})
        session.connect("notes", {"serverInfo": {"name": "n"}}, protocol_version="2025-11-25")

        def call(server: str, tool: str, arguments: dict[str, Any], **answer: Any) -> None:
            session.end_call(session.begin_call(server, "tools/call", {"name": tool, "arguments": arguments}), **answer)

        call("notes", "list", {}, result={"content": [{"type": "text", "text": "[]"}]})
        call("notes", "add", {"title": "a"}, result={"content": [{"type": "text", "text": "\x07note 1"}]})
        call("notes", "list", {}, result={"content": [{"type": "text", "text": "[1]"}]})
        call("notes", "add", {}, result={"content": [{"type": "text", "text": "no title"}], "isError": True})
        call("time", "now", {"tz": "UTC"}, error={"code": -32602, "message": "gone"})
        session.begin_call("notes", "resources/read", {"uri": "note://1"})
        replayed = recording.begin_session("replay")
        again = replayed.begin_call("notes", "tools/call", {"name": "list"})
        replayed.end_call(again, result={"content": []}, match="exact", source_call=1)
    return path


def test_stats_has_its_documented_shape(run: Run, store: Path) -> None:
    code, out, err = run("stats", "--store", store, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert found["bytes"] >= store.stat().st_size
    shape = {key: found[key] for key in ("servers", "tools", "sessions", "calls", "interrupted", "by_match")}
    assert shape == {"servers": 2, "tools": 2, "sessions": 2, "calls": 7, "interrupted": 1, "by_match": {"exact": 1}}


def test_calls_has_its_documented_shape(run: Run, store: Path) -> None:
    code, out, err = run("calls", "-s", store, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert [call["id"] for call in found] == [1, 2, 3, 4, 5, 6, 7]
    first = {key: found[0][key] for key in ("id", "session", "seq", "server", "tool", "method", "arguments", "result", "match")}
    assert first == {
        "id": 1,
        "session": 1,
        "seq": 1,
        "server": "notes",
        "tool": "list",
        "method": "tools/call",
        "arguments": {},
        "result": {"content": [{"type": "text", "text": "[]"}]},
        "match": None,
    }
    assert (found[3]["is_error"], found[3]["error"]) == (True, None)
    assert (found[4]["is_error"], found[4]["error"], found[4]["result"]) == (True, {"code": -32602, "message": "gone"}, None)
    assert (found[5]["tool"], found[5]["method"], found[5]["arguments"]) == (None, "resources/read", {"uri": "note://1"})
    assert (found[5]["duration_ms"], found[5]["status"]) == (None, "interrupted")
    assert (found[6]["match"], found[6]["source_call"]) == ("exact", 1)
    assert all(isinstance(call["started_at"], float) for call in found)


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (["--server", "time"], [5]),
        (["--tool", "add"], [2, 4]),
        (["--session", "1", "--tool", "list"], [1, 3]),
        (["--session", "abcdef"], [1, 2, 3, 4, 5, 6]),
        (["--errors"], [4, 5]),
        (["--errors", "--limit", "1"], [4]),
        (["--limit", "2"], [1, 2]),
        (["--limit", "0"], []),
        (["--server", "notes", "--tool", "add", "--errors"], [4]),
    ],
)
def test_calls_are_filtered(run: Run, store: Path, filters: list[str], ids: list[int]) -> None:
    code, out, _ = run("calls", "--store", store, "--json", *filters)
    assert (code, [call["id"] for call in json.loads(out)]) == (0, ids)


def test_tools_counts_recorded_calls_only(run: Run, store: Path) -> None:
    _, out, _ = run("tools", "--store", store, "--json")
    assert [(t["server"], t["tool"], t["calls"], t["errors"]) for t in json.loads(out)] == [
        ("notes", "add", 2, 1),
        ("notes", "list", 2, 0),
    ]


def test_sessions_say_where_state_began(run: Run, store: Path) -> None:
    _, out, _ = run("sessions", "--store", store, "--json")
    record, replay = json.loads(out)
    assert (record["key"], record["kind"], record["calls"]) == ("abcdef123456", "record", 6)
    assert [(c["server"], c["origin"]) for c in record["servers"]] == [("notes", "unknown")]
    assert (replay["kind"], replay["calls"]) == ("replay", 1)
    _, out, _ = run("sessions", "--store", store, "--json", "--kind", "replay")
    assert [session["id"] for session in json.loads(out)] == [replay["id"]]


def test_effects_tell_what_was_observed(run: Run, store: Path) -> None:
    code, out, _ = run("effects", "--store", store, "--json")
    found = json.loads(out)
    (pair,) = [p for p in found["effects"] if (p["writer"], p["reader"]) == ("add", "list")]
    assert (code, pair["affects"], pair["source"], pair["evidence"]) == (0, True, "observed", {"calls": [1, 3]})


@pytest.mark.parametrize("command", ["stats", "tools", "sessions", "calls", "effects"])
def test_tables_hold_no_control_characters(run: Run, store: Path, command: str) -> None:
    code, out, err = run(command, "--store", store)
    assert code == 0
    assert out.strip()
    assert not [c for c in out + err if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160]
    if command == "tools":
        assert "Add \\x1b[31mred\\x1b[0m [bold]x" in out


@pytest.mark.parametrize("command", ["tools", "sessions", "calls", "stats", "effects"])
def test_an_empty_recording_is_fine(run: Run, tmp_path: Path, command: str) -> None:
    Recording(tmp_path / "e.db", create=True).close()
    code, out, err = run(command, "--store", tmp_path / "e.db", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) is not None


def test_the_store_comes_from_the_environment_unless_it_is_given(
    run: Run, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIREFLY_STORE", str(store))
    assert run("stats", "--json")[0] == 0
    assert run("stats", "--json", "--store", store.with_name("none.db"))[0] == 2


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["calls", "--server", "nope"], "no server named 'nope'; it has notes, time"),
        (["tools", "--server", "nope"], "no server named 'nope'"),
        (["effects", "--server", "nope"], "no server named 'nope'"),
        (["calls", "--tool", "nope"], "no tool named 'nope'; it has add, list, now"),
        (["calls", "--session", "99"], "no session '99'"),
        (["sessions", "--session", "zzzz"], "no session 'zzzz'"),
        (["calls", "--limit", "-1"], "--limit"),
        (["calls", "--nope"], "No such option"),
        (["nope"], "No such command 'nope'"),
    ],
)
def test_bad_input_gets_one_clear_line_and_exit_code_2(
    run: Run, store: Path, args: list[str], line: str, monkeypatch: Any
) -> None:
    monkeypatch.setenv("FIREFLY_STORE", str(store))
    code, out, err = run(*args)
    said = [part for part in err.splitlines() if not part.startswith("Try 'firefly")]
    assert (code, out, len(said)) == (2, "", 1)
    assert said[0].startswith("firefly: ")
    assert line in said[0]


@pytest.mark.parametrize("command", ["stats", "tools", "sessions", "calls", "effects"])
@pytest.mark.parametrize("kind", ["missing", "text", "folder"])
def test_a_store_that_is_none_is_refused_by_every_command(run: Run, tmp_path: Path, command: str, kind: str) -> None:
    path = tmp_path / "it.db"
    if kind == "text":
        path.write_text("hello")
    elif kind == "folder":
        path.mkdir()
    code, out, err = run(command, "--store", path, "--json")
    assert (code, out) == (2, "")
    assert err.startswith(f"firefly: {path}: ")
    assert err.count("\n") == 1
    assert kind != "text" or path.read_text() == "hello"
    assert kind != "missing" or not path.exists()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("u"), 2),
        (ConfigError("c"), 2),
        (StoreError("s"), 2),
        (CheckError("no"), 1),
        (DriftError("d"), 3),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (FileNotFoundError(2, "No such file", "x.json"), 2),
        (BaseExceptionGroup("g", [ExceptionGroup("h", [ValueError("noise"), DriftError("d")])]), 3),
    ],
)
def test_an_error_becomes_its_exit_code_and_one_line(
    run: Run, error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "get_command", lambda _ctx, _name: click.Command("fail", callback=fail))
    found, out, err = run("fail")
    # After an interrupt click first ends the line that holds the terminal's ^C.
    assert (found, out, err.strip().count("\n")) == (code, "", 0)
    assert err.lstrip().startswith("firefly: ")


def test_a_bug_is_not_passed_off_as_bad_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "get_command", lambda _ctx, _name: click.Command("fail", callback=fail))
    with pytest.raises(ZeroDivisionError):
        run("fail")


def test_debug_shows_what_is_behind_an_errors_line(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREFLY_DEBUG", "1")
    with pytest.raises(FireflyError):
        run("stats", "--store", tmp_path / "none.db")


def test_version_and_help_need_nothing_heavy() -> None:
    code = (
        "import sys; from firefly_mcp.cli import main; main(['--help']);"
        "print([name for name in ('aiohttp', 'mcp', 'fastmcp', 'agents', 'networkx', 'numpy', 'apsw', 'rich', 'pydantic')"
        " if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50)
    assert done.stderr.strip() == "[]"
    assert "stats" in done.stdout
    version = subprocess.run(
        [sys.executable, "-m", "firefly_mcp", "--version"], capture_output=True, text=True, timeout=50, check=True
    )
    assert version.stdout.strip() == f"firefly, version {__version__}"


def test_a_reader_that_has_seen_enough_is_no_error(store: Path) -> None:
    with Recording(store) as recording:
        session = recording.begin_session("record")
        for number in range(300):
            call = session.begin_call("notes", "tools/call", {"name": "add", "arguments": {"n": number}})
            session.end_call(call, result={"content": [{"type": "text", "text": "x" * 1000}]})
    command = f'"{sys.executable}" -m firefly_mcp calls --json --store "{store}" | head -c 10'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=50, env={**os.environ}
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_doctor_reports_the_machine_and_passes_where_the_core_works(
    run: Run, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIREFLY_STORE", str(store))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-to-be-shown")
    code, out, err = run("doctor", "--json")
    found = json.loads(out)
    checks = {check["name"]: check for check in found["checks"]}
    assert (code, err, found["ok"]) == (0, "", True)
    assert checks["sqlite"]["ok"]
    assert "7" in checks["store"]["detail"] or "a recording" in checks["store"]["detail"]
    assert checks["model"]["ok"]
    assert "sk-not-to-be-shown" not in out
    assert all(check["advice"] for check in found["checks"] if not check["ok"])


def test_doctor_fails_only_for_what_the_core_needs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    code, out, _ = run("doctor", "--json")
    checks = {check["name"]: check["ok"] for check in json.loads(out)["checks"]}
    assert (code, checks["npx"], checks["model"]) == (0, False, False)
    monkeypatch.setitem(sys.modules, "apsw", None)
    code, out, err = run("doctor", "--json")
    assert code == 1
    assert json.loads(out)["ok"] is False
    assert "sqlite" in err


def test_every_command_in_the_list_is_the_command_of_its_module() -> None:
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help, f"firefly {name} has no help"
    assert [name for name in COMMANDS if name in cli.list_commands(context)] == cli.list_commands(context)
