"""Tours go on until every tool answered once, nothing new comes of it, or enough was tried."""

from __future__ import annotations

from firefly_agents.offline.memory import ValueMemory
from firefly_agents.tours import FOCUS, PATIENCE, Tours, party
from firefly_mcp.observe.view import View
from firefly_mcp.types import Tool, ToolKey


def tools_of(server: str, count: int) -> dict[ToolKey, Tool]:
    made = [Tool(server, {"name": f"tool{number:03}", "inputSchema": {"type": "object"}}) for number in range(count)]
    return {tool.key: tool for tool in made}


def test_every_server_is_toured_first_and_then_every_tool_that_did_not_answer() -> None:
    tools = tools_of("big", 2 * FOCUS + 5) | tools_of("small", 2)
    memory = ValueMemory()
    tours = Tours(["big", "small"], rounds=5, calls=100)
    assert [episode.servers for episode in tours.next({}, memory, 0)] == [("big",), ("small",)]
    for key in tools_of("small", 2):
        memory.succeeded[key] = 1
    second = tours.next(tools, memory, 2)
    assert [episode.number for episode in second] == [2, 3, 4]
    assert {key for episode in second for key in episode.focus} == set(tools_of("big", 2 * FOCUS + 5))


def test_tools_that_failed_often_or_for_want_of_a_network_are_given_up() -> None:
    tools = tools_of("one", 3)
    often, offline, fresh = tools
    memory = ValueMemory()
    memory.tried[often] = PATIENCE
    for _ in range(2):
        memory.learn(offline, {}, View("text", ""), False, error="[Errno -2] Name or service not known")
    tours = Tours(["one"], rounds=3, calls=30)
    tours.next({}, memory, 0)
    (episode,) = tours.next(tools, memory, 1)
    assert episode.focus == (fresh,)


def test_a_server_of_which_nothing_new_comes_is_left() -> None:
    tools, memory = tools_of("one", 3), ValueMemory()
    tours = Tours(["one"], rounds=9, calls=30)
    rounds = [len(tours.next(tools, memory, number)) for number in range(5)]
    assert rounds == [1, 1, 1, 0, 0]


def test_a_large_server_is_weighed_by_those_that_count() -> None:
    keys = list(tools_of("big", 100))
    memory = ValueMemory()
    memory.yielded[keys[77]] = memory.tried[keys[77]] = 1
    chosen = party(keys, keys[:3], memory, most=10)
    assert len(chosen) == 10
    assert {*keys[:3], keys[77]} <= set(chosen)
    assert party(keys[:5], [], memory, most=10) == keys[:5]
