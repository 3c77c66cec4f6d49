"""Why an edge is in the graph, in words: one line for each kind of evidence."""

from __future__ import annotations

from firefly_mcp.graph.model import Edge
from firefly_mcp.jsonio import JsonObject


def reasons(edge: Edge) -> list[str]:
    """One line per evidence, what was seen first. Members that an evidence lacks are left out."""
    kinds = {"flow": _flow, "echo": _echo, "schema": _schema, "description": _description, "judgement": _judgement}
    return [tell(edge.evidence[kind]) for kind, tell in kinds.items() if kind in edge.evidence]


def _flow(found: JsonObject) -> str:
    return f"seen: {_amount(found)} went from {_place(found)} to {found.get('at', '?')}{_chance(found)}"


def _echo(found: JsonObject) -> str:
    return f"passed on: {_amount(found)}, given to it before, stood at {_place(found)} and went to {found.get('at', '?')}"


def _schema(found: JsonObject) -> str:
    parts = ", ".join(f"{name} {float(found[name]):.2f}" for name in ("name", "type", "format") if name in found)
    return f"fits {float(found.get('fit', 0)):.2f}: {_place(found)} ({parts})"


def _description(found: JsonObject) -> str:
    return f"described alike: {float(found.get('similarity', 0)):.2f}"


def _judgement(found: JsonObject) -> str:
    reason = f": {found['reason']}" if found.get("reason") else ""
    return f"judged {found.get('level', '?')} by {found.get('model', 'a model')}{reason}"


def _amount(found: JsonObject) -> str:
    values, calls = found.get("values", "?"), found.get("calls", "?")
    return f"{values} value{'' if values == 1 else 's'} in {calls} call{'' if calls == 1 else 's'}"


def _chance(found: JsonObject) -> str:
    return f"; chance explains {float(found['false_rate']):.0%}" if "false_rate" in found else ""


def _place(found: JsonObject) -> str:
    return f"/{found['regex']}/" if "regex" in found else str(found.get("path", "?"))
