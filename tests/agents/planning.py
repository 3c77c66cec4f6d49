"""What the planner tests share: tools by hand, and an episode that is driven without any server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from firefly_agents.offline.arguments import ArgumentPlanner
from firefly_agents.offline.draft import EpisodeState
from firefly_agents.offline.memory import ValueMemory
from firefly_agents.offline.planner import EpisodePlanner
from firefly_agents.offline.seen import output_view, seen_in
from firefly_agents.offline.slots import ToolInfo
from firefly_mcp.jsonio import JsonObject, text
from firefly_mcp.types import ToolKey

Answer = Callable[[ToolKey, JsonObject], Any]


def tool(
    name: str, description: str = "", /, *, server: str = "shop", optional: Mapping[str, Any] | None = None, **arguments: Any
) -> ToolInfo:
    """A tool whose arguments are given as schemas; a bare type name stands for ``{"type": ...}``."""
    schemas = {
        key: {"type": value} if isinstance(value, str) else value for key, value in {**arguments, **(optional or {})}.items()
    }
    schema = {"type": "object", "properties": schemas, "required": list(arguments)}
    return ToolInfo(ToolKey(server, name), name, description, schema)


def arguments_of(
    info: ToolInfo, *, state: EpisodeState | None = None, memory: ValueMemory | None = None, seed: int = 0, **more: Any
) -> JsonObject | None:
    """One call's arguments."""
    return ArgumentPlanner(memory or ValueMemory(), **more).arguments(info, state or EpisodeState(), Random(seed))


def after(*results: tuple[ToolInfo, Any]) -> EpisodeState:
    """The state of an episode in which these tools returned this JSON."""
    state = EpisodeState()
    for number, (info, value) in enumerate(results, 1):
        view, _ = output_view(text(value))
        state.seen += seen_in(view, info.key, number)
    return state


def drive(planner: EpisodePlanner, answer: Answer) -> list[tuple[ToolKey, JsonObject]]:
    """Run an episode against a function; what it returns is told as JSON."""
    calls = []
    while (planned := planner.next()) is not None:
        calls.append(planned)
        planner.observe(text(answer(*planned)))
    return calls
