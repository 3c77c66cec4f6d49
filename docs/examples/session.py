"""One client session, against whatever command stands behind it."""

import asyncio
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


async def main(command: str, *args: str) -> None:
    """Call four tools and print what they answer."""
    server = StdioServerParameters(command=command, args=list(args), env={**os.environ})
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        await session.initialize()
        for tool, query in [
            ("create_table", "CREATE TABLE bee (id INTEGER, name TEXT)"),
            ("read_query", "SELECT name FROM bee"),
            ("write_query", "INSERT INTO bee VALUES (1, 'Ada')"),
            ("read_query", "SELECT name FROM bee"),
        ]:
            result = await session.call_tool(tool, {"query": query})
            print(f"{tool:12} {result.content[0].text}")


asyncio.run(main(*sys.argv[1:]))
