"""Explain a miss: what was nearest, which arguments differed, or which write stood in the way, and what to do."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from operator import itemgetter
from weakref import WeakKeyDictionary

from firefly_mcp.jsonio import JSON, JsonObject, text
from firefly_mcp.replay.index import Candidate, ReplayIndex
from firefly_mcp.state.history import History
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import ToolKey

NEAREST = 3
_SCAN = 2000
_TOOLS_KEPT = 32
_READ: WeakKeyDictionary[ReplayIndex, OrderedDict[ToolKey, list[tuple[int, JsonObject]]]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Miss:
    """Why nothing was served.

    ``cause`` is ``invalid_arguments``, ``unknown_tool``, ``never_recorded``, ``state``, ``origin``, ``session`` or ``exchange``
    (the client answered a question of the call as no recorded client did).
    """

    cause: str
    message: str
    nearest: list[JsonObject] = field(default_factory=list)


def explain_miss(
    recording: Recording,
    index: ReplayIndex,
    history: History,
    key: ToolKey,
    params: JsonObject,
    nearest: Sequence[Candidate],
    undecided: bool,
) -> Miss:
    """Find the cause of a miss.

    Args:
        recording: where the calls are.
        index: its index.
        history: this session's past on the server.
        key: the tool (or method) that was asked.
        params: the request's params.
        nearest: recorded calls that would match but for their state.
        undecided: whether the session's beginning could not be decided.
    """
    if nearest:
        calls = [{"call": candidate.call, "differs": {"state": "other"}} for candidate in nearest[:NEAREST]]
        if undecided:
            return Miss(
                "origin",
                f"{key} reads state and the recording has several beginnings: choose one with --start SESSION, for example"
                f" --start {nearest[0].session} (see firefly sessions)",
                calls,
            )
        writers = [writer.label for writer in history.context(key)]
        made = (
            f"this session made: {', '.join(writers[-3:])}" if writers else "this session has made no call that may affect it"
        )
        return Miss(
            "state", f"{key} was recorded with these arguments, but in another state; {made} (see firefly effects)", calls
        )
    tool = index.tools.get(key)
    if tool is None and "name" in params and key.tool == params["name"] and index.relation.lists(key.server):
        return Miss("unknown_tool", f"Unknown tool: {key.tool}")
    arguments = params.get("arguments") or {}
    if tool is not None:
        problem = schema_problem(arguments, tool.input_schema)
        if problem:
            return Miss("invalid_arguments", f"Input validation error: {problem}")
    near = _nearest(recording, index, key, arguments if tool is not None else params)
    shown = f"; nearest recorded: {text(near[0]['arguments'])[:300]}" if near else "; no call of it was recorded"
    return Miss("never_recorded", f"no recorded call of {key} has these arguments{shown}", near)


def lone_miss(key: ToolKey) -> Miss:
    """The miss of a request that is a session of its own: nobody can say what was called before it."""
    return Miss(
        "session",
        f"{key} depends on earlier calls, and this request belongs to no session: name one with ?session=ID in the URL"
        ' or with _meta["firefly/session"] in each request',
    )


def schema_problem(arguments: JSON, schema: JsonObject) -> str:
    """The first way in which arguments violate a schema, or the empty string. A broken schema forbids nothing."""
    import jsonschema  # slow to load, and only misses need it

    try:
        errors = jsonschema.Draft202012Validator(schema).iter_errors(arguments)
        first = min(errors, key=lambda error: list(map(str, error.absolute_path)), default=None)
    except Exception:  # third-party schemas may be malformed in any way, or refer to what is not there
        return ""
    return "" if first is None else str(first.message)[:500]


def _nearest(recording: Recording, index: ReplayIndex, key: ToolKey, arguments: JsonObject) -> list[JsonObject]:
    """The recorded calls whose arguments differ in the fewest places."""
    ranked = [
        (sum(recorded.get(name) != arguments.get(name) for name in {*recorded, *arguments}), call, recorded)
        for call, recorded in _recorded(recording, index, key)
    ]
    return [
        {
            "call": call,
            "arguments": recorded,
            "differs": {
                name: {"recorded": recorded.get(name), "asked": arguments.get(name)}
                for name in sorted({*recorded, *arguments})
                if recorded.get(name) != arguments.get(name)
            },
        }
        for _, call, recorded in nsmallest(NEAREST, ranked, key=itemgetter(0, 1))
    ]


def _recorded(recording: Recording, index: ReplayIndex, key: ToolKey) -> list[tuple[int, JsonObject]]:
    """The first recorded calls of a tool or method: a policy that explores misses often, so they are read once."""
    tools = _READ.setdefault(index, OrderedDict())
    found = tools.get(key)
    if found is None:
        is_method = "/" in key.tool and key.tool.split("/")[0] in ("resources", "prompts", "completion")
        scanned = queries.calls(
            recording,
            server=key.server,
            tool=None if is_method else key.tool,
            method=key.tool if is_method else None,
            evidence_only=True,
            results=False,
            limit=_SCAN,
        )
        found = tools[key] = [(call.id, call.params if is_method else call.arguments) for call in scanned]
        if len(tools) > _TOOLS_KEPT:
            tools.popitem(last=False)
    tools.move_to_end(key)
    return found
