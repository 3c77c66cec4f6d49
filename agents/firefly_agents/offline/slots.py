"""The values that a tool call needs: its input schema flattened into slots, each with what is known of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from random import Random

from firefly_agents.offline import hints
from firefly_agents.offline.vocabulary import by_meaning
from firefly_agents.offline.words import telling, words
from firefly_mcp.jsonio import JSON, JsonObject
from firefly_mcp.schemas import properties, required, single, types_of
from firefly_mcp.types import ToolKey

SHAPES = {
    "date": re.compile(r"\d{4}-\d{2}-\d{2}\Z"),
    "email": re.compile(r"[^@\s]+@[^@\s]+\.\w+\Z"),
    "iata": re.compile(r"[A-Z]{3}\Z"),
    "country": re.compile(r"[A-Z]{2}\Z"),
}
_PATTERN = re.compile(r"YYYY|MM-DD|HH:MM|HHHH|<\w+>|\.\.\.")
_PERSONAL = frozenset(
    "first last full given family sur user customer contact person display author owner company middle".split()
)
_MAKES = frozenset("create new register make insert put define".split())
_POINTS = frozenset("get read describe delete remove show open load fetch view update edit rename archive restore".split())
_SEEKS = frozenset("search find lookup list query".split())
_PLUMBING = frozenset("list all by details detail info erp api new".split())
_INTERNAL = frozenset(
    "state_key session_id idempotency_key cursor page_token context intent output_mode kw no_param dry_run trace_id".split()
)


@dataclass(frozen=True)
class ToolInfo:
    """A tool as it is offered: its key, and the definition that a client sees."""

    key: ToolKey
    name: str
    description: str
    schema: JsonObject = field(hash=False)
    annotations: JsonObject = field(default_factory=dict, hash=False)

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """The top-level arguments."""
        needed = set(required(self.schema))
        return tuple(
            Slot(self, f"/{_escape(name)}", name, schema, name in needed) for name, schema in properties(self.schema).items()
        )

    @cached_property
    def about(self) -> frozenset[str]:
        """The telling words of its description's first lines."""
        return telling(self.description[:200])

    @cached_property
    def verb(self) -> str:
        """The first word of its name that is a known verb, or the empty string."""
        return next((word for word in words(self.key.tool) if word in _MAKES | _POINTS | _SEEKS), "")

    def needed(self) -> tuple[Slot, ...]:
        """The slots that must be filled."""
        return tuple(slot for slot in self.slots if slot.required)


