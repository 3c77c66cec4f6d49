"""A tool's matching plan: its input schema and rules compiled once, so that a call costs microseconds.

A plan gives of a call's arguments the *normal form* (what the ``normalized`` rung compares), the *identity* (the identifying
part of it: each free text reduced to the numerals in it) and the free texts themselves.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from firefly_mcp.canonical import canonical_json, hash_bytes
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.match import comparers
from firefly_mcp.match.kinds import TEXT_NAMED, UNDECIDED, ArgumentKind, declared_kind, kind_of_value
from firefly_mcp.match.rules import NO_RULES, ToolRules
from firefly_mcp.match.words import numerals
from firefly_mcp.schemas import MAX_DEPTH, properties, required, resolve, single, types_of

_PLANS_KEPT = 4096
_NAMES_KEPT = 512
_EMPTY: tuple[Any, ...] = (None, [], {})


class Plan:
    """What is done to one place of the arguments and, through ``child`` and ``item``, to the places below it."""

    __slots__ = ("_children", "_defaults", "_dynamic", "_extra", "_ignore", "_items", "_name", "_off", "_root", "_rules",
                 "_schema", "_where", "always", "by_kind", "declared", "depth", "drop", "needed", "sort")  # fmt: skip

    def __init__(
        self,
        name: str,
        where: str,
        schema: JsonObject,
        root: JsonObject,
        rules: ToolRules,
        ignore: bool = False,
        depth: int = 0,
    ) -> None:
        """Compile the place ``where`` (a JSON pointer, list items as ``*``), whose nearest key is ``name``."""
        self._name, self._where, self._schema, self._root, self._rules, self.depth = name, where, schema, root, rules, depth
        self._off = rules.off
        self._ignore = ignore
        own = single(schema, root)
        types = types_of(schema, root)
        self.declared: ArgumentKind | str = self._decide(schema, root)
        self.always = self._scalar_rules(own, types)
        self.by_kind = {
            kind: tuple(rule for rule in comparers.COMPARERS[kind] if rule.__name__ not in self._off) for kind in ArgumentKind
        }
        self.drop = "drop_empty" not in self._off
        self.needed = frozenset(required(schema, root))
        self.sort = own.get("uniqueItems") is True and "sort_unique_items" not in self._off
        extra, items = own.get("additionalProperties"), own.get("items")
        self._extra = extra if isinstance(extra, dict) else {}
        self._items = items if isinstance(items, dict) else {}
        self._children = properties(schema, root)
        self._defaults = [] if "fill_defaults" in self._off else self._filled()
        self._dynamic: dict[str, Plan] = {}

    def _decide(self, schema: JsonObject, root: JsonObject) -> ArgumentKind | str:
        told = _told(self._rules.kinds, self._where)
        if told is not None:
            return told
        declared = declared_kind(self._name, schema, root)
        if declared not in (UNDECIDED, TEXT_NAMED):
            return declared
        observed = _told(self._rules.observed, self._where)
        return declared if observed is None else TEXT_NAMED if observed is ArgumentKind.FREE_TEXT else observed

    def _scalar_rules(self, own: JsonObject, types: set[str]) -> tuple[comparers.Comparer, ...]:
        found: list[tuple[str, comparers.Comparer]] = [("trim_strings", comparers.trim_strings)]
        if self.declared is ArgumentKind.NUMBER and not types & {"integer", "number"}:
            types = {"number"}
        elif self.declared is ArgumentKind.BOOLEAN:
            types = {"boolean"}
        if types == {"integer"}:
            found.append(("coerce_numbers", comparers.coerce_integers))
        elif types and types <= {"integer", "number"}:
            found.append(("coerce_numbers", comparers.coerce_numbers))
        found.append(("whole_numbers", comparers.whole_numbers))
        if types == {"boolean"}:
            found.append(("coerce_booleans", comparers.coerce_booleans))
        options = own.get("enum")
        if isinstance(options, list) and any(isinstance(option, str) for option in options):
            found.append(("fold_enums", comparers.fold_enum([option for option in options if isinstance(option, str)])))
        return tuple(rule for name, rule in found if name not in self._off)

    def _filled(self) -> list[tuple[str, Any]]:
        found = []
        for name, child in self._children.items():
            default = resolve(child, self._root).get("default")
            if default is not None and default not in ([], {}):
                found.append((name, default))
        return found

    def child(self, name: str) -> Plan:
        """The plan of a member; a name that no schema declares has one too, by its name alone."""
        found = self._dynamic.get(name)
        if found is None:
            schema = self._children.get(name, self._extra)
            found = self._below(name, f"{self._where}/{escaped(name)}", schema)
            if len(self._dynamic) < _NAMES_KEPT or name in self._children:
                self._dynamic[name] = found
        return found

    def item(self) -> Plan:
        """The plan of a list's items."""
        found = self._dynamic.get("\0")
        if found is None:
            found = self._dynamic["\0"] = self._below(self._name, f"{self._where}/*", self._items)
        return found

    def _below(self, name: str, where: str, schema: JsonObject) -> Plan:
        schema = schema if self.depth < 4 * MAX_DEPTH else {}
        return Plan(name, where, schema, self._root, self._rules, _matches(self._rules.ignore, where), self.depth + 1)

    def normal(self, value: Any) -> Any:
        """The value in normal form. Idempotent."""
        if isinstance(value, dict):
            made = {}
            for key, item in value.items():
                plan = self.child(key)
                if not plan._ignore:
                    made[key] = plan.normal(item)
            if self.drop:
                made = {key: item for key, item in made.items() if key in self.needed or item not in _EMPTY}
            for key, default in self._defaults:
                if key not in made and not self.child(key)._ignore:
                    made[key] = self.child(key).normal(default)
            return made
        if isinstance(value, list):
            plan = self.item()
            listed = [plan.normal(item) for item in value]
            return sorted(listed, key=canonical_json) if self.sort else listed
        for rule in self.always:
            value = rule(value)
        if isinstance(value, str):
            for rule in self.by_kind[kind_of_value(self.declared, value)]:
                value = rule(value)
        return value

    def identity(self, normal: Any) -> Any:
        """The identifying part of a normal form: each free text is reduced to the numerals in it."""
        if isinstance(normal, str):
            if kind_of_value(self.declared, normal) is ArgumentKind.FREE_TEXT:
                return {"numerals": numerals(normal)}
            return normal
        if isinstance(normal, dict):
            return {key: self.child(key).identity(item) for key, item in normal.items()}
        if isinstance(normal, list):
            plan = self.item()
            return [plan.identity(item) for item in normal]
        return normal

    def texts(self, normal: Any, where: str = "") -> Iterator[tuple[str, str]]:
        """The free texts of a normal form, each with the JSON pointer to it."""
        if isinstance(normal, str):
            if kind_of_value(self.declared, normal) is ArgumentKind.FREE_TEXT:
                yield where, normal
        elif isinstance(normal, dict):
            for key, item in normal.items():
                yield from self.child(key).texts(item, f"{where}/{escaped(key)}")
        elif isinstance(normal, list):
            plan = self.item()
            for number, item in enumerate(normal):
                yield from plan.texts(item, f"{where}/{number}")


