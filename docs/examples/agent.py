"""An openai-agents program whose tools come through Firefly."""

import asyncio
import sys

from agents.mcp import MCPServerStdio

from agents import Agent, Model, Runner


async def main(command: list[str], request: str, model: str | Model | None = None) -> str:
    """Let an agent do the request with the tools of the server that the command starts."""
    async with MCPServerStdio(params={"command": command[0], "args": command[1:]}, client_session_timeout_seconds=60) as server:
        agent = Agent(name="Clerk", instructions="Use the tools.", mcp_servers=[server], model=model)
        result = await Runner.run(agent, request)
        return str(result.final_output)


if __name__ == "__main__":
    # python agent.py "What time is it in Tokyo?" firefly record --store day.db -- uvx mcp-server-time
    print(asyncio.run(main(sys.argv[2:], sys.argv[1])))
