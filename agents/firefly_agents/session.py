"""One exploring session: an agent, its tools by MCP from the recording proxy, a model, and limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
from agents.exceptions import AgentsException, MaxTurnsExceeded, ModelBehaviorError
from agents.mcp import MCPServerStreamableHttp, MCPServerStreamableHttpParams
from openai import OpenAIError

from agents import Agent, Model, RunConfig, RunContextWrapper, Runner
from firefly_agents.handshake import HandshakeOnly
from firefly_agents.settings import Budget
from firefly_mcp.errors import FireflyError, ServerError, StoreError
from firefly_mcp.servers.names import ExposedNames
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Tool, ToolKey
from firefly_proxies.record import RecordFactory
from firefly_proxies.serve import running_http

MakeModel = Callable[[Mapping[ToolKey, Tool], Mapping[ToolKey, str]], Model]
"""Makes the model of a session from the tools on offer and the names under which they are offered."""


@dataclass(frozen=True)
class Outcome:
    """How a session ended; a failed one is data as well."""

    key: str
    boundary: str | None = None
    error: str = ""
    tools: int = 0
    usage: dict[str, int] = field(default_factory=dict)


async def hold_session(
    recording: Recording,
    factory: RecordFactory,
    *,
    key: str,
    servers: list[str],
    make_model: MakeModel,
    instructions: str,
    budget: Budget,
    allowed: Callable[[Tool], bool] = lambda tool: True,
    handshake: bool = True,
) -> Outcome:
    """Let an agent explore until its model has nothing more to do or the budget is spent.

    Args:
        recording: what the proxy writes to; the tools' definitions are read from it.
        factory: the recording proxy.
        key: the session's name.
        servers: the servers behind the proxy.
        make_model: makes the model.
        instructions: the agent's system prompt.
        budget: its limits.
        allowed: which tools the agent may see.
        handshake: speak to the proxy by handshake alone; a server that knows only the stateless era needs it otherwise.

    Returns:
        The outcome; trouble is told by its boundary (``server``, ``model``, ``proxy``, ``budget``), never raised.
    """
    try:
        async with running_http(HandshakeOnly(factory) if handshake else factory) as url:
            offered: set[str] = set()
            async with MCPServerStreamableHttp(
                MCPServerStreamableHttpParams(
                    url=f"{url}?session={key}",
                    timeout=budget.start_seconds,
                    sse_read_timeout=budget.start_seconds,
                    httpx_client_factory=_plain_client,
                ),
                name=key,
                cache_tools_list=True,
                use_structured_content=True,
                client_session_timeout_seconds=budget.start_seconds,
                tool_filter=lambda context, tool: tool.name in offered,
            ) as upstream:
                assert upstream.session is not None
                listed = {tool.name for tool in (await upstream.session.list_tools()).tools}
                tools = {tool.key: tool for server in servers for tool in queries.tools(recording, server)}
                exposed = ExposedNames(tools, single=len(servers) == 1)
                names = {tool: exposed.exposed(tool) for tool in tools}
                shown = {tool: names[tool] for tool in tools if names[tool] in listed and allowed(tools[tool])}
                if not shown:
                    return Outcome(key, "server", "no tools are offered")
                offered.update(shown.values())
                model = make_model({tool: tools[tool] for tool in shown}, shown)
                agent = Agent(name="explorer", instructions=instructions, mcp_servers=[upstream], model=model)
                async with asyncio.timeout(budget.seconds):
                    done = await Runner.run(
                        agent,
                        "Begin.",
                        max_turns=budget.calls + 1,
                        run_config=RunConfig(tracing_disabled=True, workflow_name="firefly explore"),
                    )
                return Outcome(key, tools=len(shown), usage=_used(done.context_wrapper))
    except Exception as trouble:
        told = getattr(trouble, "run_data", None)
        return Outcome(key, *boundary_of(trouble), usage=_used(getattr(told, "context_wrapper", None)))


def _used(context: RunContextWrapper[Any] | None) -> dict[str, int]:
    """Requests and tokens of a run, as far as its model tells; empty for the embedded model."""
    if context is None or not context.usage.total_tokens:
        return {}
    usage = context.usage
    return {"requests": usage.requests, "input": usage.input_tokens, "output": usage.output_tokens}


def _plain_client(headers: dict[str, str] | None = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
    """A client for this machine's own proxy: without certificates, whose loading costs more than a session's calls."""
    return httpx2.AsyncClient(headers=headers, timeout=timeout, auth=auth, verify=False, trust_env=False)


def boundary_of(trouble: BaseException) -> tuple[str, str]:
    """Where trouble arose, and what it says, on one line."""
    text = " ".join(str(trouble).split())[:300] or type(trouble).__name__
    if isinstance(trouble, BaseExceptionGroup):
        return boundary_of(trouble.exceptions[0])
    if isinstance(trouble, MaxTurnsExceeded | TimeoutError):
        return "budget", text
    if isinstance(trouble, OpenAIError | ModelBehaviorError):
        return "model", text
    if isinstance(trouble, StoreError):
        return "proxy", text
    if isinstance(trouble, ServerError | AgentsException) or "MCPError" in type(trouble).__name__:
        return "server", text
    return ("server" if isinstance(trouble, FireflyError) else "proxy"), text


def label(recording: Recording, key: str, more: Mapping[str, Any]) -> None:
    """Add labels to a session that was recorded."""
    from firefly_mcp.jsonio import loads, text

    with recording.transaction() as db:
        rows = db.execute("SELECT labels FROM session WHERE key = ?", (key,)).fetchall()
        if rows:
            db.execute("UPDATE session SET labels = ? WHERE key = ?", (text({**loads(str(rows[0][0])), **more}), key))
