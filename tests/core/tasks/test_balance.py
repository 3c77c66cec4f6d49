"""Sets of tasks: shares of servers and tools, and what a guesser has right."""

from __future__ import annotations

from collections import Counter
from typing import Any

from firefly_mcp.tasks.balance import balanced
from firefly_mcp.tasks.gates import guessable
from firefly_mcp.tasks.model import PlanNode, Proof, Source, Task


def task(number: int, tools: list[tuple[str, str]], answer: dict[str, Any] | None = None) -> Task:
    plan = [
        PlanNode(id=f"n{at}", server=server, tool=tool, exposed_name=f"{server}_{tool}", arguments={f"a{number}": number})
        for at, (server, tool) in enumerate(tools)
    ]
    return Task(
        id=f"t-{number}",
        request=f"Request {number}",
        answer=answer or {"value": number},
        answer_schema={},
        plan=plan,
        evidence={name: Proof(node="n0", select={"path": "$.value", "only": True}) for name in answer or {"value": 0}},
        tools=[],
        difficulty="easy",
        servers=sorted({server for server, _ in tools}),
        now="2026-11-26",
        recording=Source(id="r", digest=""),
    )


def crowded() -> list[Task]:
    """A hundred servers with ten tasks each, of which one server is in every second."""
    tasks = []
    for number in range(1000):
        tools = [(f"s{number % 100}", f"t{number % 300}")]
        tasks.append(task(number, [*tools, ("popular", f"p{number % 40}")] if number % 2 else tools))
    return tasks


def test_no_server_has_more_than_its_share_of_what_is_kept() -> None:
    kept, left = balanced(crowded())
    servers = Counter(server for one in kept for server in one.servers)
    assert servers["popular"] <= 0.08 * len(kept)
    assert len(kept) + len(left) == 1000
    assert all(one.verdicts[-1].gate == "balance" and "popular" in one.verdicts[-1].reason for one in left)


def test_a_balanced_set_is_kept_whole() -> None:
    kept, _ = balanced(crowded())
    assert balanced(kept) == (kept, []) or [one.id for one in balanced(kept)[0]] == [one.id for one in kept]


def test_a_count_is_kept_to_and_rare_tools_stay() -> None:
    tasks = [*crowded(), task(5000, [("rare", "once")])]
    kept, left = balanced(tasks, 200)
    assert len(kept) == 200
    assert "t-5000" in {one.id for one in kept}
    assert len(kept) + len(left) == len(tasks)


def test_a_value_asked_twice_under_a_name_of_its_own_is_guessed() -> None:
    tasks = [task(number, [("s", f"t{number}")], {f"field_{number}": number}) for number in range(20)]
    again = [task(100 + number, [("s", f"u{number}")], {f"field_{number}": number}) for number in range(4)]
    assert guessable(tasks) == set()
    # Four pairs of equal answers are eight tasks that the guesser has right; one of 24 is his share.
    assert guessable([*tasks, *again]) == {"t-101", "t-102", "t-103"} | {"t-100"}


def test_a_value_asked_again_under_a_name_with_many_values_is_not_guessed() -> None:
    tasks = [task(number, [("s", f"t{number}")], {"total": number % 50}) for number in range(150)]
    assert guessable(tasks) == set()


def test_a_task_with_one_field_that_nobody_knows_is_not_guessed() -> None:
    tasks = [task(number, [("s", f"t{number}")], {"unit": "kg", "weight": number}) for number in range(30)]
    assert guessable(tasks) == set()
