"""A task and its parts, as lines of ``tasks.jsonl``. ``docs/reference/tasks.md`` explains each key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from firefly_mcp.canonical import canonical_json, hash_json
from firefly_mcp.errors import TaskError
from firefly_mcp.jsonio import JsonObject, dumps, loads
from firefly_mcp.types import ToolKey


class Binding(BaseModel):
    """One argument of a plan node that is taken from an earlier node's result."""

    argument: str
    source: str = Field(validation_alias=AliasChoices("from", "source"), serialization_alias="from")
    select: JsonObject


class PlanNode(BaseModel):
    """One call of the plan. ``arguments`` holds the literals; a binding's place in it is null until it is bound."""

    model_config = ConfigDict(extra="allow")

    id: str
    server: str
    tool: str
    exposed_name: str
    arguments: JsonObject
    bindings: list[Binding] = []

    @property
    def key(self) -> ToolKey:
        """The tool key."""
        return ToolKey(self.server, self.tool)


class Proof(BaseModel):
    """Where one answer field is found: a node of the plan, and a selection from its result."""

    node: str
    select: JsonObject


class Source(BaseModel):
    """The recording that proves a task: its id, and the digest of the calls that the plan needs."""

    id: str
    digest: str


class Verdict(BaseModel):
    """What one gate said."""

    gate: str
    passed: bool
    reason: str = ""


class Task(BaseModel):
    """One line of ``tasks.jsonl``."""

    model_config = ConfigDict(extra="allow")

    id: str
    request: str
    answer: JsonObject
    answer_schema: JsonObject
    plan: list[PlanNode]
    evidence: dict[str, Proof]
    tools: list[str]
    difficulty: str
    kind: str = "chain"
    servers: list[str]
    split: str = "train"
    now: str
    recording: Source
    verdicts: list[Verdict] = []

    def line(self) -> bytes:
        """The task as one line of JSON."""
        return dumps(self.model_dump(mode="json", by_alias=True)) + b"\n"

    def node(self, node_id: str) -> PlanNode:
        """The plan's node of that id. Raises ``KeyError``."""
        for node in self.plan:
            if node.id == node_id:
                return node
        raise KeyError(node_id)

    @property
    def abstract_plan(self) -> str:
        """What two tasks share when only their values differ: tools, argument names, bindings and answer paths."""
        nodes = [
            [node.server, node.tool, sorted(node.arguments), [[b.argument, b.source, sorted(b.select)] for b in node.bindings]]
            for node in self.plan
        ]
        return hash_json([nodes, {name: [proof.node, proof.select.get("path")] for name, proof in self.evidence.items()}])


def task_id(request: str, plan: Iterable[PlanNode], evidence: dict[str, Proof]) -> str:
    """A task's id: a hash of what it asks and how it is solved, the same on every machine."""
    body = [
        request,
        [node.model_dump(mode="json", by_alias=True) for node in plan],
        {k: p.model_dump() for k, p in evidence.items()},
    ]
    return "t-" + hash_json(body).split(":")[1][:16]


def read_tasks(path: Path) -> list[Task]:
    """Read ``tasks.jsonl``.

    Raises:
        TaskError: the file is missing or a line of it is not a task; the message names the line.
    """
    return list(_tasks(path))


def _tasks(path: Path) -> Iterator[Task]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TaskError(f"{path}: cannot be read ({error.strerror}); make tasks with 'firefly synthesize'") from error
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield Task.model_validate(loads(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise TaskError(f"{path}: line {number} is not a task: {where}: {first['msg']}") from error
        except ValueError as error:
            raise TaskError(f"{path}: line {number} is not JSON: {error}") from error


def write_tasks(path: Path, tasks: Iterable[Task]) -> None:
    """Write ``tasks.jsonl`` whole: a reader sees the old file or the new one, never half of it."""
    temporary = path.with_name(path.name + ".part")
    try:
        temporary.write_bytes(b"".join(task.line() for task in tasks))
        temporary.replace(path)
    except OSError as error:
        raise TaskError(f"{path}: cannot be written ({error.strerror})") from error


def same_value(left: Any, right: Any) -> bool:
    """Whether two JSON values are equal, integers and integral floats alike."""
    return canonical_json(left) == canonical_json(right)
