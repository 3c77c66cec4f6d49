"""Seven tools in pages of three, and a tool whose own results are paged by a cursor."""

from __future__ import annotations

import argparse
from typing import Any

import anyio
import mcp.types as types
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

PAGE = 3
_TOOLS = [
    types.Tool(
        name=f"tool_{number}",
        description=f"Tool number {number}.",
        input_schema={"type": "object", "properties": {"cursor": {"type": "string"}}},
    )
    for number in range(7)
]


async def list_tools(ctx: Any, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    start = int(params.cursor) if params is not None and params.cursor else 0
    more = start + PAGE < len(_TOOLS)
    return types.ListToolsResult(tools=_TOOLS[start : start + PAGE], next_cursor=str(start + PAGE) if more else None)


async def call_tool(ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    start = int((params.arguments or {}).get("cursor") or 0)
    page = {"items": list(range(start, start + 2)), "next": str(start + 2) if start < 4 else None}
    return types.CallToolResult(content=[types.TextContent(text=f"{params.name}: {page}")], structured_content=page)


server: Server[Any] = Server("paged", on_list_tools=list_tools, on_call_tool=call_tool)


async def main() -> None:
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int)
    port = parser.parse_args().http
    if port is None:
        anyio.run(main)
    else:
        uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=port, log_level="error")
