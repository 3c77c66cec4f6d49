"""Real servers are explored through the recording proxy, observed twice, and the recording tells what happened."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from firefly_agents.explorer import explore
from firefly_agents.sandboxes import Seeds
from firefly_agents.settings import Budget, ExploreSettings
from firefly_mcp.errors import ModelError
from firefly_mcp.observe import flows, is_success
from firefly_mcp.servers.bundled import bundled_servers, seed_folder
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Call, Session, SessionKind

SERVERS = Path(__file__).parent.parent / "servers"
BUDGET = Budget(calls=20, seconds=30, start_seconds=30)


def spec(name: str, *args: str) -> ServerSpec:
    return ServerSpec(name=name, command=sys.executable, args=(str(SERVERS / f"{name}.py"), *args))


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    with Recording(tmp_path / "firefly.db", create=True) as opened:
        yield opened


def specs(*names: str) -> dict[str, ServerSpec]:
    return {name: spec(name) for name in names}


def calls_of(recording: Recording, session: Session) -> list[Call]:
    return list(queries.calls(recording, session=session.id, method="tools/call"))


def said(recording: Recording) -> dict[str, list[object]]:
    """Every exploring session's calls, by its key."""
    return {
        session.key: [(call.key, call.arguments) for call in calls_of(recording, session)]
        for session in queries.sessions(recording, kind=SessionKind.EXPLORE)
    }


@pytest.mark.timeout(120)
async def test_servers_are_explored_confirmed_and_probed(recording: Recording) -> None:
    report = await explore(recording, specs("notes", "calc"), ExploreSettings(episodes=6, seed=3, budget=BUDGET))

    assert report.servers == ["notes", "calc"]
    assert report.sessions == report.episodes == 6
    assert report.failed == {}
    assert report.succeeded >= report.calls * 0.7
    tried = {call.tool for call in queries.calls(recording, method="tools/call") if is_success(call)}
    assert {"add_note", "get_note", "list_notes", "add", "divide", "convert"} <= tried

    # An id that the notes server made up was handed on.
    found = flows(
        [call for call in queries.calls(recording, method="tools/call", evidence_only=True) if call.server == "notes"]
    )
    assert any(str(flow.value).startswith("note-") and flow.argument == "/note_id" for flow in found)

    explored = {session.key: session for session in queries.sessions(recording, kind=SessionKind.EXPLORE)}
    again = queries.sessions(recording, kind=SessionKind.CONFIRM)
    assert again
    for second in again:
        first = explored[second.labels["of"]]
        assert [(c.key, c.arguments) for c in calls_of(recording, first)] == [
            (c.key, c.arguments) for c in calls_of(recording, second)
        ]
    origins = {(link.server, link.session): link.origin for link in queries.connections(recording)}
    calc = [origin for (server, _), origin in origins.items() if server == "calc"]
    assert any(origin.startswith("proven(") for origin in calc)
    assert len({origin for origin in calc if origin != "unknown"}) == 1

    for probe in queries.sessions(recording, kind=SessionKind.PROBE):
        left_out = probe.labels["writer"].partition("/")[2]
        if probe.labels["form"] == "around":
            continue
        assert left_out in {call.tool for call in calls_of(recording, explored[probe.labels["of"]])}
        assert left_out not in {call.tool for call in calls_of(recording, probe)}


@pytest.mark.timeout(120)
async def test_the_same_seed_makes_the_same_calls_at_any_concurrency(tmp_path: Path) -> None:
    runs = []
    for number, concurrency in enumerate((1, 4)):
        with Recording(tmp_path / f"{number}.db", create=True) as recording:
            await explore(
                recording,
                specs("notes", "calc"),
                ExploreSettings(episodes=6, seed=8, budget=BUDGET, concurrency=concurrency, confirming=False),
            )
            runs.append(said(recording))
    assert runs[0] == runs[1]
    assert sum(len(calls) for calls in runs[0].values()) > 15


@pytest.mark.timeout(120)
async def test_an_exploration_goes_on_where_it_stopped(recording: Recording, tmp_path: Path) -> None:
    await explore(recording, specs("notes", "calc"), ExploreSettings(episodes=3, seed=5, budget=BUDGET, confirming=False))
    before = said(recording)
    report = await explore(
        recording, specs("notes", "calc"), ExploreSettings(episodes=5, seed=5, budget=BUDGET, confirming=False)
    )
    assert report.skipped == 3
    assert report.sessions == 5
    assert before.items() <= said(recording).items()


@pytest.mark.timeout(120)
async def test_a_server_that_does_not_start_is_named_and_the_rest_go_on(recording: Recording) -> None:
    servers = {
        **specs("calc"),
        "gone": ServerSpec(name="gone", command="no-such-program-here"),
        "dies": ServerSpec(name="dies", command=sys.executable, args=("-c", "raise SystemExit(3)")),
    }
    report = await explore(recording, servers, ExploreSettings(episodes=5, seed=1, budget=BUDGET, confirming=False))
    assert report.servers == ["calc"]
    assert set(report.left_out) == {"gone", "dies"}
    assert "no-such-program-here" in report.left_out["gone"]
    assert report.failed["server"] == 2
    assert report.succeeded > 0


async def test_a_model_without_a_key_is_refused_before_anything_starts(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        await explore(recording, specs("calc"), ExploreSettings(episodes=1, model="some-model"))
    assert queries.sessions(recording) == []


@pytest.mark.servers
@pytest.mark.timeout(300)
async def test_bundled_servers_feed_each_others_arguments(recording: Recording) -> None:
    chosen = {name: one for name, one in bundled_servers().items() if name in ("tasks", "airline", "oyemi", "invoice-intake")}
    report = await explore(
        recording, chosen, ExploreSettings(episodes=14, seed=0, seeds=Seeds(seed_folder()), budget=Budget(start_seconds=180))
    )
    if len(report.left_out) == len(chosen):
        pytest.skip(f"no package registry or cache within reach: {report.left_out}")
    assert not report.left_out
    assert report.succeeded >= 0.7 * report.calls
    assert report.flows >= 30
    assert report.proven >= 0.7 * report.confirmed
