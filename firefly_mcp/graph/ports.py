"""Where data leaves a tool and where it enters: the output fields and the arguments that edges connect."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from firefly_mcp.graph.words import KNOBS, is_generic, name_words, nouns, without_role
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import Field, infer_fields, is_success
from firefly_mcp.schemas import branches, properties, required, single, types_of
from firefly_mcp.types import Call, Tool, ToolKey

_MAX_FIELDS = 120
_MAX_CALLS = 200
_MAX_DEPTH = 6
_TOOLS_OF_A_CONSTANT = 3
Constant = tuple[str, str, str | int | float | bool]
"""A server, a field's name and the one value that it has in the answers of several tools."""


@dataclass(frozen=True)
class Output:
    """One output field of a tool; ``words`` are those of its name, and of what it belongs to where the name is generic."""

    tool: int
    path: str
    words: tuple[str, ...]
    type: str
    format: str
    description: str
    weight: float = 1.0


@dataclass(frozen=True)
class Input:
    """One top-level argument of a tool that another tool's answer may feed."""

    tool: int
    argument: str
    words: tuple[str, ...]
    type: str
    format: str
    description: str
    required: bool


def outputs_of(index: int, tool: Tool, fields: Sequence[Field], constants: Collection[Constant] = ()) -> list[Output]:
    """The output fields of a tool, declared and inferred. Echoes of its own arguments reveal nothing and are left out.

    Args:
        index: the tool's number in the build.
        tool: the tool.
        fields: inferred from its recorded results; empty when it was never called.
        constants: what its server says in every answer.
    """
    known = {field.path: field for field in fields}
    own_arguments = set(properties(tool.input_schema))
    found: list[Output] = []
    for field in [*fields, *(one for one in declared_fields(tool.output_schema) if one.path not in known)]:
        echo = field.echo or (not field.seen and field.name in own_arguments)
        if (
            echo
            or (field.seen and not field.types)
            or len(field.name) < 2
            or field.types == ("boolean",)
            or len(found) >= _MAX_FIELDS
        ):
            continue
        constant = field.distinct == 1 and (field.seen >= 4 or (tool.server, field.name, field.examples[0]) in constants)
        kind = field.types[0] if len(field.types) == 1 else "number" if field.types == ("integer", "number") else ""
        words = _with_owner(field.name, field.parent, tool.name)
        found.append(Output(index, field.path, words, kind, field.format, field.description, 0.3 if constant else 1.0))
    return found


def inputs_of(index: int, tool: Tool) -> list[Input]:
    """The arguments of a tool that data can flow into: no booleans, no enums, no knobs such as ``limit`` and ``format``."""
    schema = tool.input_schema
    needed = set(required(schema))
    found: list[Input] = []
    for name, own in properties(schema).items():
        options = branches(own, schema)
        words = name_words(name)
        types = types_of(own, schema)
        if all("enum" in option or "const" in option for option in options) or types == {"boolean"}:
            continue
        if name not in needed and words and all(word in KNOBS or word in ("result", "number", "by") for word in words):
            continue
        inner = single(own, schema)
        if types == {"array"}:
            inner = single(inner.get("items"), schema)
            types = types_of(inner, schema)
        kind = "number" if types == {"integer", "number"} else next(iter(types)) if len(types) == 1 else ""
        description = str(own.get("description") or inner.get("description") or "")
        form = str(inner.get("format") or _format_of(words, description))
        found.append(Input(index, name, _with_owner(name, "", tool.name), kind, form, description, name in needed))
    return found


def declared_fields(schema: JsonObject | None) -> list[Field]:
    """The scalar fields that an output schema declares, by path pattern; recursion is bounded."""
    if not schema:
        return []
    root = schema
    found: dict[str, Field] = {}

    def visit(own: Any, path: str, name: str, parent: str, depth: int) -> None:
        if depth > _MAX_DEPTH or len(found) >= _MAX_FIELDS:
            return
        for option in branches(own, root):
            children = properties(option, root)
            for key, child in children.items():
                visit(
                    child,
                    f"{path}.{key}" if re.fullmatch(r"[A-Za-z_]\w*", key, re.ASCII) else f"{path}['{key}']",
                    key,
                    name,
                    depth + 1,
                )
            for inner in (option.get("items"), option.get("additionalProperties")):
                if isinstance(inner, dict):
                    visit(inner, f"{path}[*]", name, parent, depth + 1)
            types = types_of(option, root) - {"object", "array"}
            if types and not children:
                text = str(option.get("description") or "")
                found.setdefault(
                    path, Field(path, name, parent, tuple(sorted(types)), str(option.get("format") or ""), description=text)
                )

    visit(schema, "$", "", "", 0)
    # Frameworks wrap any plain return value as {"result": …}; the name says nothing of it.
    return [field for field in found.values() if field.path != "$.result"]


def fields_by_tool(calls: Iterable[Call]) -> dict[ToolKey, list[Field]]:
    """Fields inferred from the successful results of each tool."""
    seen: dict[ToolKey, list[Call]] = {}
    for call in calls:
        kept = seen.setdefault(call.key, [])
        if call.tool is not None and len(kept) < _MAX_CALLS and is_success(call):
            kept.append(call)
    return {
        key: infer_fields([call.result for call in kept if call.result], [call.arguments for call in kept if call.result])
        for key, kept in seen.items()
    }


def _with_owner(name: str, parent: str, tool_name: str) -> tuple[str, ...]:
    words = without_role(name_words(name))
    if not is_generic(words):
        return words
    owner = without_role(name_words(parent)) if parent else ()
    if not owner or is_generic(owner):
        owner = nouns(tool_name)
    return tuple(dict.fromkeys([*owner, *words]))


def _format_of(words: tuple[str, ...], description: str) -> str:
    last = words[-1] if words else ""
    if last == "date" or re.search(r"(?i)\bYYYY-MM-DD\b(?!.?T?HH)", description):
        return "date"
    if last in ("email", "uri"):
        return last
    return ""


def iter_ports(tools: Sequence[Tool], fields: Mapping[ToolKey, list[Field]]) -> Iterator[tuple[list[Output], list[Input]]]:
    """The outputs and inputs of every tool, in order."""
    told_by: Counter[Constant] = Counter()
    for key, found in fields.items():
        told_by.update(
            {(key.server, field.name, field.examples[0]) for field in found if field.distinct == 1 and field.examples}
        )
    constants = {constant for constant, count in told_by.items() if count >= _TOOLS_OF_A_CONSTANT}
    for index, tool in enumerate(tools):
        yield outputs_of(index, tool, fields.get(tool.key, []), constants), inputs_of(index, tool)
