"""What an error says is read and used: fields, limits, forms, sizes, and what must be called first."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

import pytest

from firefly_agents.offline.arguments import ArgumentPlanner
from firefly_agents.offline.memory import ValueMemory
from firefly_agents.offline.patterns import matching
from firefly_agents.offline.planner import EpisodePlanner
from firefly_agents.offline.remedies import remedies
from firefly_agents.offline.slots import ToolInfo
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe.view import View
from firefly_mcp.types import ToolKey
from tests.agents.planning import arguments_of, drive, tool


def taught(info: ToolInfo, arguments: JsonObject, error: str) -> ValueMemory:
    memory = ValueMemory()
    memory.known[info.key] = [slot.name for slot in info.slots]
    memory.learn(info.key, arguments, View("text", ""), False, error=error)
    return memory


def again(info: ToolInfo, arguments: JsonObject, error: str) -> list[Any]:
    memory = taught(info, arguments, error)
    return [arguments_of(info, memory=memory, seed=seed, curious=True) for seed in range(6)]


@pytest.mark.parametrize(
    ("error", "pattern"),
    [
        ("tob 'calm' must be HH:MM", r"\d\d:\d\d"),
        ("'calm' is not a date: use DD/MM/YYYY", r"\d\d/\d\d/\d{4}"),
        ("'calm': must be 14 digits", r"\d{14}"),
        ("'calm' must start with '='", r"=.+"),
        ("Unknown mode 'calm'. Valid modes: fast, slow, none at all.", r"fast|slow|none at all"),
    ],
)
def test_a_value_takes_the_form_that_an_error_asked_for(error: str, pattern: str) -> None:
    for arguments in again(tool("look", tob="string"), {"tob": "calm"}, error):
        assert re.fullmatch(pattern, arguments["tob"])


def test_an_optional_argument_is_given_once_an_error_asked_for_it() -> None:
    info = tool("find", optional={"condition": "string"})
    assert all("condition" in arguments for arguments in again(info, {}, "missing required parameter: condition"))


def test_numbers_keep_to_the_limits_that_an_error_named() -> None:
    for arguments in again(tool("page", pages="integer"), {"pages": 900}, "pages must be between 3 and 5, got 900"):
        assert 3 <= arguments["pages"] <= 5


def test_fields_that_only_a_validation_report_tells_are_filled_in() -> None:
    info = tool("route", locations={"type": "array", "items": {"type": "object"}})
    report = (
        "2 validation errors for Input\nlocations.0.name\n  Field required [type=missing, input_value={}]\n"
        "locations.0.lat\n  Field required [type=missing, input_value={}]"
    )
    for arguments in again(info, {"locations": [{}]}, report):
        assert all(set(place) == {"name", "lat"} for place in arguments["locations"])
        assert all(isinstance(place["lat"], int | float) for place in arguments["locations"])


def test_a_list_is_as_long_as_an_error_said() -> None:
    info = tool("align", sequences={"type": "array", "items": {"type": "string"}})
    assert all(
        len(arguments["sequences"]) >= 3 for arguments in again(info, {"sequences": ["A"]}, "At least 3 sequences required")
    )


def test_json_is_written_where_an_error_missed_it() -> None:
    info = tool("merge", parts="string")
    for arguments in again(info, {"parts": "one"}, "Invalid JSON in parts: Expecting value: line 1 column 1 (char 0)"):
        assert isinstance(json.loads(arguments["parts"]), list)


@pytest.mark.parametrize("pattern", [r"^\d{4}-\d{2}$", r"^#[0-9A-Fa-f]{6}$", r"^(GET|POST) /[a-z]+$", r"^[^@]+@x\.org$"])
def test_a_text_is_made_to_match_a_pattern(pattern: str) -> None:
    for seed in range(5):
        made = matching(pattern, Random(seed))
        assert made is not None
        assert re.search(pattern, made)


def test_a_pattern_beyond_us_is_left_alone() -> None:
    assert matching("(a{1000}){1000}", Random(0)) is None
    assert matching("(", Random(0)) is None


OPEN = tool("open_document", path="string")
HEADINGS = tool("get_headings")
CREATE = tool("create_project", name="string")
TASKS = tool("list_tasks", project="string")
RUN = tool("run_model", model="string")
ALL = {info.key: info for info in (OPEN, HEADINGS, CREATE, TASKS, RUN)}


@pytest.mark.parametrize(
    ("info", "arguments", "error", "named"),
    [
        (HEADINGS, {}, "No document is open. Call open_document first.", OPEN),
        (HEADINGS, {}, "No results to show. Run the model first.", RUN),
        (HEADINGS, {}, "No document opened", OPEN),
        (TASKS, {"project": "Tara"}, 'Project "Tara" not found', CREATE),
    ],
)
def test_what_an_error_says_is_needed_is_found_among_the_tools(
    info: ToolInfo, arguments: JsonObject, error: str, named: ToolInfo
) -> None:
    assert remedies(info, arguments, error, ALL)[0] == named.key


def test_an_error_about_the_value_alone_needs_nothing_first() -> None:
    assert remedies(TASKS, {"project": "T"}, "project must be longer", ALL) == []


def test_a_tour_makes_what_is_missing_and_tries_again_with_it() -> None:
    projects: set[str] = set()

    def server(key: ToolKey, arguments: JsonObject) -> Any:
        if key == CREATE.key:
            projects.add(arguments["name"])
            return {"ok": True}
        if arguments["project"] not in projects:
            return {"error": f'Project "{arguments["project"]}" not found'}
        return {"tasks": [{"id": 7}]}

    for seed in range(5):
        projects.clear()
        planner = EpisodePlanner(
            {info.key: info for info in (CREATE, TASKS)},
            ArgumentPlanner(ValueMemory(), curious=True),
            Random(seed),
            length=8,
            repeats=4,
            retries=2,
            cover=True,
            focus=[TASKS.key],
        )
        calls = drive(planner, server)
        assert calls[-1][0] == TASKS.key
        assert calls[-1][1]["project"] in projects


def test_a_tool_outside_the_party_is_called_where_an_error_asks_for_it_and_only_then() -> None:
    opened: list[bool] = []

    def server(key: ToolKey, arguments: JsonObject) -> Any:
        if key == OPEN.key:
            opened.append(True)
            return {"ok": True}
        return {"headings": ["One"]} if opened else {"error": "No document is open. Call open_document first."}

    for asked, calls in ((True, ["get_headings", "open_document", "get_headings"]), (False, ["get_headings"])):
        opened[:] = [] if asked else [True]
        planner = EpisodePlanner(
            {info.key: info for info in (OPEN, HEADINGS)},
            ArgumentPlanner(ValueMemory(), curious=True),
            Random(0),
            length=5,
            retries=2,
            cover=True,
            focus=[HEADINGS.key],
            weighed=[HEADINGS.key],
        )
        assert [key.tool for key, _ in drive(planner, server)] == calls
