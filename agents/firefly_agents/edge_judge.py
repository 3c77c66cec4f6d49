"""Ask a model how plausible edges of the tool graph are. Its word is kept in the recording, as one evidence among others."""

from __future__ import annotations

from collections import Counter
from functools import cache
from importlib import resources
from typing import Any

import anyio

from firefly_mcp.errors import ModelError
from firefly_mcp.graph import Edge, ToolGraph, build_graph
from firefly_mcp.graph.ports import fields_by_tool
from firefly_mcp.graph.store import build_from, judgements_of, tools_hash, write_graph
from firefly_mcp.jsonio import JsonObject, loads, text
from firefly_mcp.observe import Field
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import Tool, ToolKey
from firefly_proxies.chat import ChatModel

_LEVELS = ("high", "medium", "low")
_MOST_FIELDS = 60
_MOST_TEXT = 1500
_SETTLED = 0.9
"""From this score on what was seen settles the matter."""


async def judge_edges(recording: Recording, model: str, limit: int = 500, concurrency: int = 4) -> dict[str, Any]:
    """Ask ``model`` of at most ``limit`` edges of the graph and store the graph with its word.

    Edges that were judged before, and those that values seen flowing settle, are not asked about; of the others those in doubt
    (a score near one half) come first.

    Returns:
        ``{asked, failed, known, levels: {level: n}}``.

    Raises:
        ModelError: no endpoint is named, or the first question got no reply at all.
    """
    graph = build_from(recording)
    known = judgements_of(recording)
    open_edges = [edge for edge in graph.edges if edge.key not in known and not _settled(edge)]
    open_edges.sort(key=lambda edge: (abs(edge.score - 0.5), edge.key))
    calls = list(queries.calls(recording, method="tools/call", evidence_only=True))
    asked = await _ask(graph, open_edges[:limit], fields_by_tool(calls), model, concurrency)
    if asked:
        told = {edge.key: judgement for edge, judgement in asked}
        write_graph(recording, build_graph(graph.tools.values(), calls, judgements={**known, **told}))
    return {
        "asked": len(asked),
        "failed": min(limit, len(open_edges)) - len(asked),
        "known": len(known),
        "levels": dict(Counter(dict.fromkeys(_LEVELS, 0)) + Counter(str(one["level"]) for _, one in asked)),
    }


async def _ask(
    graph: ToolGraph, edges: list[Edge], fields: dict[ToolKey, list[Field]], name: str, concurrency: int
) -> list[tuple[Edge, JsonObject]]:
    found: dict[int, JsonObject] = {}
    model = ChatModel.from_environment(name)
    limiter = anyio.CapacityLimiter(concurrency)

    async def one(number: int, edge: Edge) -> None:
        source, target = graph.tools[edge.source], graph.tools[edge.target]
        async with limiter:
            reply = await model.complete(question(edge, source, target, fields.get(edge.source, [])))
        judgement = read_reply(reply)
        if judgement is not None:
            found[number] = {**judgement, "model": name, "tools": tools_hash(source, target)}

    async def forgiving(number: int, edge: Edge) -> None:
        try:
            await one(number, edge)
        except ModelError:
            return

    try:
        if edges:
            await one(0, edges[0])  # an endpoint that does not answer is told at once, in one line
        async with anyio.create_task_group() as group:
            for number, edge in enumerate(edges[1:], 1):
                group.start_soon(forgiving, number, edge)
    finally:
        await model.close()
    return [(edges[number], found[number]) for number in sorted(found)]


def question(edge: Edge, source: Tool, target: Tool, fields: list[Field]) -> list[JsonObject]:
    """The messages that ask about one edge."""
    data = {
        "first tool": _told(source),
        "fields of its answers": [field.path for field in fields[:_MOST_FIELDS]],
        "second tool": _told(target),
        "argument": edge.argument,
    }
    return [
        {"role": "system", "content": _prompt()},
        {"role": "user", "content": f"DATA BEGINS\n{text(data)}\nDATA ENDS"},
    ]


def read_reply(reply: str) -> JsonObject | None:
    """The judgement in a model's reply; None where it has none of the three levels."""
    start, end = reply.find("{"), reply.rfind("}")
    try:
        said = loads(reply[start : end + 1]) if start >= 0 else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    level = str(said.get("level", "")).strip().lower()
    if level not in _LEVELS:
        return None
    return {"level": level, "reason": " ".join(str(said.get("reason") or "").split())[:200]}


def _settled(edge: Edge) -> bool:
    return "flow" in edge.evidence and edge.score >= _SETTLED


def _told(tool: Tool) -> JsonObject:
    schema = text(tool.input_schema)
    return {
        "name": tool.name,
        "server": tool.server,
        "description": tool.description[:_MOST_TEXT],
        "arguments": schema[:_MOST_TEXT],
    }


@cache
def _prompt() -> str:
    return resources.files("firefly_agents").joinpath("prompts/judge_edge.md").read_text(encoding="utf-8")
