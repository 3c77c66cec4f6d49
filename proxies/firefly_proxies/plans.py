"""Execute a task's plan as any agent would: with a real MCP client, over streamable HTTP, against a proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from httpx2 import AsyncClient
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import RequestParamsMeta

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.tasks.literals import bind
from firefly_mcp.tasks.model import Task, same_value
from firefly_mcp.tasks.selection import SelectionError, select
from firefly_proxies.messages import META_SESSION


@asynccontextmanager
async def plain_http() -> AsyncIterator[AsyncClient]:
    """An HTTP client to share between many MCP clients of a proxy here: each would else load all certificates anew."""
    async with create_mcp_http_client() as client:
        yield client


def session_client(url: str, http: AsyncClient) -> Client:
    """An MCP client with a session of its own over a shared HTTP client."""
    return Client(streamable_http_client(url, http_client=http), mode="legacy")


class PlanFailedError(Exception):
    """The plan did not run to its end; the text says at which node and why."""


async def execute_plan(task: Task, client: Client, session: str | None = None) -> dict[str, JsonObject]:
    """Call every node in order and give each node's result.

    Args:
        task: its plan is followed.
        client: connected to a proxy.
        session: call in this session of the proxy instead of the client's own; one client can thus run many plans.

    Raises:
        PlanFailedError: a call fails, a binding selects nothing, or the client refuses a result for its tool's schema.
    """
    meta = None if session is None else cast(RequestParamsMeta, {META_SESSION: session})
    results: dict[str, JsonObject] = {}
    for node in task.plan:
        try:
            values = [(binding, select(results[binding.source], binding.select)) for binding in node.bindings]
            arguments = bind(node.arguments, values)
        except (SelectionError, KeyError, IndexError, ValueError) as error:
            raise PlanFailedError(f"{node.id}: a binding fails: {error}") from error
        try:
            answer = await client.call_tool(node.exposed_name, arguments, meta=meta)
        except (MCPError, RuntimeError) as error:  # RuntimeError: the result does not fit the tool's output schema
            raise PlanFailedError(f"{node.id}: {error}") from error
        result: JsonObject = answer.model_dump(mode="json", by_alias=True, exclude_none=True)
        if result.get("isError"):
            text = " ".join(str(item.get("text", "")) for item in result.get("content") or [])
            raise PlanFailedError(f"{node.id}: {text[:300]}")
        results[node.id] = result
    return results


def label_of(task: Task, results: Mapping[str, JsonObject]) -> dict[str, Any]:
    """The answer as these results give it.

    Raises:
        PlanFailedError: an answer field is not found.
    """
    label = {}
    for name, proof in task.evidence.items():
        try:
            label[name] = select(results[proof.node], proof.select)
        except (SelectionError, KeyError) as error:
            raise PlanFailedError(f"{name}: {error}") from error
    return label


def match_kinds(results: Mapping[str, JsonObject]) -> list[str]:
    """How each result was found, by its provenance."""
    return [str((result.get("_meta") or {}).get("firefly/match", "live")) for result in results.values()]


def gives_answer(task: Task, results: Mapping[str, JsonObject]) -> bool:
    """Whether the results give exactly the task's answer."""
    return same_value(label_of(task, results), task.answer)
