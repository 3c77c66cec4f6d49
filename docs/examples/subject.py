"""An openai-agents program that solves one task of ``firefly serve``."""

import asyncio
import sys

from agents.mcp import MCPServerStreamableHttp

from agents import Agent, Model, Runner


async def main(url: str, model: str | Model | None = None) -> str:
    """Let an agent do the task at the URL; gives what it says at the end."""
    async with MCPServerStreamableHttp(params={"url": url}, cache_tools_list=True) as server:
        prompt = await server.get_prompt("task")
        request = prompt.messages[0].content.text
        agent = Agent(name="Subject", instructions="Solve the task with the tools.", mcp_servers=[server], model=model)
        result = await Runner.run(agent, request, max_turns=20)
        return str(result.final_output)


if __name__ == "__main__":
    # python subject.py http://127.0.0.1:8900/tasks/ID/mcp gpt-4.1-mini
    print(asyncio.run(main(sys.argv[1], *sys.argv[2:])))
