"""Why an edge is in the graph, in words: one line for each kind of evidence."""

from __future__ import annotations

from firefly_mcp.graph.model import Edge
from firefly_mcp.jsonio import JsonObject


def reasons(edge: Edge) -> list[str]:
    """One line per evidence, what was seen first."""
    kinds = {"flow": _flow, "echo": _echo, "schema": _schema, "description": _description, "judgement": _judgement}
    return [tell(edge.evidence[kind]) for kind, tell in kinds.items() if kind in edge.evidence]


def _flow(found: JsonObject) -> str:
    return f"seen: {_amount(found)} went from {_place(found)} to {found['at']}; chance explains {found['false_rate']:.0%}"


def _echo(found: JsonObject) -> str:
    return f"passed on: {_amount(found)} stood at {_place(found)}, given to it before, and went to {found['at']}"


def _schema(found: JsonObject) -> str:
    return (
        f"fits: {_place(found)} by name {found['name']:.2f}, type {found['type']:.2f}, format {found['format']:.2f}:"
        f" {found['fit']:.2f}"
    )


def _description(found: JsonObject) -> str:
    return f"described alike: {found['similarity']:.2f}"


def _judgement(found: JsonObject) -> str:
    reason = f": {found['reason']}" if found.get("reason") else ""
    return f"judged {found['level']} by {found.get('model', 'a model')}{reason}"


def _amount(found: JsonObject) -> str:
    values = "1 value" if found["values"] == 1 else f"{found['values']} values"
    return f"{values} in {found['calls']} calls" if found["calls"] != 1 else f"{values} in 1 call"


def _place(found: JsonObject) -> str:
    return str(found["path"]) if "path" in found else f"/{found['regex']}/"
