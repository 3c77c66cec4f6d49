"""Headers that repeat a tool call's arguments must agree with them."""

from __future__ import annotations

from typing import Any

import pytest

from firefly_mcp.jsonio import JsonObject
from firefly_proxies.messages import request, response
from firefly_proxies.param_headers import ParamHeaders

PROPERTIES = {
    "region": {"type": "string", "x-mcp-header": "Region"},
    "count": {"type": "integer", "x-mcp-header": "Count"},
    "dry": {"type": "boolean", "x-mcp-header": "Dry"},
    "deep": {"type": "object", "properties": {"key": {"type": "string", "x-mcp-header": "Key"}}},
    "free": {"type": "string"},
}


def tool(name: str, properties: JsonObject) -> JsonObject:
    return {"name": name, "inputSchema": {"type": "object", "properties": properties}}


class Server:
    """Lists one tool a page, and counts how often it is asked."""

    def __init__(self, *tools: JsonObject) -> None:
        self.tools = tools
        self.asked = 0

    async def list(self, params: JsonObject) -> JsonObject:
        self.asked += 1
        page = int(params.get("cursor", 0))
        more = {"nextCursor": str(page + 1)} if page + 1 < len(self.tools) else {}
        return response(1, {"tools": [self.tools[page]], **more})


async def code(headers: ParamHeaders, server: Server, name: str, arguments: Any, **sent: str) -> int | None:
    message = request(7, "tools/call", {"name": name, "arguments": arguments})
    refused = await headers.refusal(message, {f"mcp-param-{key}": value for key, value in sent.items()}, server.list)
    assert refused is None or refused["id"] == 7
    return None if refused is None else int(refused["error"]["code"])


@pytest.mark.parametrize(
    ("arguments", "sent", "agree"),
    [
        ({"region": "eu"}, {"region": "eu"}, True),
        ({"region": "eu"}, {"region": " eu\t"}, True),
        ({"region": "größe"}, {"region": "=?base64?Z3LDtsOfZQ==?="}, True),
        ({"region": "SGVsbG8="}, {"region": "SGVsbG8="}, True),
        ({"region": "eu"}, {"region": "us"}, False),
        ({"region": "eu"}, {}, False),
        ({}, {"region": "eu"}, False),
        ({"region": None}, {}, True),
        ({"region": ["eu"]}, {}, True),
        ({"region": "Hello"}, {"region": "=?base64?SGVsbG8?="}, False),
        ({"region": "Hello"}, {"region": "=?base64?SGVs!!!bG8=?="}, False),
        ({"count": 42}, {"count": "42"}, True),
        ({"count": 42.0}, {"count": "42"}, True),
        ({"count": 42}, {"count": "42.0"}, True),
        ({"count": 42}, {"count": "4.2e1"}, False),
        ({"count": 42}, {"count": "43"}, False),
        ({"dry": True}, {"dry": "true"}, True),
        ({"dry": True}, {"dry": "True"}, False),
        ({"deep": {"key": "k"}}, {"key": "k"}, True),
        ({"deep": {"key": "k"}}, {}, False),
        ({"deep": "flat"}, {}, True),
        ({"free": "anything"}, {"free": "else"}, True),
    ],
)
async def test_a_header_and_its_argument_are_equal_or_both_absent(
    arguments: JsonObject, sent: dict[str, str], agree: bool
) -> None:
    server = Server(tool("t", PROPERTIES))
    assert await code(ParamHeaders(), server, "t", arguments, **sent) == (None if agree else -32020)


@pytest.mark.parametrize(
    "properties",
    [
        {"a": {"type": "number", "x-mcp-header": "A"}},
        {"a": {"type": "string", "x-mcp-header": "not a token"}},
        {"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}},
    ],
)
async def test_annotations_that_break_the_rules_demand_nothing(properties: JsonObject) -> None:
    assert await code(ParamHeaders(), Server(tool("t", properties)), "t", {"a": "x"}) is None


async def test_the_tools_are_asked_for_once_and_again_for_one_that_is_new() -> None:
    headers, server = ParamHeaders(), Server(tool("one", {}), tool("two", PROPERTIES))
    assert await code(headers, server, "two", {"region": "eu"}) == -32020
    assert await code(headers, server, "one", {"x": 1}) is None
    assert server.asked == 2  # both pages, once
    server.tools = (tool("three", PROPERTIES),)
    assert await code(headers, server, "three", {"region": "eu"}) == -32020
    assert server.asked == 3


async def test_what_a_client_was_told_need_not_be_asked_for() -> None:
    headers, server = ParamHeaders(), Server(tool("t", {}))
    headers.learn([tool("t", PROPERTIES)])
    assert await code(headers, server, "t", {"region": "eu"}) == -32020
    assert await code(headers, server, "t", {}) is None
    assert server.asked == 0
