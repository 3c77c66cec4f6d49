"""Which calls meet a fault follows from the seed and the session's history alone."""

from __future__ import annotations

import random

from firefly_mcp.replay.faults import FaultKind, FaultPlan, FaultRule
from firefly_mcp.types import ToolKey

KEY = ToolKey("shop", "buy")


def struck(plan: FaultPlan, calls: list[str]) -> list[bool]:
    return [plan.next(KEY, "tools/call", call) is not None for call in calls]


def test_the_same_seed_and_history_meet_the_same_faults_and_another_seed_others() -> None:
    rules = [FaultRule(FaultKind.DROP, probability=0.3)]
    calls = [f"h{number % 40}" for number in range(200)]
    first = struck(FaultPlan(rules, 1), calls)
    assert first == struck(FaultPlan(rules, 1), calls)
    assert first != struck(FaultPlan(rules, 2), calls)
    assert 35 <= sum(first) <= 85  # 60 of 200 are expected; the seed is fixed


def test_calls_that_arrive_in_another_order_meet_the_same_faults_by_probability() -> None:
    rules = [FaultRule(FaultKind.DROP, probability=0.5)]
    calls = [f"h{number}" for number in range(50)]
    shuffled = random.Random(3).sample(calls, len(calls))
    one, other = FaultPlan(rules, 7), FaultPlan(rules, 7)
    assert dict(zip(calls, struck(one, calls), strict=True)) == dict(zip(shuffled, struck(other, shuffled), strict=True))


def test_every_third_call_that_the_rule_is_for_is_struck() -> None:
    plan = FaultPlan([FaultRule(FaultKind.ERROR, tool="shop/*", every=3)], 0)
    assert plan.next(ToolKey("mail", "send"), "tools/call", "x") is None
    assert struck(plan, ["a"] * 7) == [False, False, True, False, False, True, False]


def test_of_several_rules_the_first_strikes_and_the_others_go_on_counting() -> None:
    plan = FaultPlan([FaultRule(FaultKind.ERROR, every=2), FaultRule(FaultKind.DROP, every=4, tool="shop/*")], 0)
    kinds = [fault and fault.kind for fault in (plan.next(KEY, "tools/call", "a") for _ in range(4))]
    assert kinds == [None, FaultKind.ERROR, None, FaultKind.ERROR]


def test_a_rule_for_a_method_leaves_tools_alone() -> None:
    plan = FaultPlan([FaultRule(FaultKind.DROP, method="resources/*", every=1)], 0)
    assert plan.next(KEY, "tools/call", "a") is None
    assert plan.next(ToolKey("shop", "resources/read"), "resources/read", "a") is not None