def escaped(name: str) -> str:
    """A key as it stands in a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def _told(kinds: Mapping[str, ArgumentKind], where: str) -> ArgumentKind | None:
    return next((kind for pointer, kind in kinds.items() if _pointer_fits(pointer, where)), None)


def _matches(pointers: Collection[str], where: str) -> bool:
    return any(_pointer_fits(pointer, where) for pointer in pointers)


def _pointer_fits(pointer: str, where: str) -> bool:
    asked, found = pointer.split("/"), where.split("/")
    return len(asked) == len(found) and all(
        left == right or left == "*" or (right == "*" and left.isdigit()) for left, right in zip(asked, found, strict=True)
    )


_PLANS: OrderedDict[tuple[int, int], tuple[JsonObject, ToolRules, Plan]] = OrderedDict()


def plan_of(schema: JsonObject, rules: ToolRules = NO_RULES) -> Plan:
    """The plan of a schema and rules, compiled once for each pair of objects (neither may be altered afterwards)."""
    key = (id(schema), id(rules))
    found = _PLANS.get(key)
    if found is not None and found[0] is schema and found[1] is rules:
        return found[2]
    plan = Plan("", "", schema, schema, rules)
    _PLANS[key] = (schema, rules, plan)
    if len(_PLANS) > _PLANS_KEPT:
        _PLANS.popitem(last=False)
    return plan


def normalize(arguments: JsonObject, schema: JsonObject, rules: ToolRules = NO_RULES) -> JsonObject:
    """The arguments in normal form.

    Args:
        arguments: the arguments of one call.
        schema: the tool's input schema; ``{}`` applies only what JSON itself and the names allow.
        rules: what the user said of the tool.
    """
    result = plan_of(schema, rules).normal(arguments)
    assert isinstance(result, dict)
    return result


def normalized_hash(tool: str, arguments: JsonObject, schema: JsonObject, rules: ToolRules = NO_RULES) -> str:
    """Hash of a tool call in normal form: what the ``normalized`` rung of replay compares."""
    return tool_hash(tool, plan_of(schema, rules).normal(arguments))


def identity_hash(tool: str, arguments: JsonObject, schema: JsonObject, rules: ToolRules = NO_RULES) -> str:
    """Hash of the identifying arguments: a neighbour that differs in an id, number or date never has the same."""
    return match_hashes(tool, arguments, schema, rules)[1]


def match_hashes(tool: str, arguments: JsonObject, schema: JsonObject, rules: ToolRules = NO_RULES) -> tuple[str, str]:
    """Both at once, for whoever indexes: the normalized hash and the identity hash."""
    plan = plan_of(schema, rules)
    normal = plan.normal(arguments)
    return tool_hash(tool, normal), tool_hash(tool, plan.identity(normal))


def free_texts(arguments: JsonObject, schema: JsonObject, rules: ToolRules = NO_RULES) -> dict[str, str]:
    """The free texts of a call in normal form, by JSON pointer; calls of equal identity have the same pointers."""
    plan = plan_of(schema, rules)
    return dict(plan.texts(plan.normal(arguments)))


def tool_hash(tool: str, value: Any) -> str:
    """Hash of a tool and what is compared of its arguments."""
    return hash_bytes(tool.encode() + b"\n" + canonical_json(value))
