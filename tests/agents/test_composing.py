"""Short sessions are composed of calls that are known to work, held on real servers, and observed twice."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from firefly_agents.composing.composer import ComposeReport, ComposeSettings, compose_sessions
from firefly_agents.composing.known import Known
from firefly_agents.composing.neighbouring import record_neighbours
from firefly_agents.composing.scenario import Move, Take, taken
from firefly_agents.composing.steadiness import unsteady
from firefly_agents.composing.watching import watched
from firefly_agents.explorer import explore
from firefly_agents.settings import Budget, ExploreSettings
from firefly_agents.synthesizer import synthesize
from firefly_mcp.errors import UsageError
from firefly_mcp.observe import flows, is_success
from firefly_mcp.replay import ReplayPolicy
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.state.learn import learn_effects
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.neighbours import off_plan
from firefly_mcp.tasks.proof import strict_replay
from firefly_mcp.types import Call, Session, SessionKind, ToolKey, params_of

pytestmark = pytest.mark.timeout(240)
SERVERS = Path(__file__).parent.parent / "servers"
EXPLORE = ExploreSettings(episodes=4, seed=3, budget=Budget(calls=20, seconds=120, start_seconds=120), probing=0)
SETTINGS = ComposeSettings(sessions={"stateful": 4, "crossing": 2, "lone": 2}, explore=EXPLORE)


def specs(*names: str) -> dict[str, ServerSpec]:
    return {name: ServerSpec(name=name, command=sys.executable, args=(str(SERVERS / f"{name}.py"),)) for name in names}


def composed(recording: Recording, kind: str = "") -> list[Session]:
    found = queries.sessions(recording, kind=SessionKind.EXPLORE)
    return [session for session in found if "composed" in session.labels and kind in session.labels["composed"]]


def calls_of(recording: Recording, session: Session) -> list[Call]:
    return list(queries.calls(recording, session=session.id, method="tools/call"))


@pytest.fixture(scope="module")
def explored_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of an exploration of two servers."""
    path = tmp_path_factory.mktemp("explored") / "firefly.db"
    with Recording(path, create=True) as recording:
        asyncio.run(explore(recording, specs("notes", "calc"), EXPLORE))
    return path


@pytest.fixture(scope="module")
def composed_once(explored_once: Path) -> tuple[Path, ComposeReport]:
    """A copy of it, composed on."""
    path = explored_once.with_name("composed.db")
    shutil.copyfile(explored_once, path)
    with Recording(path) as recording:
        report = asyncio.run(compose_sessions(recording, specs("notes", "calc"), SETTINGS))
    return path, report


@pytest.fixture
def explored(explored_once: Path, tmp_path: Path) -> Path:
    """A copy of the explored recording for one test."""
    return Path(shutil.copyfile(explored_once, tmp_path / "firefly.db"))


@pytest.fixture
def done(composed_once: tuple[Path, ComposeReport], tmp_path: Path) -> tuple[Path, ComposeReport]:
    """A copy of the composed recording for one test, and the report."""
    path, report = composed_once
    return Path(shutil.copyfile(path, tmp_path / "firefly.db")), report


async def test_writes_are_followed_by_reads_that_show_them_and_everything_is_observed_twice(
    done: tuple[Path, ComposeReport],
) -> None:
    path, report = done
    assert report.complete
    assert report.sessions["stateful"] >= 2
    assert report.confirmed == sum(report.sessions.values())
    # On a busy machine one was seen to answer otherwise the second time (6 of 7): it is then rightly not proven.
    assert report.confirmed - 1 <= report.proven
    with Recording(path) as recording:
        relation = learn_effects(recording)
        shown = 0
        for session in composed(recording, "stateful"):
            calls = calls_of(recording, session)
            writes = [call for call in calls if relation.writes(call.key)]
            assert 1 <= len(writes) <= 4
            fed = {(flow.source, flow.target) for flow in flows(calls)}
            reads = [call for call in calls if call.tool == "get_note" and is_success(call)]
            shown += sum((write.id, read.id) in fed for write in writes for read in reads)
        assert shown >= 2
        origins = defaultdict(set)
        for link in queries.connections(recording):
            origins[link.session].add(link.origin.split("(")[0])
        assert all(origins[session.id] == {"proven"} for session in composed(recording, "stateful"))


async def test_what_is_held_already_is_passed_over(done: tuple[Path, ComposeReport]) -> None:
    path, report = done
    with Recording(path) as recording:
        before = [(session.key, session.calls) for session in composed(recording)]
        again = await compose_sessions(recording, specs("notes", "calc"), SETTINGS)
        assert [(session.key, session.calls) for session in composed(recording)] == before
    assert again.sessions == {}
    assert again.calls == 0
    assert again.held == report.sessions


