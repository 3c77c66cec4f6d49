"""The fixture's tools: what each is called, what it takes, and what it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import mcp.types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import MISSING_REQUIRED_CLIENT_CAPABILITY as MISSING_CAPABILITY

from tests.conformance.content import WAV, embedded, image

Context = ServerRequestContext[Any, Any]
Run = Callable[[Context, dict[str, Any]], Awaitable[types.CallToolResult]]

PAUSE_SECONDS = 0.05
SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
_TITLED = [{"const": f"value{n}", "title": f"{word} Option"} for n, word in enumerate(("First", "Second", "Third"), 1)]
_OPTIONS = ["option1", "option2", "option3"]
DEFAULTS = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}
CHOICES = {
    "untitledSingle": {"type": "string", "enum": _OPTIONS},
    "titledSingle": {"type": "string", "oneOf": _TITLED},
    "legacyEnum": {
        "type": "string",
        "enum": ["opt1", "opt2", "opt3"],
        "enumNames": ["Option One", "Option Two", "Option Three"],
    },
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": _OPTIONS}},
    "titledMulti": {"type": "array", "items": {"anyOf": _TITLED}},
}


def said(*content: types.ContentBlock | str, is_error: bool = False) -> types.CallToolResult:
    """A result; strings are text."""
    blocks = [types.TextContent(text=block) if isinstance(block, str) else block for block in content]
    return types.CallToolResult(content=blocks, is_error=is_error)


def _says(*content: types.ContentBlock | str, is_error: bool = False) -> Run:
    async def run(ctx: Context, arguments: dict[str, Any]) -> types.CallToolResult:
        return said(*content, is_error=is_error)

    return run


async def _log(ctx: Context, text: str) -> None:
    await ctx.session.send_log_message("info", text, related_request_id=ctx.request_id)


async def _with_logging(ctx: Context, arguments: dict[str, Any]) -> types.CallToolResult:
    for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await _log(ctx, text)
        await asyncio.sleep(PAUSE_SECONDS)
    return said("logged three times")


async def _with_progress(ctx: Context, arguments: dict[str, Any]) -> types.CallToolResult:
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100, f"{done} of 100")
        await asyncio.sleep(PAUSE_SECONDS)
    return said("made progress")


async def _sampling(ctx: Context, arguments: dict[str, Any]) -> types.CallToolResult:
    question = types.SamplingMessage(role="user", content=types.TextContent(text=str(arguments["prompt"])))
    result = await ctx.session.create_message([question], max_tokens=100, related_request_id=ctx.request_id)
    text = result.content.text if isinstance(result.content, types.TextContent) else "no text"
    return said(f"LLM response: {text}")


def _elicits(message: str | None, properties: dict[str, Any], required: list[str]) -> Run:
    """A tool that has the client fill in a form; without a message, the call's own argument is it."""

    async def run(ctx: Context, arguments: dict[str, Any]) -> types.CallToolResult:
        schema = {"type": "object", "properties": properties, "required": required}
        answer = await ctx.session.elicit_form(message or str(arguments["message"]), schema, ctx.request_id)
        return said(f"Elicitation completed: action={answer.action}, content={answer.content}")

    return run


async def _reconnection(ctx: Context, arguments: dict[str, Any]) -> types.CallToolResult:
    """Close the call's stream in the middle, where there is one that can be taken up again."""
    await _log(ctx, "Before the stream is closed")
    await asyncio.sleep(PAUSE_SECONDS)
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    await asyncio.sleep(4 * PAUSE_SECONDS)
    await _log(ctx, "After the stream was closed")
    return said("the stream was taken up again")


async def _missing_capability(ctx: Context, arguments: dict[str, Any]) -> types.CallToolResult:
    can = ctx.session.client_capabilities
    if can is None or can.sampling is None:
        data: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(MISSING_CAPABILITY, "this tool needs a client that can sample", data)
    return said("the client can sample")


async def _custom_header(ctx: Context, arguments: dict[str, Any]) -> types.CallToolResult:
    return said(f"region: {arguments.get('region')}")


def _strings(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}


_MIXED = embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json")
_USER = {"username": {"type": "string", "description": "User's name"}, "email": {"type": "string", "description": "Address"}}
_NOTHING: dict[str, Any] = {"type": "object", "properties": {}}
_HEADER = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}

TOOLS: dict[str, tuple[dict[str, Any], Run]] = {
    "test_simple_text": (_NOTHING, _says("This is a simple text response for testing.")),
    "test_image_content": (_NOTHING, _says(image())),
    "test_audio_content": (_NOTHING, _says(types.AudioContent(data=WAV, mime_type="audio/wav"))),
    "test_embedded_resource": (
        _NOTHING,
        _says(embedded("test://embedded-resource", "This is an embedded resource content.")),
    ),
    "test_multiple_content_types": (_NOTHING, _says("Multiple content types test:", image(), _MIXED)),
    "test_error_handling": (_NOTHING, _says("This tool intentionally returns an error for testing", is_error=True)),
    "test_tool_with_logging": (_NOTHING, _with_logging),
    "test_logging_tool": (_NOTHING, _with_logging),
    "test_tool_with_progress": (_NOTHING, _with_progress),
    "test_reconnection": (_NOTHING, _reconnection),
    "test_missing_capability": (_NOTHING, _missing_capability),
    "test_sampling": (_strings("prompt"), _sampling),
    "test_elicitation": (_strings("message"), _elicits(None, _USER, list(_USER))),
    "test_elicitation_sep1034_defaults": (_NOTHING, _elicits("Every kind of default", DEFAULTS, [])),
    "test_elicitation_sep1330_enums": (_NOTHING, _elicits("Every kind of choice", CHOICES, [])),
    "test_custom_header": (_HEADER, _custom_header),
    "json_schema_2020_12_tool": (SCHEMA_2020_12, _says("The schema is the point of this tool.")),
}
"""The tools that do not need the client's input in the stateless era's way, with their input schemas."""
