"""What earlier drafts ask for decides what a further one may ask."""

from __future__ import annotations

from firefly_mcp.tasks.asked import TIMES, Asked
from firefly_mcp.tasks.fields import AnswerField


def field(label: str, value: object) -> AnswerField:
    return AnswerField(label, value, {"path": f"$.{label}"}, 0.5)


def asked(*pairs: tuple[str, object]) -> Asked:
    found = Asked()
    for number, (label, value) in enumerate(pairs):
        found.take(f"plan-{number}", [(number, field(label, value))])
    return found


def test_what_nobody_asked_yet_is_fresh_and_the_same_of_the_same_plan_is_not() -> None:
    known = asked(("total", 12))
    assert known.fresh("other", [(1, field("total", 13))])
    assert not known.fresh("plan-0", [(1, field("total", 12))])


def test_a_value_that_is_most_of_what_its_name_was_asked_for_can_be_guessed() -> None:
    known = asked(*[("sheet", "Sheet1")] * 4, ("sheet", "Sales"))
    assert not known.fresh("other", [(1, field("sheet", "Sheet1"))])
    varied = asked(*[("total", number) for number in range(20)])
    assert varied.fresh("other", [(1, field("total", 7))])


def test_two_values_are_guessed_together_with_the_product_of_their_chances() -> None:
    known = asked(*[("sheet", name) for name in ("A", "A", "B", "C")], *[("rows", number) for number in (3, 3, 4, 5)])
    assert not known.fresh("other", [(1, field("sheet", "B"))])
    assert not known.fresh("other", [(1, field("sheet", "A")), (2, field("rows", 3))])
    assert known.fresh("other", [(1, field("sheet", "B")), (2, field("rows", 4))])


def test_no_value_is_asked_for_without_end() -> None:
    known = asked(*[("total", number) for number in range(300)], *[("total", 1)] * TIMES)
    assert not known.fresh("other", [(1, field("total", 1))])
