"""Talks during its calls: progress, log messages, and questions to the client."""

from __future__ import annotations

import asyncio
from typing import Any

import mcp.types as types
from _run import run
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

server = MCPServer("chatty")


class Answer(BaseModel):
    colour: str


@server.tool()
async def count_to(n: int, ctx: Context) -> str:
    """Count, with progress and a log message at each step."""
    for step in range(1, n + 1):
        await ctx.report_progress(step, n, f"step {step}")
        await ctx.info(f"at {step}")
    return f"counted to {n}"


@server.tool()
async def ask_model(question: str, ctx: Context) -> str:
    """Ask the client's model."""
    message = types.SamplingMessage(role="user", content=types.TextContent(text=question))
    said = await ctx.session.create_message([message], max_tokens=50, related_request_id=ctx.request_id)
    return f"the model says: {said.content.text}"


@server.tool()
async def ask_user(question: str, ctx: Context) -> str:
    """Ask the client's user."""
    result = await ctx.elicit(question, Answer)
    return f"the user says: {result.action} {result.data.colour if result.action == 'accept' else ''}"


@server.tool()
async def grow(name: str, ctx: Context) -> str:
    """Add a tool to this server, and tell that the list changed."""

    def grown() -> str:
        return name

    server.add_tool(grown, name=name, description="A tool that was added.")
    await ctx.session.send_tool_list_changed()
    return f"added {name}"


@server.tool()
async def wait_for_ever(ctx: Context) -> dict[str, Any]:
    """Never answer; say so once."""
    await ctx.report_progress(0, 1, "waiting")
    await asyncio.Event().wait()
    return {}


if __name__ == "__main__":
    run(server)
