from __future__ import annotations

import re
from typing import Any

import jsonpath
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firefly_mcp.observe import flows, informative, result_view
from firefly_mcp.types import Call, Tool, ToolKey


def test_a_value_from_an_earlier_answer_is_credited_with_its_path_and_argument(make_call: Any) -> None:
    calls = [
        make_call("find_user", {"name": "Ada Byron"}, {"users": [{"id": "usr_8831"}]}),
        make_call("get_orders", {"filter": {"users": ["usr_8831"]}}, {"orders": []}),
    ]
    (flow,) = flows(calls)
    assert (flow.source, flow.target) == (1, 2)
    assert (flow.path, flow.argument, flow.value) == ("$.users[0].id", "/filter/users/0", "usr_8831")
    assert flow.weight == informative("usr_8831")
    assert flow.whole


def test_numbers_are_compared_by_value_also_when_written_as_text(make_call: Any) -> None:
    calls = [make_call("price", {}, {"net": 412.5, "lot": 31415}), make_call("pay", {"amount": "412.50", "lot": 31415.0}, {})]
    assert {flow.argument: flow.path for flow in flows(calls)} == {"/amount": "$.net", "/lot": "$.lot"}


def test_values_that_are_everywhere_and_values_of_failed_calls_are_not_credited(make_call: Any) -> None:
    calls = [
        make_call("list", {}, {"ok": True, "page": 1, "status": "active"}),
        make_call("find", {}, {"error": "usr_8831 is locked"}),
        make_call("next", {"page": 1, "status": "active", "deep": True, "user": "usr_8831"}, {}),
    ]
    assert flows(calls) == []


def test_what_the_caller_knew_by_itself_is_never_credited_to_an_answer(make_call: Any) -> None:
    calls = [
        make_call("get_user", {"id": "usr_8831"}, {"id": "usr_8831", "city": "Turku Harbour"}),
        make_call("list_users", {}, {"users": ["usr_8831"]}),
        make_call("get_orders", {"user": "usr_8831", "city": "Turku Harbour"}, {}),
    ]
    assert [(flow.argument, flow.source) for flow in flows(calls)] == [("/city", 1)]


def test_an_echo_of_an_argument_does_not_take_the_credit_of_the_first_source(make_call: Any) -> None:
    calls = [
        make_call("list_users", {}, {"users": ["usr_8831"]}),
        make_call("get_user", {"id": "usr_8831"}, {"id": "usr_8831"}),
        make_call("lock_user", {"id": "usr_8831"}, {}),
    ]
    assert [(flow.source, flow.target) for flow in flows(calls)] == [(1, 2), (1, 3)]


def test_a_second_independent_source_gets_half_the_weight(make_call: Any) -> None:
    calls = [
        make_call("list_users", {}, {"users": ["usr_8831"]}),
        make_call("list_admins", {}, {"admins": ["usr_8831"]}),
        make_call("get_user", {"id": "usr_8831"}, {}),
    ]
    first, second = flows(calls)
    assert (first.source, second.source) == (1, 2)
    assert second.weight == first.weight / 2


def test_sessions_do_not_mix(make_call: Any) -> None:
    calls = [make_call("list", {}, {"id": "usr_8831"}), make_call("get", {"id": "usr_8831"}, {}, session=2)]
    assert flows(calls) == []


def test_an_answer_that_came_after_the_question_was_asked_is_no_source(make_call: Any) -> None:
    def pair(duration_ms: float) -> list[Call]:
        listing = make_call("list", {}, {"id": "usr_8831"}, started_at=10.0, duration_ms=duration_ms, overlaps=1)
        return [listing, make_call("get", {"id": "usr_8831"}, {}, started_at=10.5, overlaps=1)]

    assert flows(pair(900.0)) == []
    assert len(flows(pair(400.0))) == 1


def test_an_array_or_object_that_went_whole_is_one_flow(make_call: Any) -> None:
    series = [1520.75, 1618.25, 1704.5]
    calls = [make_call("history", {}, {"prices": series}), make_call("trend", {"values": series}, {})]
    (flow,) = flows(calls)
    assert (flow.path, flow.argument, flow.value) == ("$.prices", "/values", series)


def test_a_value_inside_a_longer_string_weighs_half_and_is_marked(make_call: Any) -> None:
    calls = [
        make_call("list", {}, {"id": "usr_8831"}),
        make_call("query", {"sql": "SELECT * FROM orders WHERE user = 'usr_8831'"}, {"rows": []}),
    ]
    (flow,) = flows(calls)
    assert not flow.whole
    assert flow.value == "usr_8831"
    assert flow.weight == informative("usr_8831") / 2


def test_a_value_from_prose_comes_with_a_pattern_instead_of_a_path(make_call: Any) -> None:
    text = "Order **ORD-55102** was placed for Nora Lind."
    calls = [make_call("order", {"item": "lamp"}, text), make_call("track", {"order": "ORD-55102"}, {})]
    (flow,) = flows(calls)
    assert flow.path == ""
    match = re.search(flow.regex, text)
    assert match is not None
    assert match.group(1) == "ORD-55102"


