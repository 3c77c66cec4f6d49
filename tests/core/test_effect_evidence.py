"""What recorded calls show of effects: what cancels, hides or counts is not taken for nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.canonical import call_hash, hash_json
from firefly_mcp.replay import Replay, ReplayIndex, ReplayPolicy
from firefly_mcp.replay.rules_file import parse_replay_rules
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.evidence import observe
from firefly_mcp.state.history import History, outcome_of
from firefly_mcp.state.learn import learn_effects
from firefly_mcp.state.probes import suggest_probes
from firefly_mcp.state.rejection import rejected
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Call, MatchKind, Tool, ToolKey, params_of

S = "s"
READ_ONLY = {"readOnlyHint": True}


def key(tool: str) -> ToolKey:
    return ToolKey(S, tool)


def tools(*names: str, **annotated: dict[str, Any]) -> dict[ToolKey, Tool]:
    plain: list[dict[str, Any]] = [{"name": name} for name in names]
    return {key(d["name"]): Tool(S, d) for d in [*plain, *({"name": n, "annotations": a} for n, a in annotated.items())]}


def session(*steps: tuple[str, dict[str, Any], Any]) -> list[Call]:
    """Calls of one session: ``(tool, arguments, structured result)`` each."""
    made = []
    for number, (tool, arguments, said) in enumerate(steps, 1):
        result: dict[str, Any] = {"content": [], "structuredContent": {"said": said} if not isinstance(said, dict) else said}
        params = params_of(tool, arguments)
        hashed = call_hash("tools/call", params), hash_json(result)
        made.append(
            Call(
                number,
                1,
                number,
                S,
                "tools/call",
                tool,
                params,
                hashed[0],
                result,
                hashed[1],
                None,
                False,
                "done",
                time.time(),
                1.0,
                0,
            )
        )
    return made


def test_writes_that_cancel_each_other_do_not_show_that_they_write_nothing() -> None:
    steps: list[tuple[str, dict[str, Any], Any]] = [("list", {}, "empty")]
    for number in range(4):
        steps += [("add", {"n": number}, "ok"), ("drop", {"n": number}, "ok"), ("list", {}, "empty")]
    found = observe(tools("list", "add", "drop"), [session(*steps)])
    assert found.effects == {}


def test_equal_answers_do_not_let_two_writes_change_places() -> None:
    steps: list[tuple[str, dict[str, Any], Any]] = [("put", {"k": 1}, "done")]
    for number in range(3):
        steps += [("poke", {"k": 1, "n": number}, "done"), ("put", {"k": 1}, "done")]
    relation = EffectRelation(tools("put", "poke", "get"), observed=observe(tools("put", "poke"), [session(*steps)]).effects)
    assert not relation.may_affect(key("poke"), key("put"))

    def state(*order: str) -> str:
        made = History(relation, "o")
        for tool in order:
            made.append(key(tool), tool, "done")
        return made.state_key(key("get"))

    assert state("put", "poke") != state("poke", "put")


def test_a_number_that_grows_with_every_call_shows_that_reads_write_too() -> None:
    names = ("get", "get", "create", "get", "create", "get", "get", "get", "create", "create", "get", "create")
    steps: list[tuple[str, dict[str, Any], Any]] = [
        (name, {"n": at % 3}, {"at": 1000 + 7 * at} if name == "create" else {"said": "x"}) for at, name in enumerate(names)
    ]
    found = observe(tools("get", "create"), [session(*steps)])
    assert found.effects[(key("get"), key("create"))].evidence == {"grows": "/at"}


def test_numbers_that_come_of_the_arguments_are_no_count() -> None:
    names = ("sum", "get", "sum", "sum", "get", "get", "sum", "sum")
    steps: list[tuple[str, dict[str, Any], Any]] = [
        (name, {"a": 1, "b": at}, {"at": 1 + at} if name == "sum" else {"said": "x"}) for at, name in enumerate(names)
    ]
    assert observe(tools("get", "sum", sum=READ_ONLY), [session(*steps)]).effects == {}


def test_ids_that_only_their_own_tool_moves_accuse_no_read() -> None:
    made = 0
    steps: list[tuple[str, dict[str, Any], Any]] = []
    for name in ("get", "create", "get", "create", "create", "get", "get", "create", "get", "create", "create"):
        made += name == "create"
        steps.append((name, {"n": "a"}, {"id": made + 100} if name == "create" else {"said": "x"}))
    assert (key("get"), key("create")) not in observe(tools("get", "create"), [session(*steps)]).effects


def test_a_clock_makes_a_tool_volatile_and_accuses_nobody() -> None:
    now = time.time()
    calls = session(("now", {}, {"now": now}), ("get_zone", {}, "x"), ("now", {}, {"now": now + 1}))
    found = observe(tools("now", "get_zone", now=READ_ONLY), [calls])
    assert found.volatile == {key("now")}
    assert found.effects == {}


@pytest.mark.parametrize(("at", "counts"), [("%Y-%m-%dT%H:%M:{}+01:00", False), ("2024-05-15T15:00:{}", True)])
def test_the_time_in_a_text_is_a_clock_only_if_it_is_about_now(at: str, counts: bool) -> None:
    stamp = time.strftime(at, time.gmtime())
    calls = session(
        ("get_now", {}, {"datetime": stamp.format("07")}),
        ("get_zone", {}, "x"),
        ("get_now", {}, {"datetime": stamp.format("12")}),
    )
    found = observe(tools("get_now", "get_zone"), [calls])
    assert (key("get_now") in found.volatile) is not counts
    assert ((key("get_zone"), key("get_now")) in found.effects) is counts


def test_a_tool_that_takes_an_action_is_never_cleared_by_equal_answers() -> None:
    manage = {
        "name": "manage",
        "inputSchema": {"type": "object", "properties": {"action": {"type": "string"}, "n": {"type": "integer"}}},
    }
    known = {key("get"): Tool(S, {"name": "get"}), key("manage"): Tool(S, manage)}
    steps: list[tuple[str, dict[str, Any], Any]] = [("get", {}, "x")]
    for number in range(4):
        steps += [("manage", {"action": "show", "n": number}, "ok"), ("get", {}, "x")]
    assert EffectRelation(known, observed=observe(known, [session(*steps)]).effects).may_affect(key("manage"), key("get"))


def test_a_tool_that_tells_of_calls_depends_on_reads_too() -> None:
    relation = EffectRelation(tools("get_note", "get_call_log"))
    assert relation.may_affect(key("get_note"), key("get_call_log"))
    assert not relation.may_affect(key("get_call_log"), key("get_note"))


def test_where_there_is_something_to_clear_a_computing_tool_may_fill_it() -> None:
    assert EffectRelation(tools("evaluate", "clear")).writes(key("evaluate"))
    assert not EffectRelation(tools("evaluate", "clear_cache")).writes(key("evaluate"))


def test_a_read_only_hint_of_false_counts_only_where_others_say_true() -> None:
    no = {"readOnlyHint": False}
    assert not EffectRelation(tools(list_a=no, list_b=no)).writes(key("list_a"))
    assert EffectRelation(tools(list_a=no, list_b=READ_ONLY)).writes(key("list_a"))


def test_tools_that_nobody_has_listed_may_affect_each_other_and_what_the_protocol_reads() -> None:
    made = History(EffectRelation({}), "o")
    before = made.state_key(key("look")), made.state_key(key("resources/read"))
    made.append(key("touch"), "a", "r")
    assert made.state_key(key("look")) != before[0]
    assert made.state_key(key("resources/read")) != before[1]


def test_a_json_rpc_error_is_another_past_than_no_answer() -> None:
    def state(outcome: str | None) -> str:
        made = History(EffectRelation(tools("delete_it", "get_it")), "o")
        made.append(key("delete_it"), "a", outcome)
        return made.state_key(key("get_it"))

    told = {state(outcome_of(None, {"code": code, "message": "no"})) for code in (1, 2)}
    assert len(told | {state(None)}) == 3


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("Input validation error: 'id' is a required property", True),
        ("Error executing tool get: 1 validation error for getArguments\nid\n  Field required", True),
        ("Unknown tool: frob", True),
        ("MCP error -32602: Invalid arguments for tool x", True),
        ("Error: 2 rows were written, then: invalid input in row 3", False),
        ("1 validation error for Invoice", False),
        ("timed out", False),
    ],
)
def test_only_a_refusal_before_the_servers_own_code_is_one(said: str, refused: bool) -> None:
    assert rejected({"isError": True, "content": [{"type": "text", "text": said}]}, None) is refused


def write(recording: Recording, steps: list[tuple[str, str, dict[str, Any], Any]], name: str = "one") -> None:
    writer = recording.begin_session("record", key=name)
    for server, tool, arguments, said in steps:
        call = writer.begin_call(server, "tools/call", params_of(tool, arguments))
        writer.end_call(call, result={"content": [{"type": "text", "text": said}]})
    writer.end()


def test_effects_across_servers_hold_only_where_they_are_declared(tmp_path: Path) -> None:
    with Recording(tmp_path / "a.db", create=True) as recording:
        recording.snapshot_tools("shop", [{"name": "buy"}])
        recording.snapshot_tools("bank", [{"name": "get_balance"}])
        write(recording, [("shop", "buy", {"n": 1}, "ok"), ("bank", "get_balance", {}, "90")])
        plain = Replay(recording, ReplayPolicy(), ReplayIndex(recording)).session()
        assert plain.answer("bank", "tools/call", params_of("get_balance", {})).kind is MatchKind.EXACT
        rules = parse_replay_rules({"tools": {"shop/buy": {"affects": ["bank/get_balance"]}}}, "replay.toml")
        joined = Replay(recording, ReplayPolicy(), ReplayIndex(recording, rules=rules))
        early = joined.session().answer("bank", "tools/call", params_of("get_balance", {}))
        assert early.miss is not None
        assert early.miss.cause == "state"
        late = joined.session()
        assert late.answer("shop", "tools/call", params_of("buy", {"n": 1})).kind is MatchKind.EXACT
        assert late.answer("bank", "tools/call", params_of("get_balance", {})).kind is MatchKind.EXACT


def test_a_cursor_belongs_to_the_call_that_issued_it(tmp_path: Path) -> None:
    definitions = [{"name": "list_rows"}, {"name": "get_more_rows"}, {"name": "add_row"}]
    page = {"cursor": "c2"}
    with Recording(tmp_path / "a.db", create=True) as recording:
        recording.snapshot_tools(S, definitions)
        write(
            recording,
            [
                (S, "list_rows", {"of": "a"}, '{"rows": [1], "cursor": "c2"}'),
                (S, "get_more_rows", page, "rows of a"),
                (S, "list_rows", {"of": "b"}, '{"rows": [7], "cursor": "c2"}'),
                (S, "get_more_rows", page, "rows of b"),
            ],
        )
        replay = Replay(recording, ReplayPolicy(), ReplayIndex(recording))
        for of in ("b", "a"):
            one = replay.session()
            one.answer(S, "tools/call", params_of("list_rows", {"of": of}))
            answer = one.answer(S, "tools/call", params_of("get_more_rows", page))
            assert answer.call is not None
            assert answer.call.result == {"content": [{"type": "text", "text": f"rows of {of}"}]}
        lost = replay.session().answer(S, "tools/call", params_of("get_more_rows", page))
        assert lost.kind is MatchKind.MISS


def test_probes_name_calls_that_share_a_value_and_leave_settled_pairs_out(tmp_path: Path) -> None:
    with Recording(tmp_path / "a.db", create=True) as recording:
        recording.snapshot_tools(S, [{"name": "get_note"}, {"name": "delete_note"}, {"name": "frobnicate"}])
        write(
            recording,
            [
                (S, "get_note", {"id": "n1"}, "a"),
                (S, "frobnicate", {"id": "n2"}, "ok"),
                (S, "frobnicate", {"id": "n1"}, "ok"),
                (S, "get_note", {"id": "n1"}, "b"),
                (S, "delete_note", {"id": "n1"}, "ok"),
            ],
        )
        relation = learn_effects(recording)
        assert relation.effect(key("frobnicate"), key("get_note")).source == "observed"
        (found,) = suggest_probes(queries.calls(recording), relation)
        assert found.to_json() == {
            "server": S,
            "writer": "delete_note",
            "reader": "get_note",
            "guessed_from": "verb",
            "calls": [1, 5, 1],
        }
