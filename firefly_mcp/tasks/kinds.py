"""What kind of task a plan is, whether its answer rests on a state that the plan itself made, and how hard it is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.tasks.model import PlanNode, Proof
from firefly_mcp.types import Tool, ToolKey

KINDS = ("chain", "fan_out", "fan_in", "multi_field", "computation", "write_read")

_ARITHMETIC = re.compile(
    r"\b(?:add|addition|sum|subtract\w*|multipl\w+|divi\w+|calculat\w+|comput\w+|arithmetic|math\w*|average|mean|median|"
    r"percent\w*|convert\w*|conversion|sqrt|square root|power|exponent\w*|logarithm\w*|factorial|modul\w+|round\w*|"
    r"statistic\w*|variance|deviation|interest|payment|amortiz\w+|depreciat\w+|ratio|integral|derivative|matrix|prime|gcd|lcm|evaluate)\b"
)


def arithmetic(tool: Tool) -> bool:
    """Whether a tool is there to compute a value from numbers that it is given."""
    first = tool.description.strip().split("\n", 1)[0][:160]
    words = re.sub(r"[_\W]+|(?<=[a-z])(?=[A-Z])", " ", f"{tool.name} {tool.title} {first}").lower()
    return bool(_ARITHMETIC.search(words)) and '"number"' in str(tool.input_schema).replace("'", '"').replace(
        "integer", "number"
    )


def stateful(
    plan: Sequence[PlanNode], evidence: Mapping[str, Proof], relation: EffectRelation, changed: Collection[str] = ()
) -> bool:
    """Whether the plan changes what a later call of it, on which the answer depends, was observed to answer.

    ``changed`` are nodes of which it was seen that they answer what the plan made.
    """
    leading = _leading(plan, {proof.node for proof in evidence.values()})
    for place, writer in enumerate(plan):
        for reader in plan[place + 1 :]:
            if reader.id in leading and reader.server == writer.server:
                effect = relation.effect(writer.key, reader.key)
                if effect.affects and (effect.evident or (reader.id in changed and effect.source != "default")):
                    return True
    return False


def kind_of(
    plan: Sequence[PlanNode],
    evidence: Mapping[str, Proof],
    tools: Mapping[ToolKey, Tool],
    relation: EffectRelation,
    changed: Collection[str] = (),
) -> str:
    """One of :data:`KINDS`.

    ``write_read``: the answer is a state that the plan made. ``computation``: a computing tool is given a value of another
    call. ``fan_in``: a call takes values from two others. ``fan_out``: several calls take values of one, or one tool is asked
    for several things and all are compared. ``multi_field``: the answer has parts that do not hang together. Else ``chain``.
    """
    if stateful(plan, evidence, relation, changed):
        return "write_read"
    fed: dict[str, set[str]] = defaultdict(set)
    feeds: dict[str, set[str]] = defaultdict(set)
    for node in plan:
        for binding in node.bindings:
            fed[node.id].add(binding.source)
            feeds[binding.source].add(node.id)
    if any(len(sources) > 1 for sources in fed.values()):
        return "fan_in"
    if any(node.bindings and arithmetic(tools[node.key]) for node in plan):
        return "computation"
    asked = {proof.node for proof in evidence.values()}
    answering = [node.key for node in plan if node.id in asked]
    if any(len(targets) > 1 for targets in feeds.values()) or len(set(answering)) < len(answering):
        return "fan_out"
    return "chain" if len(parts(plan)) == 1 and len(asked) == 1 else "multi_field"


def parts(plan: Sequence[PlanNode]) -> list[set[str]]:
    """The nodes that bindings join, part by part, in the order of the plan."""
    found: list[set[str]] = []
    for node in plan:
        own = {node.id, *(binding.source for binding in node.bindings)}
        touching = [part for part in found if part & own]
        found = [part for part in found if not part & own]
        found.append(own.union(*touching))
    return found


def difficulty(plan: Sequence[PlanNode], near: int) -> str:
    """``easy``, ``medium`` or ``hard``, by length, branching and ``near``: distractors of the plan's own servers."""
    branching = len(parts(plan)) - 1 + sum(len({binding.source for binding in node.bindings}) > 1 for node in plan)
    points = len(plan) + 0.5 * branching + (0.5 if near >= len(plan) else 0.0)
    return "easy" if points < 3 else "medium" if points < 4.5 else "hard"


def _leading(plan: Sequence[PlanNode], asked: Collection[str]) -> set[str]:
    """The nodes from which values lead to an answer."""
    leading = set(asked)
    for node in reversed(plan):
        if node.id in leading:
            leading.update(binding.source for binding in node.bindings)
    return leading
