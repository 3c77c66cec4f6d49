"""The options of ``firefly replay`` and ``firefly effects`` that name rules, models and real servers, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from firefly_mcp.cli import main as entry
from firefly_mcp.cli.replay import command
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import params_of

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("FIREFLY_STORE", "FIREFLY_DEBUG", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*args: object) -> tuple[int, str, str]:
        code = entry([str(arg) for arg in args])
        out, err = capfd.readouterr()
        return code, out, err

    return invoke


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A recording of two servers, one call each."""
    path = tmp_path / "firefly.db"
    with Recording(path, create=True) as recording:
        session = recording.begin_session("record")
        for server, tool in (("shop", "buy"), ("shop", "stock"), ("mail", "inbox")):
            definition = {"name": tool, "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
            recording.snapshot_tools(server, [definition])
            session.end_call(session.begin_call(server, "tools/call", params_of(tool, {})), result={"content": []})
        session.end()
    return path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--on-miss", "simulate"], "--on-miss simulate and --simulate-model MODEL belong together"),
        (["--simulate-model", "m"], "--on-miss simulate and --simulate-model MODEL belong together"),
        (["--on-miss", "simulate", "--simulate-model", "m"], "the model m needs OPENAI_API_KEY"),
        (["--on-miss", "live"], "--on-miss live needs the real servers"),
        (["--config", "servers.json"], "those are asked with --on-miss live only"),
        (["--", "a-server"], "those are asked with --on-miss live only"),
        (["--on-miss", "live", "--", "a-server"], "pick it with --server NAME"),
        (["--on-miss", "live", "--server", "shop", "--", "no-such-command-anywhere"], "no-such-command-anywhere"),
        (["--on-miss", "live", "--config", "nowhere.json"], "nowhere.json: cannot be read as a servers file"),
        (["--rules", "nowhere.toml"], "nowhere.toml: cannot be read as replay rules"),
    ],
)
def test_an_option_that_means_nothing_is_one_line_and_exit_2(options: list[str], said: str, store: Path, run: Run) -> None:
    code, out, err = run("replay", "--store", store, *options)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_a_servers_file_that_has_none_of_the_recorded_servers_is_refused(store: Path, run: Run, tmp_path: Path) -> None:
    config = tmp_path / "servers.json"
    config.write_text(json.dumps({"mcpServers": {"bank": {"command": "bank"}}}))
    code, _, err = run("replay", "--store", store, "--on-miss", "live", "--config", config)
    assert code == 2
    assert "has none of the recorded servers: shop, mail" in err


@pytest.mark.parametrize("command", ["replay", "effects"])
def test_rules_for_a_tool_that_the_recording_does_not_have_are_refused(command: str, store: Path, run: Run) -> None:
    (store.parent / "replay.toml").write_text('[tools."shop/sell"]\nside_effects = true\n')
    code, _, err = run(command, "--store", store)
    assert code == 2
    assert err.splitlines()[0] == f"rules: {store.parent / 'replay.toml'}"
    assert "'shop/sell' fits no tool of" in err.splitlines()[1]


def test_effects_show_what_the_rules_declare(store: Path, run: Run) -> None:
    rules = store.parent / "mine.toml"
    rules.write_text('[tools."shop/buy"]\naffects = ["stock", "mail/inbox"]\n[tools."mail/inbox"]\nvolatile = true\n')
    code, out, _ = run("effects", "--store", store, "--rules", rules, "--json")
    assert code == 0
    found = json.loads(out)
    pairs = {(pair["writer"], pair["reader"], pair["affects"]) for pair in found["effects"] if pair["source"] == "declared"}
    assert ("buy", "stock", True) in pairs
    assert found["volatile"] == [{"server": "mail", "tool": "inbox"}]


@pytest.mark.parametrize(
    ("options", "pace", "argv"),
    [
        ([], None, ()),
        (["--pace"], 1.0, ()),
        (["--pace", "0.5"], 0.5, ()),
        (["--on-miss", "live", "--pace", "--", "a-server", "--pace"], 1.0, ("a-server", "--pace")),
    ],
)
def test_a_pace_without_a_factor_is_the_recorded_one(options: list[str], pace: float | None, argv: tuple[str, ...]) -> None:
    parsed = command.make_context("replay", options).params
    assert (parsed["pace"], parsed["argv"]) == (pace, argv)
