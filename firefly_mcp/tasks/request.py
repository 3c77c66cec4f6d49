"""Write a request without a model: a small grammar over the plan.

Every sentence is one call: its goal in the tool's own plain words, the literals it needs, and what it takes from which
earlier step. The last sentence names the answer fields. Frames are chosen by a hash of the plan, so the same plan is always
asked in the same words and different plans are not all asked alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe import pointer_steps
from firefly_mcp.tasks.literals import node_literals, predicates
from firefly_mcp.tasks.model import Binding, PlanNode, Proof
from firefly_mcp.tasks.slots import written
from firefly_mcp.tasks.words import goal, item_label, listed, path_label
from firefly_mcp.types import Tool, ToolKey

_OPENINGS = ("First, {}.", "To start, {}.", "Please {}.", "First of all, {}.")
_NEXT = ("Then {}.", "Next, {}.", "After that, {}.")
_LAST = ("Finally, {}.", "Then {}.", "Lastly, {}.")
_ASKS = ("Tell me {}.", "Report {}.", "Give me {}.", "I need {}.")
_STEPS = ("one", "two", "three", "four", "five", "six", "seven", "eight")


def write_request(
    plan: Sequence[PlanNode], evidence: Mapping[str, Proof], tools: Mapping[ToolKey, Tool], labels: Mapping[str, str]
) -> str:
    """The request for a plan.

    Args:
        plan: the calls in order.
        evidence: the answer fields and where they are found.
        tools: definitions of the plan's tools.
        labels: a label in plain words for each answer field.
    """
    choice = _Choice("|".join(f"{node.key}{node.arguments}" for node in plan) + "|".join(evidence))
    sentences = []
    for index, node in enumerate(plan):
        last = index == len(plan) - 1 and len(plan) > 2
        frames: Sequence[str] = _OPENINGS if index == 0 else _LAST if last else _NEXT
        sentences.append(choice.of(frames).format(_step(plan, index, tools[node.key])))
    asked = [_asked(plan, proof, labels[name]) for name, proof in evidence.items()]
    sentences.append(choice.of(_ASKS).format(listed(asked)))
    return " ".join(sentences)


class _Choice:
    """Choices that depend on nothing but the plan."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0

    def of(self, options: Sequence[str]) -> str:
        self._count += 1
        digest = hashlib.blake2b(f"{self._count}|{self._seed}".encode(), digest_size=4).digest()
        return options[int.from_bytes(digest, "big") % len(options)]


def _step(plan: Sequence[PlanNode], index: int, tool: Tool) -> str:
    node = plan[index]
    said = [f"{_argument_label(literal.pointer)} {written(literal.value)}" for literal in node_literals(node, tool)]
    said += [_reference(plan, index, binding) for binding in node.bindings]
    return f"{goal(tool)} with {listed(said)}" if said else goal(tool)


def _reference(plan: Sequence[PlanNode], index: int, binding: Binding) -> str:
    source = next(place for place, node in enumerate(plan) if node.id == binding.source)
    where = "that" if source == index - 1 else f"step {_STEPS[source]}"
    argument = _argument_label(binding.argument)
    role = "" if select_label(binding.select) == argument else f" as the {argument}"
    return f"{_selected(binding.select)} from {where}{role}"


def _asked(plan: Sequence[PlanNode], proof: Proof, name: str) -> str:
    """What is asked of a step's result; the last step needs no naming."""
    place = next(place for place, node in enumerate(plan) if node.id == proof.node)
    condition = _condition(proof.select)
    said = f"the {name}{condition}"
    return said if place == len(plan) - 1 else f"{said} from step {_STEPS[place]}"


def _selected(select: JsonObject) -> str:
    return f"the {select_label(select)}{_condition(select)}"


def _condition(select: JsonObject) -> str:
    """How an item is chosen, in words; the slot parser reads the literals back."""
    item = item_label(_keys(str(select.get("path", "$")))) if select.get("take", "$") != "$" else "entry"
    terms = [f"{path_label(_keys(field))} {written(value)}" for field, value in predicates(select)]
    if terms:
        return f" of the {item} with {listed(terms)}"
    if "first" in select:
        order = "last" if select["first"].get("desc") else "first"
        return f" that comes {order} in alphabetical order"
    for how, word in (("argmin", "lowest"), ("argmax", "highest")):
        if how in select:
            by = path_label(_keys(str(select[how])))
            return f" of the {item} with the {word} {by}" if select[how] != "$" else f" that is the {word}"
    return ""


def select_label(select: JsonObject) -> str:
    """What a selection takes, in plain words."""
    if "regex" in select or "label" in select:
        return str(select.get("label") or "value")
    keys = _keys(str(select.get("path", "$"))) + _keys(str(select.get("take", "$")))
    return item_label(keys) if select.get("take") == "$" else path_label(keys)


def _argument_label(pointer: str) -> str:
    return path_label([step for step in pointer_steps(pointer) if not step.isdigit()])


def _keys(path: str) -> list[str]:
    """The object keys of one of our JSONPaths (``$.a['b c'][*]``)."""
    keys: list[str] = []
    rest = path[1:]
    while rest:
        if rest.startswith("."):
            end = min((at for at in (rest.find(".", 1), rest.find("[", 1)) if at > 0), default=len(rest))
            keys.append(rest[1:end])
            rest = rest[end:]
        elif rest.startswith("['"):
            end = rest.find("']")
            keys.append(rest[2:end])
            rest = rest[end + 2 :]
        else:
            rest = rest[rest.find("]") + 1 :]
    return keys
