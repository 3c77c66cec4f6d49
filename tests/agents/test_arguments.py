"""Arguments are real values where results offer them, and plausible ones elsewhere."""

from __future__ import annotations

import re
from typing import Any

import pytest

from firefly_agents.offline.memory import ValueMemory
from firefly_mcp.observe.view import View
from tests.agents.planning import after, arguments_of, tool

LIST_RECORDS = tool("list_records")
RECORDS = {
    "data": [{"id": "rec_27Y5BKb8", "name": "Hooli", "updated": 17}, {"id": "rec_99aKw3Lp", "name": "Wonka", "updated": 18}]
}


@pytest.mark.parametrize(
    ("name", "schema", "pattern"),
    [
        ("start_date", {"type": "string"}, r"2025-\d\d-\d\d"),
        ("when", {"type": "string", "description": "Date in YYYY-MM-DD"}, r"\d{4}-\d\d-\d\d"),
        ("country", {"type": "string"}, r"[A-Z]{2}"),
        ("timezone", {"type": "string"}, r"[A-Z]\w+/\w+"),
        ("email", {"type": "string"}, r"[a-z.]+@example\.com"),
        ("origin", {"type": "string", "description": "Origin IATA airport code."}, r"[A-Z]{3}"),
        ("time", {"type": "string"}, r"\d\d:\d\d"),
    ],
)
def test_a_value_has_the_form_that_its_argument_means(name: str, schema: dict[str, Any], pattern: str) -> None:
    schemas: dict[str, Any] = {name: schema}
    for seed in range(8):
        arguments = arguments_of(tool("look", **schemas), seed=seed)
        assert arguments is not None
        assert re.fullmatch(pattern, arguments[name])


def test_values_vary_with_the_seed_and_only_with_it() -> None:
    create = tool("create_customer", name="string", city="string")
    made = [arguments_of(create, seed=seed) for seed in range(12)]
    assert made == [arguments_of(create, seed=seed) for seed in range(12)]
    assert len({str(arguments) for arguments in made}) > 6


def test_enums_limits_and_listed_values_are_kept_to() -> None:
    info = tool(
        "set_cabin",
        cabin={"type": "string", "description": "Cabin: economy, or business."},
        unit={"type": "string", "enum": ["kg", "lb"]},
        rank={"type": "integer", "minimum": 70, "maximum": 72},
    )
    for seed in range(10):
        arguments = arguments_of(info, seed=seed)
        assert arguments is not None
        assert arguments["cabin"] in ("economy", "business")
        assert arguments["unit"] in ("kg", "lb")
        assert 70 <= arguments["rank"] <= 72


def test_an_id_is_taken_from_a_result_that_lists_such_things() -> None:
    get = tool("get_record", record_id="string")
    picked = {arguments_of(get, state=after((LIST_RECORDS, RECORDS)), seed=seed)["record_id"] for seed in range(12)}  # type: ignore[index]
    assert picked == {"rec_27Y5BKb8", "rec_99aKw3Lp"}


def test_an_id_is_never_made_up() -> None:
    assert arguments_of(tool("get_record", record_id="string")) is None


def test_the_id_of_another_kind_of_thing_is_not_taken() -> None:
    state = after((tool("get_reservation"), {"payment_history": [{"payment_id": "card_4421"}], "created_at": "2024-05-02"}))
    assert arguments_of(tool("cancel_reservation", reservation_id="string"), state=state) is None


def test_values_of_one_call_belong_together() -> None:
    orders = tool("list_orders")
    one = {"order": {"customer_id": "cus_1aa", "order_number": "ORD-1001", "total": 7420.5}}
    other = {"order": {"customer_id": "cus_2bb", "order_number": "ORD-1002", "total": 655.25}}
    pay = tool("pay", customer_id="string", order_number="string", total="number")
    for seed in range(8):
        arguments = arguments_of(pay, state=after((orders, one), (orders, other)), seed=seed)
        assert arguments is not None
        assert list(arguments.values()) in (list(one["order"].values()), list(other["order"].values()))


def test_a_date_range_ends_after_it_starts() -> None:
    holidays = tool("list_holidays")
    state = after((holidays, {"holidays": [{"date": f"2025-{month:02d}-06"} for month in range(1, 13)]}))
    between = tool("days_between", start_date="string", end_date="string")
    for seed in range(12):
        arguments = arguments_of(between, state=state, seed=seed)
        assert arguments is not None
        assert arguments["start_date"] < arguments["end_date"]


def test_units_follow_the_field_that_the_value_came_from() -> None:
    state = after((tool("infusion"), {"total_volume_ml": 3937.5}))
    convert = tool(
        "convert",
        value="number",
        from_unit={"type": "string", "enum": ["ml", "l", "cup"]},
        to_unit={"type": "string", "enum": ["ml", "l", "cup"]},
    )
    arguments = arguments_of(convert, state=state)
    assert arguments is not None
    assert (arguments["value"], arguments["from_unit"]) == (3937.5, "ml")
    assert arguments["to_unit"] != "ml"


def test_configured_values_serve_arguments_of_their_server_and_name() -> None:
    arguments = arguments_of(tool("get_user", user_id="string"), dictionary={"shop": {"user_id": ["mia_li_3668"]}})
    assert arguments == {"user_id": "mia_li_3668"}


def test_what_an_error_asked_for_is_given_the_next_time() -> None:
    info = tool("set_status", status="string")
    memory = ValueMemory()
    memory.learn(info.key, {"status": "tidy"}, View("text", ""), False, error="status must be one of ['open', 'closed']")
    assert {arguments_of(info, memory=memory, seed=seed)["status"] for seed in range(10)} == {"open", "closed"}  # type: ignore[index]


def test_a_value_that_failed_here_gives_way_to_one_that_worked() -> None:
    info = tool("get_page", page_code="string")
    memory = ValueMemory()
    memory.learn(info.key, {"page_code": "A-1"}, View("text", ""), False, error="no page 'A-1'")
    memory.learn(info.key, {"page_code": "B-2"}, View("json", {"title": "Hello there"}), True)
    assert {str(arguments_of(info, memory=memory, seed=seed)) for seed in range(10)} == {"{'page_code': 'B-2'}"}


def test_nested_arguments_are_filled_to_their_leaves() -> None:
    entity = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
        "required": ["name", "tags"],
    }
    arguments = arguments_of(tool("create_entities", entities={"type": "array", "items": entity}))
    assert arguments is not None
    assert all(
        item["name"] and item["tags"] and all(isinstance(tag, str) for tag in item["tags"]) for item in arguments["entities"]
    )


def test_a_conversion_is_not_fed_a_counter_or_a_negative_amount() -> None:
    state = after((tool("report"), {"count": 1234, "version": 5678, "balance_change": -62.5}))
    arguments = arguments_of(tool("charge", amount="integer"), state=state)
    assert arguments is not None
    assert arguments["amount"] not in (1234, 5678, -62.5)
