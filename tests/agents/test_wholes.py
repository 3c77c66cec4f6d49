"""A whole result is handed on where another tool takes it as it is."""

from __future__ import annotations

from firefly_agents.offline.memory import ValueMemory
from firefly_mcp.observe.view import View
from tests.agents.planning import arguments_of, tool

CHART = {"sun": {"sign": "leo"}, "moon": {"sign": "aries"}}
SCORE = "<score-partwise><part id='P1'><measure number='1'/></part></score-partwise>" * 2


def remembered(name: str, view: View) -> ValueMemory:
    memory = ValueMemory()
    memory.learn(tool(name).key, {}, view, True)
    return memory


def test_an_object_that_a_tool_computed_is_given_to_the_one_that_is_named_for_it() -> None:
    memory = remembered("calculate_chart", View("json", CHART))
    assert arguments_of(tool("read_houses", chart="object"), memory=memory) == {"chart": CHART}


def test_a_long_text_is_given_where_its_kind_is_asked_for() -> None:
    memory = remembered("abc_to_musicxml", View("text", SCORE))
    info = tool("transpose", musicxml="string")
    assert SCORE in [arguments_of(info, memory=memory, seed=seed)["musicxml"] for seed in range(6)]  # type: ignore[index]


def test_an_id_is_never_a_whole_result() -> None:
    memory = remembered("list_tasks", View("text", SCORE))
    info = tool("get_task", task_id="string")
    for seed in range(6):
        arguments = arguments_of(info, memory=memory, seed=seed, curious=True)
        assert arguments is None or arguments["task_id"] != SCORE


def test_results_of_another_server_are_not_taken_whole() -> None:
    memory = ValueMemory()
    memory.learn(tool("calculate_chart", server="lab").key, {}, View("json", CHART), True)
    arguments = arguments_of(tool("read_houses", chart="object"), memory=memory, curious=True)
    assert arguments is None or arguments["chart"] != CHART