@dataclass(frozen=True)
class Slot:
    """One value that an argument object holds."""

    tool: ToolInfo
    pointer: str
    name: str
    schema: JsonObject = field(hash=False)
    required: bool

    @cached_property
    def own(self) -> JsonObject:
        """The schema with references and nullable unions opened; of several alternatives the first."""
        found = single(self.schema, self.tool.schema)
        for word in ("anyOf", "oneOf"):
            options = found.get(word)
            if isinstance(options, list) and options:
                first = next((option for option in options if option.get("type") != "null"), options[0])
                return {**{key: value for key, value in found.items() if key != word}, **single(first, self.tool.schema)}
        return found

    @cached_property
    def kind(self) -> str:
        """``string``, ``integer``, ``number``, ``boolean``, ``array``, ``object`` or ``any``."""
        found = types_of(self.own, self.tool.schema)
        for kind in ("string", "integer", "number", "boolean", "array", "object"):
            if kind in found:
                return kind
        return "object" if "properties" in self.own else "array" if "items" in self.own else "any"

    @cached_property
    def description(self) -> str:
        """Its own description, else what the tool's description says of it."""
        return str(self.own.get("description") or "") or hints.argument_text(self.tool.description, self.name)

    @cached_property
    def words(self) -> frozenset[str]:
        """The telling words of its name."""
        return telling(self.name)

    @cached_property
    def about(self) -> frozenset[str]:
        """The telling words of its name and description."""
        return self.words | telling(self.description[:200])

    @property
    def identifies(self) -> bool:
        """Whether it names one thing that exists already, so that inventing a value is pointless."""
        if re.search(r"(?i)(?:^|_)(?:id|ids|uuid)$|[a-z]I[dD]s?$", self.name):
            return True
        if self.kind == "string" and re.search(r"(?i)[a-z]_?(?:number|code|reference|ref|no)$", self.name):
            return by_meaning(self.name, "", "string", Random(0)) is None
        entity = telling(self.called) - {"name", "key"}
        if not re.search(r"(?i)[a-z]_?(?:name|key)s?$", self.called) or not entity or entity & _PERSONAL:
            return False
        if self.name in ("name", "names", "key", "keys"):
            return self.tool.verb in _POINTS
        return not (self.tool.verb in _MAKES | _SEEKS and entity & telling(self.tool.key.tool))

    @cached_property
    def called(self) -> str:
        """Its name; for one that tells nothing (``from``, ``source``) what the description says it is the name or id of."""
        if self.name in ("id", "ids", "name", "names", "key", "keys") and self.pointer.count("/") == 1:
            thing = [word for word in words(self.tool.key.tool) if word != self.tool.verb and word not in _PLUMBING]
            return "_".join([*thing[-2:], self.name])
        if self.words - {"source", "target", "parent", "name"}:
            return self.name
        found = re.search(r"(?i)\b(name|id|identifier|key)s? of (?:the |an? )?(\w+)|\b(\w+) (name|id)s\b", self.description)
        if not found:
            return self.name
        return f"{found[2]}_{found[1]}" if found[1] else f"{found[3]}_{found[4]}"

    @property
    def internal(self) -> bool:
        """Whether it is plumbing that no person would ask for."""
        return self.name in _INTERNAL or self.name.startswith("_")

    @cached_property
    def allowed(self) -> tuple[object, ...]:
        """The values that the schema or the prose allows; empty where neither limits them."""
        values = self.own.get("enum")
        if isinstance(values, list):
            return tuple(value for value in values if value is not None)
        if "const" in self.own:
            return (self.own["const"],)
        return self._plausible(hints.choices(self.description)) if self.kind == "string" and not self.looks_sql else ()

    @cached_property
    def given(self) -> tuple[object, ...]:
        """Samples of the schema and the prose."""
        found: list[object] = []
        examples = self.own.get("examples", self.own.get("example"))
        found += examples if isinstance(examples, list) else [examples] if examples is not None else []
        if self.kind == "string" and not self.looks_sql:
            texts = [self.description, hints.beside(self.tool.description, self.name)]
            if len(self.tool.needed()) == 1 and self.required:
                texts.append(self.tool.description.split("Example:")[0])
            for text in texts:
                found = found or list(self._plausible(hints.samples(text)))
        return tuple(found)

    def _plausible(self, values: Sequence[str]) -> tuple[str, ...]:
        """The values that can be values: neither names of arguments nor patterns such as ``YYYY-MM-DD``."""
        names = {slot.name for slot in self.tool.slots} if self.pointer.count("/") == 1 else set()
        shape = SHAPES.get(self.looks_like)
        return tuple(
            value
            for value in values
            if value not in names
            and not _PATTERN.search(value)
            and (shape is None or shape.match(value))
            and "_" not in value[:1]
        )

    def fits_pattern(self, value: object) -> bool:
        """Whether a text matches the schema's pattern; one without a pattern takes any."""
        pattern = self.own.get("pattern")
        if not isinstance(pattern, str) or not isinstance(value, str) or len(pattern) > 200:
            return isinstance(value, str)
        try:
            return re.search(pattern, value[:200]) is not None
        except (re.error, RecursionError):
            return False

    @cached_property
    def json_given(self) -> tuple[JSON, ...]:
        """Arrays and objects that schema and prose give as samples."""
        if self.kind not in ("array", "object", "string", "any"):
            return ()
        examples = self.own.get("examples", self.own.get("example", ()))
        listed = examples if isinstance(examples, list) else [examples]
        wanted = {"array": list, "object": dict}.get(self.kind, (list, dict))
        found = [value for value in listed if isinstance(value, wanted) and value]
        said = [self.description] if self.pointer.count("/") > 1 or len(self.tool.needed()) != 1 else []
        for prose in said or [self.description, self.tool.description]:
            found = found or [value for value in hints.structures(prose) if isinstance(value, wanted) and value]
        return tuple(found)

    @cached_property
    def looks_json(self) -> str:
        """Whether a text is to be JSON: ``array``, ``object``, or nothing."""
        if self.kind != "string" or self.looks_sql:
            return ""
        said = f"{self.name.replace('_', ' ')} {self.description}"
        found = re.search(r"(?i)\bJSON[- ](?:encoded |formatted |serialized )?(string|array|list|object|dict)|\bjson\b", said)
        if not found or re.search(r"(?i)\bjson ?path\b|\.json\b|\bjson file\b|(?:'|\")json(?:'|\")|\b(?:or|,) json\b", said):
            return ""
        if any(isinstance(value, list) for value in self.json_given) or re.search(r"(?i)\b(?:array|list)\b", said):
            return "array"
        return "object"

    @cached_property
    def looks_numeric(self) -> bool:
        """Whether an array without a schema for its members is one of numbers."""
        return bool(
            re.search(r"(?i)\b(?:number|numeric|float|integer|value|data ?point|vector|coefficient)s?\b", self.description)
        )

    @cached_property
    def looks_sql(self) -> bool:
        """Whether the value is an SQL statement."""
        return bool(
            self.words & {"sql", "query", "statement"}
            and re.search(r"\bSQL\b|\bSELECT\b|\bCREATE TABLE\b", f"{self.description} {self.tool.description}")
        )

    @cached_property
    def looks_like(self) -> str:
        """A value's shape that the name or description asks for: ``date``, ``email``, ``iata`` or nothing."""
        text = f"{self.description} {' '.join(self.tool.key)} {self.tool.description[:300]}"
        if self.own.get("format") == "date" or ("date" in self.words or re.search(r"YYYY-MM-DD", self.description)):
            return "date"
        if (
            "email" in self.words
            or self.own.get("format") == "email"
            or re.search(r"(?i)email address|recipient address", self.description)
        ):
            return "email"
        if self.words & {"iata", "airport"} or (
            self.words & {"origin", "destination", "departure", "arrival"}
            and re.search(r"\bIATA\b|airport|great-circle|flight", text, re.I)
        ):
            return "iata"
        return "country" if "country" in self.words else ""

    def items(self) -> Slot:
        """The slot of an array's members."""
        schema = self.own.get("items")
        inner = schema if isinstance(schema, dict) else {}
        if self.description and not inner.get("description"):
            inner = {**inner, "description": self.description}
        return Slot(self.tool, f"{self.pointer}/0", self.name, inner, True)

    def members(self) -> Iterator[Slot]:
        """The slots of an object's properties; fields that only prose names are strings."""
        found = properties(self.own, self.tool.schema)
        needed = set(required(self.own, self.tool.schema))
        if not found:
            found = {name: {"type": "string"} for name in hints.fields_in(self.description)}
            needed = set(found)
        for name, schema in found.items():
            yield Slot(self.tool, f"{self.pointer}/{_escape(name)}", name, schema, name in needed)


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
