from __future__ import annotations

from collections import Counter

from firefly_mcp.dataset.guesses import guessed
from firefly_mcp.dataset.strata import choose
from firefly_mcp.tasks.model import Source, Task


def task(number: int, *, split: str, kind: str, server: str) -> Task:
    return Task(
        id=f"t-{number}",
        request="?",
        answer={"a": number},
        answer_schema={},
        plan=[],
        evidence={},
        tools=[],
        difficulty="easy",
        kind=kind,
        servers=[server],
        split=split,
        now="2026-01-01",
        recording=Source(id="", digest=""),
    )


TASKS = [
    task(
        n,
        split="test" if n % 5 == 0 else "train",
        kind="chain" if n % 10 else "fan_in",
        server="big" if n % 4 else f"s{n % 16}",
    )
    for n in range(400)
]


def test_every_split_kind_and_server_has_its_part() -> None:
    chosen = choose(TASKS, 40)
    assert Counter(one.split for one in chosen) == {"train": 32, "test": 8}
    assert Counter(one.kind for one in chosen if one.split == "test") == {"chain": 4, "fan_in": 4}
    assert {one.servers[0] for one in chosen} == {one.servers[0] for one in TASKS}
    assert Counter(one.servers[0] for one in chosen)["big"] <= 20


def test_a_choice_keeps_the_order_and_depends_on_the_seed_alone() -> None:
    chosen = choose(TASKS, 40, seed=1)
    assert chosen == choose(list(TASKS), 40, seed=1)
    assert chosen != choose(TASKS, 40, seed=2)
    assert [TASKS.index(one) for one in chosen] == sorted(TASKS.index(one) for one in chosen)


def test_a_small_set_is_taken_whole() -> None:
    assert choose(TASKS[:7], 40) == TASKS[:7]


def test_what_a_guesser_has_right_among_the_chosen_is_left_out_where_there_are_others() -> None:
    few = [one.model_copy(update={"answer": {"a": 7}}) if place % 4 == 0 else one for place, one in enumerate(TASKS)]
    assert len(guessed(few)) > 80
    chosen = choose(few, 100)
    assert len(chosen) == 100
    assert len(guessed(chosen)) <= 1
    assert len(choose(few, 390)) == 390, "where there are no others, they are kept"
