"""Probes are chosen for pairs of tools of which nothing was observed, and only for those."""

from __future__ import annotations

import dataclasses

import pytest

from firefly_agents.probes import probes, share_settled
from firefly_mcp.canonical import call_hash
from firefly_mcp.state.effects import Effect, EffectRelation
from firefly_mcp.types import Call, Session, Tool, ToolKey, params_of

LIST, ADD, LOOK = (ToolKey("s", name) for name in ("list_notes", "add_note", "get_note"))
TOOLS = {key: Tool("s", {"name": key.tool}) for key in (LIST, ADD, LOOK)}
ANSWER = {"content": [{"type": "text", "text": "a good answer"}]}


def call(seq: int, key: ToolKey, value: int = 0) -> Call:
    params = params_of(key.tool, {"n": value})
    return Call(
        id=seq,
        session=1,
        seq=seq,
        server="s",
        method="tools/call",
        tool=key.tool,
        params=params,
        args_hash=call_hash("tools/call", params),
        result=ANSWER,
        result_hash="h",
        error=None,
        is_error=False,
        status="done",
        started_at=0.0,
        duration_ms=1.0,
        overlaps=0,
    )


@pytest.fixture
def session() -> Session:
    fields = {field.name: None for field in dataclasses.fields(Session)}
    return Session(**{**fields, "id": 1, "key": "explore-0-1", "kind": "explore", "labels": {}})  # type: ignore[arg-type]


def test_the_reads_are_made_before_and_after_the_write_and_the_session_without_it(session: Session) -> None:
    calls = [call(1, LIST), call(2, ADD), call(3, LIST, 1), call(4, LOOK)]
    around, without = probes([(session, calls)], EffectRelation(TOOLS), limit=9)
    assert [one.key for one in around.calls] == [LIST, LIST, LOOK, ADD, LIST, LOOK]
    assert [one.key for one in without.calls] == [LIST, LIST, LOOK]
    assert without.labels() == {"writer": "s/add_note", "form": "without", "of": "explore-0-1", "without": [2]}
    assert "of" not in around.labels()
    assert around.key != without.key


def test_what_was_observed_is_not_probed(session: Session) -> None:
    seen = Effect(True, "observed", {})
    relation = EffectRelation(TOOLS, observed={(ADD, LIST): seen, (ADD, LOOK): seen})
    assert probes([(session, [call(1, ADD), call(2, LIST), call(3, LOOK)])], relation, limit=9) == []
    assert share_settled(relation)[1] == 2


def test_a_pair_is_tried_around_three_different_writes_at_most(session: Session) -> None:
    sessions = [(session, [call(1, ADD, value), call(2, LIST)]) for value in (0, 0, 1, 2, 3, 4)]
    found = probes(sessions, EffectRelation(TOOLS), limit=99)
    written = [one.arguments["n"] for probe in found if probe.form == "around" for one in probe.calls if one.key == ADD]
    assert written == [0, 1, 2]
    assert sum(probe.form == "without" for probe in found) == 1


def test_the_probes_that_settle_most_come_first(session: Session) -> None:
    sessions = [(session, [call(1, ADD, 5), call(2, LIST)]), (session, [call(1, ADD, 6), call(2, LIST), call(3, LOOK)])]
    (best,) = probes(sessions, EffectRelation(TOOLS), limit=1)
    assert {one.key for one in best.calls} == {ADD, LIST, LOOK}
