"""An episode follows its sub-DAG, keeps going after failures, and reads back what it wrote."""

from __future__ import annotations

from random import Random
from typing import Any

from firefly_agents.offline.arguments import ArgumentPlanner
from firefly_agents.offline.draft import Wish
from firefly_agents.offline.memory import ValueMemory
from firefly_agents.offline.planner import EpisodePlanner, Step
from firefly_agents.offline.slots import ToolInfo
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.types import ToolKey
from tests.agents.planning import drive, tool

LIST = tool("list_items")
GET = tool("get_item", item_id="string")
CREATE = tool("create_item", title="string")
UPDATE = tool("update_item", item_id="string", title="string")
WEIGH = tool("weigh", server="lab", item_id="string")
ITEMS = {"items": [{"id": "itm_4kd82", "title": "Lamp"}, {"id": "itm_9xw17", "title": "Desk"}]}


def episode(*tools: ToolInfo, seed: int = 0, **settings: Any) -> EpisodePlanner:
    return EpisodePlanner({info.key: info for info in tools}, ArgumentPlanner(ValueMemory()), Random(seed), **settings)


def shop(key: ToolKey, arguments: JsonObject) -> Any:
    if key.tool == "list_items":
        return ITEMS
    if key.tool == "create_item":
        return {"id": "itm_new01", **arguments}
    if key.tool in ("get_item", "update_item", "weigh"):
        if not str(arguments["item_id"]).startswith("itm_"):
            return {"error": {"message": f"no item {arguments['item_id']}"}}
        return {"id": arguments["item_id"], "title": "Lamp", "grams": 1250.5}
    raise AssertionError(key)


def test_a_sub_dag_is_walked_in_order_and_its_edges_carry_values() -> None:
    steps = [Step(LIST.key), Step(WEIGH.key, (Wish(LIST.key, "item_id", "$.items[*].id"),))]
    calls = drive(episode(LIST, GET, WEIGH, steps=steps, length=2), shop)
    assert [key for key, _ in calls] == [LIST.key, WEIGH.key]
    assert calls[1][1]["item_id"] in ("itm_4kd82", "itm_9xw17")


def test_after_its_sub_dag_an_episode_goes_on_where_the_values_lead() -> None:
    calls = drive(episode(LIST, GET, WEIGH, steps=[Step(LIST.key)], length=3), shop)
    assert {key.tool for key, _ in calls} == {"list_items", "get_item", "weigh"}
    assert all(arguments["item_id"].startswith("itm_") for _, arguments in calls[1:])


def test_what_was_written_is_read_back() -> None:
    for seed in range(6):
        calls = drive(episode(CREATE, GET, LIST, steps=[Step(CREATE.key)], length=2, seed=seed), shop)
        assert calls[1][0].tool in ("get_item", "list_items")
        assert calls[1][1].get("item_id", "itm_new01") == "itm_new01"


def test_a_failed_call_is_tried_once_more_with_other_arguments_and_then_left() -> None:
    def broken(key: ToolKey, arguments: JsonObject) -> Any:
        return ITEMS if key == LIST.key else {"error": "the warehouse is closed"}

    calls = drive(episode(LIST, GET, steps=[Step(LIST.key), Step(GET.key)], length=6), broken)
    tried = [arguments["item_id"] for key, arguments in calls if key == GET.key]
    assert len(tried) >= 2
    assert len(set(tried)) == len(tried)
    assert len(calls) < 6


def test_nothing_is_called_twice_with_the_same_arguments_unless_a_write_lay_between() -> None:
    for seed in range(8):
        calls = drive(episode(LIST, GET, CREATE, UPDATE, length=12, repeats=4, cover=True, seed=seed), shop)
        writes = 0
        said: set[tuple[str, int]] = set()
        for key, arguments in calls:
            mark = (f"{key} {arguments}", writes)
            assert mark not in said
            said.add(mark)
            writes += key.tool in ("create_item", "update_item")


def test_a_tour_calls_every_tool_that_can_be_called() -> None:
    calls = drive(episode(LIST, GET, CREATE, UPDATE, length=14, repeats=2, cover=True), shop)
    assert {key.tool for key, _ in calls} == {"list_items", "get_item", "create_item", "update_item"}


def test_a_tool_that_never_answered_well_is_not_walked_to() -> None:
    memory = ValueMemory()
    memory.tried[GET.key] = 4
    planner = EpisodePlanner(
        {info.key: info for info in (LIST, GET)},
        ArgumentPlanner(memory),
        Random(0),
        steps=[Step(LIST.key), Step(GET.key)],
        length=5,
    )
    assert [key for key, _ in drive(planner, shop)] == [LIST.key]


def test_the_same_seed_makes_the_same_episode() -> None:
    def run(seed: int) -> list[tuple[ToolKey, JsonObject]]:
        return drive(episode(LIST, GET, CREATE, UPDATE, WEIGH, length=8, repeats=2, seed=seed), shop)

    assert [run(seed) for seed in range(5)] == [run(seed) for seed in range(5)]
    assert len({str(run(seed)) for seed in range(5)}) > 1


def test_sql_is_written_about_tables_that_exist() -> None:
    create = tool("create_table", "Create a new table", query={"type": "string", "description": "CREATE TABLE SQL statement"})
    write = tool("write_query", "Execute an INSERT, UPDATE, or DELETE query", query={"type": "string", "description": "SQL"})
    read = tool("read_query", "Execute a SELECT query", query={"type": "string", "description": "SELECT SQL query"})
    ran: list[str] = []

    def database(key: ToolKey, arguments: JsonObject) -> Any:
        ran.append(arguments["query"])
        return [{"total": 42.5}] if key == read.key else "done"

    drive(episode(create, write, read, steps=[Step(create.key), Step(write.key), Step(read.key)], length=3), database)
    table = ran[0].split()[2]
    assert ran[0].startswith("CREATE TABLE")
    assert ran[1].startswith(f"INSERT INTO {table} ")
    assert f"FROM {table}" in ran[2]


def test_a_tour_about_some_tools_spends_its_calls_on_them() -> None:
    infos = [tool(f"sum_{name}", a="number", b="number") for name in "abcdefghijklmnop"]
    focus = [info.key for info in infos[:10]]
    planner = episode(*infos, length=60, repeats=4, retries=2, cover=True, focus=focus)
    calls = drive(planner, lambda key, arguments: {"result": arguments["a"] + arguments["b"], "a": 17.5, "b": 2.25})
    assert {key for key, _ in calls} >= set(focus)
    assert len(calls) <= 15