ids = st.integers(100, 130).map(lambda number: f"item_{number}")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.lists(ids, max_size=3), st.lists(ids, max_size=4)), max_size=8))
def test_every_flow_can_be_read_back_from_its_source_and_target(
    make_call: Any, steps: list[tuple[list[str], list[str]]]
) -> None:
    calls = [
        make_call("step", {f"a{index}": value for index, value in enumerate(given_)}, {"shown": shown, "n": [len(shown)]})
        for given_, shown in steps
    ]
    by_id = {call.id: call for call in calls}
    for flow in flows(calls):
        source, target = by_id[flow.source], by_id[flow.target]
        assert source.seq < target.seq
        assert jsonpath.findall(flow.path, result_view(source.result).value) == [flow.value]
        assert jsonpath.pointer.resolve(flow.argument, target.arguments) == flow.value
        assert flow.value not in source.arguments.values()
        assert 0 < flow.weight <= 1


DAYS = [f"2024-11-{day:02}" for day in range(1, 31)]


def test_one_date_among_many_shows_nothing_unless_the_field_bears_the_arguments_name(make_call: Any) -> None:
    listing = make_call("calendar", {}, {"free": [{"day": day} for day in DAYS]})
    assert flows([listing, make_call("book", {"arrival": "2024-11-14"}, {})]) == []
    (flow,) = flows([listing, make_call("book", {"day": "2024-11-14"}, {})])
    assert flow.path == "$.free[13].day"
    alone = make_call("next_free", {}, {"free": "2024-11-14"})
    assert len(flows([alone, make_call("book", {"arrival": "2024-11-14"}, {})])) == 1


def test_a_date_that_nobody_is_credited_with_was_the_callers_own(make_call: Any) -> None:
    calls = [
        make_call("calendar", {}, {"free": DAYS}),
        make_call("book", {"arrival": "2024-11-14"}, {"ok": True}),
        make_call("receipt", {}, {"paid": "2024-11-14"}),
        make_call("remind", {"at": "2024-11-14"}, {}),
    ]
    assert flows(calls) == []


def test_a_plain_word_or_a_time_of_day_counts_only_from_a_field_of_the_same_name(make_call: Any) -> None:
    source = make_call("find", {}, {"searchType": "city", "opensAt": "09:30", "kind": "city"})
    assert flows([source, make_call("list", {"sort": "city", "pick_up": "09:30"}, {})]) == []
    found = flows([source, make_call("list", {"search_type": "city", "opens_at": "09:30"}, {})])
    assert {flow.argument: flow.path for flow in found} == {"/search_type": "$.searchType", "/opens_at": "$.opensAt"}


def test_of_several_places_the_one_that_bears_the_arguments_name_is_told(make_call: Any) -> None:
    source = make_call("find", {}, {"id": "h-88317", "hotel": {"hotel_id": "h-88317"}})
    (flow,) = flows([source, make_call("details", {"hotelId": "h-88317"}, {})])
    assert flow.path == "$.hotel.hotel_id"


def test_values_that_the_targets_own_schema_offers_show_no_flow(make_call: Any) -> None:
    schema = {"properties": {"sorts": {"type": "array", "items": {"enum": ["CHEAPEST_FIRST", "BEST_FIRST"]}}}}
    tools = {ToolKey("shop", "list"): Tool("shop", {"name": "list", "inputSchema": schema})}
    calls = [make_call("find", {}, {"sorts": ["CHEAPEST_FIRST"]}), make_call("list", {"sorts": ["CHEAPEST_FIRST"]}, {})]
    assert len(flows(calls)) == 1
    assert flows(calls, tools=tools) == []


def test_who_passed_a_value_on_is_told_on_request_and_marked(make_call: Any) -> None:
    calls = [
        make_call("list_users", {}, {"users": ["usr_8831"]}),
        make_call("get_user", {"id": "usr_8831"}, {"user": {"id": "usr_8831"}}),
        make_call("lock_user", {"id": "usr_8831"}, {}),
    ]
    assert not any(flow.echo for flow in flows(calls))
    (echo,) = [flow for flow in flows(calls, echoes=True) if flow.echo]
    assert (echo.source, echo.target, echo.path) == (2, 3, "$.user.id")
    assert echo.weight == informative("usr_8831") / 2
    assert [flow for flow in flows(calls, echoes=True) if not flow.echo] == flows(calls)


def test_a_value_of_which_only_echoes_are_known_is_the_callers_own(make_call: Any) -> None:
    calls = [
        make_call("get_user", {"id": "usr_8831"}, {"id": "usr_8831"}),
        make_call("lock_user", {"id": "usr_8831"}, {}),
    ]
    assert flows(calls, echoes=True) == []
