"""The grammar: whatever the plan, the request states what it needs, nothing else, in few plain words."""

from __future__ import annotations

from typing import Any

import pytest

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.tasks.literals import stated_values
from firefly_mcp.tasks.model import Binding, PlanNode, Proof
from firefly_mcp.tasks.pronouns import unresolved
from firefly_mcp.tasks.request import MAX_WORDS, select_label, write_request
from firefly_mcp.tasks.slots import difference
from firefly_mcp.types import Tool, ToolKey


def _tool(server: str, name: str, description: str, **properties: JsonObject) -> Tool:
    return Tool(server, {"name": name, "description": description, "inputSchema": {"type": "object", "properties": properties}})


TEXT: JsonObject = {"type": "string"}
NUMBER: JsonObject = {"type": "number"}
TOOLS = {
    tool.key: tool
    for tool in (
        _tool("days", "weekday", "Return the weekday name for a given date.", date=TEXT),
        _tool("days", "add_days", "Add N days to a date.\n\nArgs:\n  days: how many", date=TEXT, days=NUMBER),
        _tool("air", "airport_lookup", "Lookup airport by city or code.", query=TEXT, limit={**NUMBER, "default": 5}),
        _tool("air", "distance", "Great-circle distance between two airports.", origin=TEXT, destination=TEXT),
        _tool("notes", "add_note", "Add a note to the notebook", title=TEXT, body=TEXT, tags={"type": "array"}),
        _tool("notes", "search", "**MUST be called first.** It finds your notes", query=TEXT),
        _tool("notes", "count_notes", "Count the notes in the notebook."),
        _tool("icons", "search_icons", "Search the icon catalog by keyword.", keyword=TEXT),
        _tool("sums", "mean", "Calculate the mean of a list of numbers", numbers={"type": "array"}),
    )
}
ONLY: JsonObject = {"path": "$.result", "only": True}
CITY: JsonObject = {"path": "$.airports[*]", "where": [{"field": "$.city", "equals": "Bergen"}], "take": "$.iata"}


def _node(place: int, server: str, tool: str, arguments: JsonObject, **bindings: tuple[int, JsonObject]) -> PlanNode:
    bound = [Binding(argument=f"/{name}", source=f"n{source}", select=select) for name, (source, select) in bindings.items()]
    return PlanNode(id=f"n{place}", server=server, tool=tool, exposed_name=tool, arguments=arguments, bindings=bound)


def _ask(place: int, select: JsonObject) -> Proof:
    return Proof(node=f"n{place}", select=select)


PLANS: dict[str, tuple[list[PlanNode], dict[str, Proof]]] = {
    "chain": (
        [
            _node(1, "days", "add_days", {"date": "2025-04-23", "days": 14}),
            _node(2, "days", "weekday", {"date": None}, date=(1, ONLY)),
        ],
        {"result": _ask(2, ONLY)},
    ),
    "fan_in": (
        [
            _node(1, "air", "airport_lookup", {"query": "Norway", "limit": 5}),
            _node(2, "air", "airport_lookup", {"query": "Spain", "limit": 20}),
            _node(3, "air", "distance", {"origin": None, "destination": None}, origin=(1, CITY), destination=(2, CITY)),
        ],
        {"km": _ask(3, {"path": "$.km", "only": True})},
    ),
    "fan_out": (
        [_node(1, "days", "weekday", {"date": "2025-04-23"}), _node(2, "days", "weekday", {"date": "2025-05-07"})],
        {"result_1": _ask(1, ONLY), "result_2": _ask(2, ONLY)},
    ),
    "write_read": (
        [
            _node(1, "notes", "add_note", {"title": 'A "quoted" title', "body": "SELECT *\nFROM t", "tags": ["a", "b"]}),
            _node(2, "notes", "count_notes", {}),
        ],
        {"count": _ask(2, {"path": "$.count", "only": True})},
    ),
    "multi_field": (
        [
            _node(1, "notes", "search", {"query": "tea"}),
            _node(2, "sums", "mean", {"numbers": [3, 5.5, 20]}),
            _node(3, "days", "weekday", {"date": "2025-04-23"}),
        ],
        {
            "title": _ask(1, {"path": "$.notes[*]", "argmax": "$.stars", "take": "$.title"}),
            "result_1": _ask(2, ONLY),
            "result_2": _ask(3, ONLY),
        },
    ),
}