async def test_neighbours_of_plans_are_recorded_in_the_plans_state_and_replay_then_misses_less(
    done: tuple[Path, ComposeReport],
) -> None:
    path, _ = done
    with Recording(path) as recording:
        tasks = (await synthesize(recording)).ledger.admitted
        assert tasks
        before = off_plan(tasks, recording, seed=1, strict=strict_replay(recording), policy=ReplayPolicy())
        told = await record_neighbours(recording, specs("notes", "calc"), tasks, EXPLORE)
        after = off_plan(tasks, recording, seed=1, strict=strict_replay(recording), policy=ReplayPolicy())
        beside = composed(recording, "neighbours")
        assert told["sessions"] == len(beside) > 0
        again = await record_neighbours(recording, specs("notes", "calc"), tasks, EXPLORE)
    assert before.drawn == after.drawn > 0
    assert after.missed < before.missed
    assert again["calls"] == 0


async def test_sessions_of_servers_that_are_not_there_now_are_passed_over(done: tuple[Path, ComposeReport]) -> None:
    path, before = done
    with Recording(path) as recording:
        report = await compose_sessions(recording, specs("calc"), SETTINGS)
    assert report.held == before.sessions
    assert not report.failed


async def test_a_recording_without_an_exploration_is_refused(tmp_path: Path) -> None:
    with Recording(tmp_path / "empty.db", create=True) as recording, pytest.raises(UsageError, match="firefly explore"):
        await compose_sessions(recording, specs("calc"), SETTINGS)


async def test_a_tool_that_answers_otherwise_in_each_sandbox_is_known_for_it(explored: Path) -> None:
    with Recording(explored) as recording:
        assert {call.tool for call in queries.calls(recording, server="notes") if is_success(call)} >= {"where", "add_note"}
        assert unsteady(recording) == {ToolKey("notes", "where")}


async def test_what_a_call_needs_before_it_is_found(explored: Path) -> None:
    with Recording(explored) as recording:
        known = Known(recording, learn_effects(recording), ["notes", "calc"])
        chains = [known.chain(call) for key, calls in known.good.items() for call in calls if key.tool == "get_note"]
        assert chains
        assert all(chain is not None and chain[0].tool in ("add_note", "list_notes") and len(chain) >= 2 for chain in chains)
        assert all(known.alone(call) for key, calls in known.good.items() for call in calls if key.tool == "divide")


def test_what_was_opened_before_a_call_belongs_to_what_it_needs(tmp_path: Path) -> None:
    named = {"type": "object", "properties": {"name": {"type": "string"}}}
    with Recording(tmp_path / "firefly.db", create=True) as recording:
        for server in ("book", "shelf"):
            tools = [{"name": tool, "inputSchema": named} for tool in ("open_book", "add_line", "count_lines")]
            recording.snapshot_tools(server, tools)
        session = recording.begin_session(SessionKind.EXPLORE)
        for server, tool, name in (
            ("shelf", "open_book", "garden log"),
            ("book", "open_book", "harbor log"),
            ("book", "count_lines", ""),
            ("book", "add_line", "winter"),
        ):
            call = session.begin_call(server, "tools/call", params_of(tool, {"name": name}))
            session.end_call(call, result={"content": [{"type": "text", "text": "done so far"}]})
        session.end()
        known = Known(recording, learn_effects(recording), ["book", "shelf"])
        (line,) = known.good[ToolKey("book", "add_line")]
        assert [call.tool for call in known.chain(line) or ()] == ["open_book", "add_line"]
        (opened,) = known.good[ToolKey("book", "open_book")]
        assert known.chain(opened) == [opened]


def test_a_value_is_taken_where_it_stood_or_from_a_like_place() -> None:
    result = {"structuredContent": {"items": [{"id": "a-1"}, {"id": "b-2"}], "total": 7}}
    assert taken(Take("/id", 0, "$.items[1].id"), result) == "b-2"
    assert taken(Take("/id", 0, "$.items[5].id"), result) == "a-1"
    assert taken(Take("/n", 0, "$.total", value=7), result) == 7
    assert taken(Take("/n", 0, "$.total", value=8), result) is None


def test_reads_are_made_before_the_first_write_and_again_after_each() -> None:
    add, get, count, drop = (ToolKey("notes", tool) for tool in ("add", "get", "count", "drop"))
    given = (Take("/id", 0, "$.id"),)
    plan = [
        Move(add, {"title": "a"}, vital=True),
        Move(get, {"id": 0}, given),
        Move(count, {}),
        Move(drop, {"id": 0}, given, vital=True),
        Move(get, {"id": 0}, given),
    ]
    moves = watched(plan, lambda key: key in (add, drop))
    assert [move.tool.tool for move in moves] == ["count", "add", "count", "get", "drop", "count", "get"]
    assert [[take.source for take in move.takes] for move in moves] == [[], [], [], [1], [1], [], [1]]
    assert [move.vital for move in moves] == [False, True, False, False, True, False, False]
