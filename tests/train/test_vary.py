from __future__ import annotations

import json
import random

from firefly_mcp.jsonio import text
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task
from firefly_train.demonstrations import Demonstration, demonstrate
from firefly_train.vary import Variations


def arguments(shown: Demonstration) -> list[dict[str, object]]:
    return [call["function"]["arguments"] for message in shown.messages for call in message.get("tool_calls") or ()]


def test_a_value_is_swapped_wherever_it_is_copied_to(tasks: list[Task], recording: Recording) -> None:
    shown = demonstrate(tasks, recording)
    variations, rng = Variations(shown), random.Random(1)
    swapped = 0
    for _ in range(20):
        other = variations.of(shown[0], rng)
        first, second, answer = arguments(other)
        request, found, orders = (other.messages[at]["content"] for at in (1, 3, 5))
        assert text(second["customer"]) in found
        assert str(first["email"]) in request
        assert all(text(value) in orders for value in answer["answer"].values())  # type: ignore[attr-defined]
        assert [message["role"] for message in other.messages] == [message["role"] for message in shown[0].messages]
        swapped += second["customer"] != "cus-7719"
    assert swapped > 10


def test_the_tools_of_the_plan_stay_and_the_answer_channel_comes_last(tasks: list[Task], recording: Recording) -> None:
    shown = demonstrate(tasks, recording)
    variations, rng = Variations(shown), random.Random(2)
    orders = set()
    for _ in range(20):
        names = [entry["function"]["name"] for entry in variations.of(shown[0], rng).tools]
        assert {"find_customer", "list_orders"} < set(names)
        assert names[-1] == "submit_answer"
        orders.add(tuple(names))
    assert len(orders) > 2


def test_the_same_seed_gives_the_same_variations(tasks: list[Task], recording: Recording) -> None:
    shown = demonstrate(tasks, recording)
    one, two = random.Random(3), random.Random(3)
    for _ in range(5):
        assert Variations(shown).of(shown[1], one) == Variations(shown).of(shown[1], two)


def test_the_answer_of_a_variation_is_what_the_plan_chooses_in_it(tasks: list[Task], recording: Recording) -> None:
    shown = demonstrate(tasks, recording)[0]
    # Of two orders the cheaper one: digits that change places change which it is.
    result = '{"orders": [{"id": "ord-30417", "total": 41.5}, {"id": "ord-82240", "total": 96.25}]}'
    plan = {"path": "$.orders[*]", "argmin": "$.total", "take": "$.id"}
    proof = shown.task.evidence["total"].model_copy(update={"select": plan})
    answered = [*shown.messages[:5], {**shown.messages[5], "content": result}, *shown.messages[6:]]
    call = {"type": "function", "function": {"name": "submit_answer", "arguments": {"answer": {"order": "ord-30417"}}}}
    answered[-1] = {**answered[-1], "tool_calls": [call]}
    task = shown.task.model_copy(update={"evidence": {"order": proof}, "answer": {"order": "ord-30417"}})
    two = Demonstration(task, answered, shown.tools, shown.longest_result)
    variations, rng = Variations([two]), random.Random(5)
    swapped = 0
    for _ in range(60):
        other = variations.of(two, rng)
        orders = json.loads(other.messages[5]["content"])["orders"]
        cheaper = min(orders, key=lambda order: order["total"])
        assert arguments(other)[-1]["answer"] == {"order": cheaper["id"]}
        swapped += cheaper["id"] != "ord-30417"
    assert swapped > 20
