"""Each gate by itself, over a small recording made for it: what it lets through and what it refuses, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.graph.model import Edge, ToolGraph
from firefly_mcp.graph.store import write_graph
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.gates import Repeats
from firefly_mcp.tasks.model import Task
from firefly_mcp.tasks.proof import judge, strict_replay
from firefly_mcp.types import ToolKey, params_of

TEXT = {"type": "string"}
READ = {"readOnlyHint": True}
TOOLS: list[dict[str, Any]] = [
    {"name": "find_customer", "description": "Find a customer by name.", "annotations": READ},
    {"name": "list_orders", "description": "List the orders of a customer.", "annotations": READ},
    {"name": "get_balance", "description": "Read the balance of an account.", "annotations": READ},
    {"name": "add_credit", "description": "Add credit to an account."},
    {"name": "set_theme", "description": "Set the theme of an account."},
    {"name": "count_orders", "description": "Count the orders of a customer.", "annotations": READ},
    {"name": "rate", "description": "The rate of a level.", "annotations": READ},
]
FOUND: dict[str, Any] = {"customer": {"id": "cus_8812", "city": "Bergen"}}
ORDERS: dict[str, Any] = {
    "orders": [
        {"id": "ord_1", "total": 41.5, "day": "2024-03-02"},
        {"id": "ord_2", "total": 97.25, "day": "2024-05-11"},
    ]
}
Made = tuple[str, dict[str, Any], dict[str, Any]]
CHAIN: list[Made] = [
    ("find_customer", {"name": "Ida Holm"}, FOUND),
    ("list_orders", {"customer": "cus_8812"}, ORDERS),
]


def session(recording: Recording, kind: str, made: Sequence[Made], origin: str = "proven(a)") -> None:
    writer = recording.begin_session(kind)
    writer.connect("shop", {"serverInfo": {"name": "shop", "version": "1"}}, origin=origin)
    for tool, arguments, answer in made:
        call = writer.begin_call("shop", "tools/call", params_of(tool, arguments))
        writer.end_call(call, result={"content": [], "structuredContent": answer})
    writer.end()


@pytest.fixture
def store(tmp_path: Path) -> Recording:
    recording = Recording(tmp_path / "shop.db", create=True)
    recording.snapshot_tools("shop", [{"inputSchema": {"type": "object"}, **tool} for tool in TOOLS])
    return recording


def node(name: str, tool: str, arguments: dict[str, Any], **bound: Any) -> dict[str, Any]:
    bindings = [{"argument": f"/{argument}", "from": source, "select": select} for argument, (source, select) in bound.items()]
    blank = dict.fromkeys(bound)
    return {
        "id": name,
        "server": "shop",
        "tool": tool,
        "exposed_name": tool,
        "arguments": arguments | blank,
        "bindings": bindings,
    }


ONLY = {"path": "$.customer.id", "only": True}
DEAREST = {"path": "$.orders[*]", "argmax": "$.total", "take": "$.id"}
PLAN = [node("n1", "find_customer", {"name": "Ida Holm"}), node("n2", "list_orders", {}, customer=("n1", ONLY))]


def task(recording: Recording, **changes: Any) -> Task:
    document: dict[str, Any] = {
        "id": "t-1",
        "request": 'Find the customer "Ida Holm" and tell me the id of the order with the highest total.',
        "answer": {"id": "ord_2"},
        "answer_schema": {},
        "plan": PLAN,
        "evidence": {"id": {"node": "n2", "select": DEAREST}},
        "tools": [str(tool["name"]) for tool in TOOLS],
        "difficulty": "easy",
        "servers": ["shop"],
        "now": "2026-01-02",
        "recording": {"id": recording.id, "digest": ""},
    }
    return Task.model_validate(document | changes)


def verdict(recording: Recording, one: Task) -> tuple[str, str]:
    """The last gate that was asked, if it refused, and its reason; ``admitted`` otherwise."""
    last = judge(one, strict_replay(recording)).verdicts[-1]
    return ("admitted" if last.passed else last.gate), last.reason


def twice(recording: Recording, made: Sequence[Made]) -> None:
    for kind in ("explore", "confirm"):
        session(recording, kind, made)


def test_a_sound_chain_is_let_through_by_every_pure_gate(store: Recording) -> None:
    twice(store, CHAIN)
    assert verdict(store, task(store))[0] == "admitted"


@pytest.mark.parametrize("path", ["$.orders[1]", "$.orders[-1:]", "$.orders[?@.total > 50]", "$..id"])
def test_a_path_that_chooses_by_what_the_request_does_not_say_is_refused(store: Recording, path: str) -> None:
    twice(store, CHAIN)
    select = {"path": path, "only": True, "take": "$.id"}
    gate, _ = verdict(store, task(store, evidence={"id": {"node": "n2", "select": select}}))
    assert gate in ("determinacy", "evidence")


@pytest.mark.parametrize(
    ("request_text", "gate"),
    [
        ('Find the customer "Ida Holm" and tell me the id of the dearest order, the one of the largest total.', "admitted"),
        ('Find the customer "Ida Holm" and tell me the id of the order with the lowest total.', "determinacy"),
        ('Find the customer "Ida Holm" and tell me the id of an order.', "determinacy"),
    ],
)
def test_the_order_by_which_an_item_is_chosen_must_be_said(store: Recording, request_text: str, gate: str) -> None:
    twice(store, CHAIN)
    assert verdict(store, task(store, request=request_text))[0] == gate


def test_items_that_have_no_common_order_are_refused_and_nothing_breaks(store: Recording) -> None:
    mixed = {"orders": [{"id": "ord_1", "total": "none"}, {"id": "ord_2", "total": 97.25}]}
    twice(store, [CHAIN[0], ("list_orders", {"customer": "cus_8812"}, mixed)])
    gate, reason = verdict(store, task(store))
    assert gate == "evidence"
    assert "cannot be put in one order" in reason


def test_a_default_may_be_stated_and_need_not_be(store: Recording) -> None:
    schema = {"type": "object", "properties": {"name": TEXT, "page": {"type": "integer", "default": 7}}}
    store.snapshot_tools("shop", [{"inputSchema": schema, **TOOLS[0]}])
    paged: list[Made] = [("find_customer", {"name": "Ida Holm", "page": 7}, FOUND), CHAIN[1]]
    twice(store, paged)
    plan = [node("n1", "find_customer", {"name": "Ida Holm", "page": 7}), PLAN[1]]
    stated = 'Find the customer "Ida Holm" on page 7 and tell me the id of the order with the highest total.'
    assert verdict(store, task(store, plan=plan))[0] == "admitted"
    assert verdict(store, task(store, plan=plan, request=stated))[0] == "admitted"
    assert verdict(store, task(store, plan=plan, request=stated.replace("7", "8")))[0] == "completeness"


RATED: list[Made] = [("count_orders", {"customer": "Ida Holm"}, {"level": 4}), ("rate", {"level": 4}, {"rate": 0.275})]
RATING = [
    node("n1", "count_orders", {"customer": "Ida Holm"}),
    node("n2", "rate", {}, level=("n1", {"path": "$.level", "only": True})),
]


def rated(recording: Recording) -> Task:
    return task(
        recording,
        request='Which rate has the level that the order count of "Ida Holm" gives?',
        plan=RATING,
        answer={"rate": 0.275},
        evidence={"rate": {"node": "n2", "select": {"path": "$.rate", "only": True}}},
    )


def test_a_bound_value_that_tells_little_needs_a_sure_edge(store: Recording) -> None:
    twice(store, RATED)
    assert verdict(store, rated(store)) == ("binding", "n2/level: 4 tells too little")
    edge = Edge(ToolKey("shop", "count_orders"), ToolKey("shop", "rate"), "level", 0.9)
    write_graph(store, ToolGraph(queries.tools(store), [edge]))
    # The gate is satisfied; that any level can be tried in one call is another gate's matter.
    assert verdict(store, rated(store)) == ("shortcut", "one call of shop/rate gives the answer")


def test_one_call_that_the_request_alone_allows_must_not_give_the_answer(store: Recording) -> None:
    twice(store, CHAIN)
    twice(store, [("get_balance", {"name": "Ida Holm"}, {"account": 7, "id": "ord_2"})])
    assert verdict(store, task(store)) == ("shortcut", "one call of shop/get_balance gives the answer")


BEFORE, AFTER = {"balance": 120.5}, {"balance": 170.5}
WRITE: Made = ("add_credit", {"account": "acc_77", "amount": 50}, {"ok": True})
THEME: Made = ("set_theme", {"account": "acc_77", "theme": "dusk"}, {"ok": True})


def reading(before: dict[str, Any]) -> Made:
    return ("get_balance", {"account": "acc_77"}, before)


def credited(recording: Recording, *writes: Made) -> Task:
    plan = [node(f"n{place}", tool, arguments) for place, (tool, arguments, _) in enumerate(writes, 1)]
    plan.append(node("n9", "get_balance", {"account": "acc_77"}))
    said = " ".join(f"{tool.replace('_', ' ')} with {' and '.join(map(_said, given.values()))}." for tool, given, _ in writes)
    return task(
        recording,
        request=f"{said.capitalize()} Which balance is read afterwards?".replace("Add", "Please add"),
        plan=plan,
        answer={"balance": 170.5},
        evidence={"balance": {"node": "n9", "select": {"path": "$.balance", "only": True}}},
    )


def _said(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def test_a_write_is_needed_where_the_answer_was_observed_to_be_another_without_it(store: Recording) -> None:
    twice(store, [WRITE, reading(AFTER)])
    twice(store, [reading(BEFORE)])
    gate, _ = verdict(store, credited(store, WRITE))
    necessity = judge(credited(store, WRITE), strict_replay(store)).verdicts
    assert gate == "admitted"
    assert next(one.reason for one in necessity if one.gate == "necessity") == (
        "n1 was observed to change what is answered; n9 gives the answer"
    )


def test_a_write_without_which_the_answer_was_observed_to_be_the_same_is_refused(store: Recording) -> None:
    twice(store, [THEME, WRITE, reading(AFTER)])
    twice(store, [WRITE, reading(AFTER)])
    twice(store, [THEME, reading(BEFORE)])
    assert verdict(store, credited(store, THEME, WRITE)) == (
        "necessity",
        "n1: the answer was observed to be the same without it",
    )


def test_a_write_of_which_nothing_was_observed_is_refused(store: Recording) -> None:
    twice(store, [WRITE, reading(AFTER)])
    assert verdict(store, credited(store, WRITE)) == ("necessity", "n1: nothing that is asked depends on it")


def test_two_sessions_of_proven_origin_are_observations_and_one_is_not(store: Recording) -> None:
    session(store, "explore", CHAIN)
    assert verdict(store, task(store))[0] == "stability"
    session(store, "explore", CHAIN, origin="unknown")
    assert verdict(store, task(store))[0] == "stability"
    session(store, "explore", CHAIN)
    assert verdict(store, task(store))[0] == "admitted"


def test_a_tool_that_is_not_offered_cannot_be_part_of_the_plan(store: Recording) -> None:
    twice(store, CHAIN)
    assert verdict(store, task(store, tools=["find_customer"])) == (
        "execution",
        "n2: the task does not offer list_orders",
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": "t-1"}, "another task has the same id"),
        (
            {
                "request": 'FIND the customer "Ida Holm", and tell me the id of the order with the highest total!',
                "answer": {"id": "ord_1"},
            },
            "same request",
        ),
        ({"request": "Whatever.", "answer": {"order": "ord_2"}}, "the same calls and answer"),
        (
            {
                "request": 'Find the customer "Ida Holm" and tell me the id of the order with the highest total, please.',
                "answer": {"id": "ord_1"},
            },
            "nearly that of another task",
        ),
    ],
)
def test_a_task_that_repeats_another_is_refused(store: Recording, changes: dict[str, Any], reason: str) -> None:
    repeats = Repeats()
    repeats.take(task(store))
    found = repeats.uniqueness(task(store, **{"id": "t-2", **changes}))
    assert not found.passed
    assert reason in found.reason
