from __future__ import annotations

from firefly_mcp.graph.model import Edge
from firefly_mcp.tasks.distractors import Distractors
from firefly_mcp.types import Tool, ToolKey


def tool(server: str, name: str, description: str = "") -> Tool:
    return Tool(server, {"name": name, "description": description, "inputSchema": {"type": "object"}})


TOOLS = {
    found.key: found
    for found in (
        tool("air", "find_flight", "Find a flight between two airports on a date."),
        tool("air", "find_train", "Find a train between two stations on a date."),
        tool("air", "cancel", "Cancel something."),
        tool("air", "weigh", "Weigh a suitcase."),
        tool("rail", "find_seat", "Find a seat on a flight between two airports."),
        tool("rail", "ring", "Ring a bell."),
        tool("bank", "pay", "Pay."),
    )
}
PLAN = [ToolKey("air", "find_flight")]


def test_tools_of_the_same_server_come_first_then_those_joined_by_an_edge_then_the_most_alike() -> None:
    edges = [
        Edge(ToolKey("air", "weigh"), PLAN[0], "x", 0.4),
        Edge(PLAN[0], ToolKey("bank", "pay"), "y", 0.9),
    ]
    near = Distractors(TOOLS, edges).near(PLAN, 5)
    assert [key.tool for key in near] == ["weigh", "find_train", "cancel", "pay", "find_seat"]


def test_the_plans_tools_are_offered_among_the_others_and_always_in_the_same_order() -> None:
    near = Distractors(TOOLS)
    offered = near.offered(PLAN, "a", 4)
    assert len(offered) == 4
    assert PLAN[0] in offered
    assert offered == Distractors(dict(reversed(TOOLS.items()))).offered(PLAN, "a", 4)
    places = {near.offered(PLAN, str(seed), 4).index(PLAN[0]) for seed in range(30)}
    assert places == {0, 1, 2, 3}


def test_a_plan_that_needs_more_tools_than_are_offered_gets_all_of_them() -> None:
    assert set(Distractors(TOOLS).offered(TOOLS, "a", 3)) == set(TOOLS)
