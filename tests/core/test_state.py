"""The effect relation learns from what was observed, and state keys follow it."""

from __future__ import annotations

from typing import Any

from firefly_mcp.canonical import call_hash
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.history import History, origin_key
from firefly_mcp.state.learn import relation_of
from firefly_mcp.types import Call, Tool, ToolKey, params_of

S = "s"


def tools(*definitions: dict[str, Any]) -> dict[ToolKey, Tool]:
    return {ToolKey(S, d["name"]): Tool(S, d) for d in definitions}


def calls(*steps: tuple[str, dict[str, Any], str], overlaps: int = 0, session: int = 1) -> list[Call]:
    """A session: ``(tool, arguments, result hash)`` each."""
    return [
        Call(
            id=session * 100 + seq,
            session=session,
            seq=seq,
            server=S,
            method="tools/call",
            tool=tool,
            params=params_of(tool, arguments),
            args_hash=call_hash("tools/call", params_of(tool, arguments)),
            result=None,
            result_hash=result,
            error=None,
            is_error=False,
            status="done",
            started_at=0.0,
            duration_ms=1.0,
            overlaps=overlaps,
        )
        for seq, (tool, arguments, result) in enumerate(steps, 1)
    ]


READ_ONLY = {"readOnlyHint": True}
NOTES = tools(
    {"name": "frobnicate"}, {"name": "get_note"}, {"name": "delete_note"}, {"name": "peek_all", "annotations": READ_ONLY}
)


def key(tool: str) -> ToolKey:
    return ToolKey(S, tool)


def test_without_observation_annotations_come_before_verbs_and_unknown_verbs_may_affect() -> None:
    relation = EffectRelation(NOTES)
    assert relation.effect(key("frobnicate"), key("get_note")).affects
    assert relation.effect(key("frobnicate"), key("get_note")).source == "default"
    assert relation.effect(key("delete_note"), key("get_note")).source == "verb"
    assert not relation.effect(key("peek_all"), key("get_note")).affects
    assert not EffectRelation(tools({"name": "get_a"}, {"name": "list_b"})).reads_state(key("get_a"))


def test_one_observed_difference_outranks_an_annotation() -> None:
    session = calls(("get_note", {"id": 1}, "r1"), ("peek_all", {}, "p"), ("get_note", {"id": 1}, "r2"))
    quiet = calls(("get_note", {"id": 2}, "r"), ("get_note", {"id": 2}, "r"), session=2)
    effect = relation_of(NOTES, [quiet, session]).effect(key("peek_all"), key("get_note"))
    assert effect.affects
    assert effect.source == "observed"


def test_equality_shows_no_effect_only_over_three_distinct_writes_that_share_a_value() -> None:
    def walk(count: int, note: int) -> list[Call]:
        steps: list[tuple[str, dict[str, Any], str]] = [("get_note", {"id": 7}, "r")]
        for n in range(count):
            steps += [("frobnicate", {"id": note, "n": n}, f"w{n}"), ("get_note", {"id": 7}, "r")]
        return calls(*steps)

    pair = (key("frobnicate"), key("get_note"))
    assert relation_of(NOTES, [walk(2, 7)]).effect(*pair).affects
    assert relation_of(NOTES, [walk(3, 8)]).effect(*pair).affects
    assert not relation_of(NOTES, [walk(3, 7)]).effect(*pair).affects


def test_a_tool_that_alone_answers_differently_is_volatile_and_shows_no_effect() -> None:
    session = calls(
        ("get_note", {"id": 1}, "r1"),
        ("get_note", {"id": 1}, "r2"),
        ("delete_note", {"id": 1}, "d"),
        ("get_note", {"id": 1}, "r3"),
    )
    relation = relation_of(NOTES, [session])
    assert relation.volatile == {key("get_note")}
    assert relation.effect(key("delete_note"), key("get_note")).source == "verb"


def test_overlapping_calls_prove_nothing() -> None:
    steps: list[tuple[str, dict[str, Any], str]] = [
        ("get_note", {"id": 1}, "r1"),
        ("frobnicate", {}, "w"),
        ("get_note", {"id": 1}, "r2"),
    ]
    assert relation_of(NOTES, [calls(*steps, overlaps=1)]).effect(key("frobnicate"), key("get_note")).source == "default"


def history(*steps: tuple[str, str, str], origin: str = "o") -> History:
    made = History(EffectRelation(NOTES), origin)
    for tool, arguments, result in steps:
        made.append(key(tool), arguments, result)
    return made


def test_reads_do_not_change_the_state_and_writes_do() -> None:
    read = key("get_note")
    assert history().state_key(read) == history(("peek_all", "a", "r"), ("get_note", "b", "r")).state_key(read)
    assert history().state_key(read) != history(("delete_note", "a", "r")).state_key(read)
    assert history(("delete_note", "a", "r")).state_key(read) != history(("delete_note", "a", "other result")).state_key(read)
    assert history().state_key(read) != history(origin="another").state_key(read)


def test_writes_that_cannot_affect_each_other_commute_and_others_do_not() -> None:
    add = [{"name": "add_x"}, {"name": "add_y"}, {"name": "get_z"}]
    free = tools(*add)
    from firefly_mcp.state.effects import Effect

    pairs = {(key(w), key(x)): Effect(False, "declared") for w in ("add_x", "add_y") for x in ("add_x", "add_y")}

    def state(declared: dict[tuple[ToolKey, ToolKey], Effect], *order: str) -> str:
        made = History(EffectRelation(free, declared=declared), "o")
        for tool in order:
            made.append(key(tool), tool, "r")
        return made.state_key(key("get_z"))

    assert state(pairs, "add_x", "add_y") == state(pairs, "add_y", "add_x")
    assert state({}, "add_x", "add_y") != state({}, "add_y", "add_x")
    assert state(pairs, "add_x", "add_x") != state(pairs, "add_x")


def test_a_call_that_was_rejected_for_its_arguments_leaves_the_state_as_it_was() -> None:
    made = history()
    made.append(key("delete_note"), "a", "r", rejected=True)
    assert made.state_key(key("get_note")) == history().state_key(key("get_note"))


def test_a_live_session_begins_where_the_replayed_session_did_that_it_was_brought_to() -> None:
    assert origin_key("live(session(day))", "another") == origin_key("unknown", "day")
    assert origin_key("live(proven(shop))", "another") == "proven(shop)"