def _written(kind: str) -> str:
    plan, evidence = PLANS[kind]
    return write_request(plan, evidence, TOOLS, {name: select_label(proof.select) for name, proof in evidence.items()})


@pytest.mark.parametrize("kind", PLANS)
def test_a_request_states_every_literal_and_no_other_in_at_most_sixty_words(kind: str) -> None:
    plan, evidence = PLANS[kind]
    request = _written(kind)
    assert difference(stated_values(plan, evidence, TOOLS), request) == ([], [])
    assert unresolved(request) == ""
    assert len(request.split()) <= MAX_WORDS


@pytest.mark.parametrize("kind", PLANS)
def test_the_same_plan_is_always_asked_in_the_same_words(kind: str) -> None:
    assert _written(kind) == _written(kind)


@pytest.mark.parametrize("kind", PLANS)
def test_no_word_of_a_request_is_a_name_of_code_or_speaks_to_a_model(kind: str) -> None:
    request = _written(kind)
    for word in ("_", "MUST", "your", "Args", "n1"):
        assert word not in request


def test_a_call_made_twice_is_said_once_for_both_values() -> None:
    request = _written("fan_out")
    assert request.count("weekday name for both dates 2025-04-23 and 2025-05-07") == 1


def test_a_result_without_a_name_is_called_by_what_the_tool_finds() -> None:
    assert "weekday name" in _written("chain")
    assert "the result" not in _written("chain")


def test_a_default_needs_no_saying_and_a_choice_is_said_by_its_condition() -> None:
    request = _written("fan_in")
    assert "5" not in request
    assert request.count('city "Bergen"') == 2
    assert "IATA code" in request


def test_requests_of_plans_that_differ_in_values_alone_are_not_all_of_one_frame() -> None:
    written = set()
    for day in range(10, 30):
        plan = [
            _node(1, "days", "add_days", {"date": f"2025-04-{day}", "days": 14}),
            _node(2, "days", "weekday", {"date": None}, date=(1, ONLY)),
        ]
        request = write_request(plan, {"result": _ask(2, ONLY)}, TOOLS, {"result": "result"})
        written.add(request.replace(f"2025-04-{day}", "DAY"))
    assert len(written) >= 15


def test_an_array_with_a_taken_member_names_its_members_in_order() -> None:
    plan = [
        _node(1, "air", "distance", {"origin": "BGO", "destination": "OSL"}),
        PlanNode(
            id="n2",
            server="sums",
            tool="mean",
            exposed_name="mean",
            arguments={"numbers": [7.5, None, 30]},
            bindings=[Binding(argument="/numbers/1", source="n1", select={"path": "$.km", "only": True})],
        ),
    ]
    request = write_request(plan, {"result": _ask(2, ONLY)}, TOOLS, {"result": "result"})
    places: list[Any] = [request.index("7.5"), request.rindex("distance in km"), request.index("and 30")]
    assert places == sorted(places)
    assert ToolKey("sums", "mean") in TOOLS


def test_an_argument_that_is_not_given_is_not_mentioned() -> None:
    def asked(arguments: JsonObject) -> str:
        plan = [_node(1, "icons", "search_icons", arguments), _node(2, "notes", "count_notes", {})]
        return write_request(plan, {"total": _ask(1, {"path": "$.total", "only": True})}, TOOLS, {"total": "total"})

    assert "keyword" not in asked({})
    assert 'by keyword "arrow"' in asked({"keyword": "arrow"}) or 'keyword "arrow"' in asked({"keyword": "arrow"})


def test_which_of_two_like_results_is_meant_is_told() -> None:
    plan = [
        _node(1, "notes", "add_note", {"title": "Bread", "body": "Buy flour"}),
        _node(2, "notes", "count_notes", {}),
        _node(3, "notes", "add_note", {"title": "Milk", "body": "Buy milk"}),
        _node(4, "notes", "search", {"query": None}, query=(3, {"path": "$.name", "only": True})),
    ]
    evidence = {"name": _ask(1, {"path": "$.name", "only": True}), "total": _ask(4, {"path": "$.total", "only": True})}
    request = write_request(plan, evidence, TOOLS, {"name": "name", "total": "total"})
    assert "three" in request or "third" in request, request
