from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from firefly_mcp.dataset.contamination import contamination
from firefly_mcp.dataset.near import near_pairs, shingles
from firefly_mcp.dataset.splits import TEST, TEST_SERVER, TRAIN, split
from firefly_mcp.dataset.traits import Traits

WORDS = "find book cancel the a flight note order of for with customer number between largest today".split()


def traits(number: int, *, dag: str, calls: tuple[str, ...], families: tuple[str, ...], request: str = "") -> Traits:
    text = request or f"Find number {number} and tell what is written beside {number * 7} on page {number * 13} of it"
    return Traits(f"t-{number:04}", text, dag, frozenset(calls), frozenset(families))


def many(count: int, seed: int) -> list[Traits]:
    """Tasks of which some share a sub-DAG, an answering call, a server, or nearly their request with others."""
    draw = random.Random(seed)
    out = []
    for number in range(count):
        families = tuple(draw.sample([f"f{at}" for at in range(12)], draw.choice([1, 1, 2])))
        calls = (f"{families[0]}/{draw.randrange(count)}",)
        words = (
            " ".join(draw.choice(WORDS) for _ in range(14)) if draw.random() < 0.8 else "the same words in every one of them"
        )
        out.append(traits(number, dag=f"{families}{draw.randrange(6)}", calls=calls, families=families, request=words))
    return out


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 150))
def test_whatever_the_tasks_nothing_is_shared_between_splits(seed: int, count: int) -> None:
    tasks = many(count, seed)
    found = split(tasks, seed=seed)
    left = [task for task in tasks if task.id in found.of]
    assert contamination(left, found.of).clean
    assert found.of.keys() | found.dropped.keys() == {task.id for task in tasks}
    assert not found.of.keys() & found.dropped.keys()


def test_the_same_tasks_get_the_same_splits_in_whatever_order_they_come() -> None:
    tasks = many(200, 3)
    shuffled = random.Random(1).sample(tasks, len(tasks))
    assert split(tasks).of == split(shuffled).of


def test_a_set_of_unconnected_tasks_is_split_by_shares_and_nothing_is_lost() -> None:
    tasks = [traits(n, dag=f"d{n // 2}", calls=(f"c{n}",), families=(f"f{n // 2 % 20}",)) for n in range(400)]
    found = split(tasks)
    sizes = found.to_json()["splits"]
    assert not found.dropped
    assert 16 <= sizes[TEST_SERVER] <= 30
    assert 22 <= sizes[TEST] <= 34


def test_a_held_out_family_is_in_no_other_split() -> None:
    tasks = [
        traits(
            n, dag=f"d{n}", calls=(f"c{n}",), families=(f"f{n % 20}", f"f{(n + 1) % 20}") if n % 10 == 0 else (f"f{n % 20}",)
        )
        for n in range(400)
    ]
    found = split(tasks)
    held = set(found.held_out)
    assert held
    for task in tasks:
        assert bool(task.families & held) == (found.of.get(task.id, TEST_SERVER) == TEST_SERVER)


def test_a_group_that_cannot_be_parted_without_loss_loses_few() -> None:
    chain = [traits(n, dag=f"d{n}", calls=(f"c{n}", f"c{n + 1}"), families=("f",)) for n in range(60)]
    found = split(chain)
    assert found.dropped
    assert len(found.dropped) < 15
    assert set(found.of.values()) == {TRAIN, TEST}


def test_the_check_names_what_is_shared() -> None:
    tasks = [
        traits(1, dag="d1", calls=("c1",), families=("f",)),
        traits(2, dag="d1", calls=("c2",), families=("f",)),
        traits(3, dag="d3", calls=("c2",), families=("f",)),
        traits(
            4, dag="d4", calls=("c4",), families=("f",), request="Tell me the weight of parcel number seven in kilograms please"
        ),
        traits(
            5, dag="d5", calls=("c5",), families=("g",), request="tell me the weight of parcel number seven in kilograms please"
        ),
    ]
    splits = {"t-0001": TRAIN, "t-0002": TEST, "t-0003": TRAIN, "t-0004": TRAIN, "t-0005": TEST_SERVER}
    found = contamination(tasks, splits)
    assert found.shared == {"plans": 1, "answering_calls": 1, "near_duplicate_requests": 1}
    assert not found.families
    assert not found.clean
    assert any("t-0002 (test), t-0003 (train)" in line for line in found.examples)
    family = contamination(tasks, {**splits, "t-0003": TEST_SERVER})
    assert family.families == ["f"]


def test_near_duplicates_are_found_as_by_comparing_every_pair() -> None:
    draw = random.Random(5)
    texts = [" ".join(draw.choice(WORDS[:5]) for _ in range(draw.randrange(1, 9))) for _ in range(300)]
    sets = [shingles(text) for text in texts]
    slow = {(b, a) for b in range(300) for a in range(b) if len(sets[a] & sets[b]) >= 0.85 * len(sets[a] | sets[b])}
    assert set(near_pairs(texts)) == slow
    assert slow
