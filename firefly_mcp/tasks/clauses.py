"""A step as a clause: its goal, the literals it states, and the values it takes from earlier steps."""

from __future__ import annotations

import re
from collections.abc import Sequence

from firefly_mcp.observe import pointer_steps
from firefly_mcp.tasks.frames import ARRAY, AS, BACK, BACK_AMONG, BOTH, BOTH_SETS, EACH, HERE, WITH, Choice
from firefly_mcp.tasks.labels import as_name, listed, path_label, plural, with_unit
from firefly_mcp.tasks.model import Binding, Proof
from firefly_mcp.tasks.references import select_label, stated, taken
from firefly_mcp.tasks.slots import written
from firefly_mcp.tasks.steps import Step, argument_labels
from firefly_mcp.tasks.words import goal, outcome, short_goal, sought

_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


class Clauses:
    """Says the steps of one request."""

    def __init__(self, steps: Sequence[Step], choice: Choice, *, brief: bool) -> None:
        """``brief`` takes the shortest goal that a tool offers, and parentheses."""
        self._steps = steps
        self._choice = choice
        self._brief = brief

    def follows(self, at: int) -> bool:
        """Whether a step takes something from an earlier one, or is of the same server."""
        step = self._steps[at]
        return bool(step.bindings) or step.nodes[0].server == self._steps[at - 1].nodes[0].server

    def is_aside(self, at: int) -> bool:
        """Whether a step states so much that what follows is better a sentence of its own."""
        step = self._steps[at]
        return len(step.shared) + sum(map(len, step.varied)) + len(step.bindings) > 3

    def of(self, at: int) -> str:
        """The clause of a step, an imperative without a full stop."""
        step = self._steps[at]
        return self._complete(at, self._goal(step))

    def sought(self, at: int) -> str:
        """The clause of a step as what it finds, ``the weekday name for that date``; ``""`` where that has no name."""
        step = self._steps[at]
        noun = sought(self._goal(step))
        return self._complete(at, noun) if noun else ""

    def outcome(self, at: int) -> str:
        """What the tool of a step finds, ``""`` where its goal does not say."""
        return outcome(self._steps[at].tool)

    def is_uniform(self, at: int, fields: Sequence[tuple[str, Proof]]) -> bool:
        """Whether one field, and the same, is asked of each call of a step."""
        step = self._steps[at]
        first = fields[0]
        same = all(label == first[0] and proof.select == first[1].select for label, proof in fields)
        return (
            same and {proof.node for _, proof in fields} == {node.id for node in step.nodes} and len(fields) == len(step.nodes)
        )

    def _goal(self, step: Step) -> str:
        return without_unstated(short_goal(step.tool) if self._brief else goal(step.tool), step)

    def _complete(self, at: int, said: str) -> str:
        step = self._steps[at]
        if len(step.nodes) > 1:
            return self._repeated(step, said)
        labels = argument_labels([item.pointer for item in step.shared] + [binding.argument for binding in step.bindings])
        aside = self._brief or len(labels) > 3 or self._choice.below(2) == 0
        arguments = self._arguments(step, at, labels, said, aside=aside)
        merged = _merged(said, step, labels) if not step.bindings else None
        if merged is not None:
            said, arguments = merged
        if not arguments:
            return said
        return self._joined(said, arguments, aside=aside)

    def _joined(self, said: str, arguments: list[str], *, aside: bool) -> str:
        if aside:
            return f"{said} ({', '.join(arguments)})"
        joint = self._choice.of(WITH).format(listed(arguments))
        return f"{said}{joint}" if joint.startswith(",") else f"{said} {joint}"

    def _arguments(self, step: Step, at: int, labels: dict[str, str], goal_said: str, *, aside: bool) -> list[str]:
        """What is stated or taken, in the order of the call's arguments; members of one array together."""
        said: dict[str, list[tuple[str, str, str]]] = {}
        for literal in step.shared:
            pointer = literal.pointer
            said.setdefault(_whole(pointer), []).append(
                (pointer, written(literal.value), stated(labels[pointer], literal.value))
            )
        for binding in step.bindings:
            value = self._value(at, binding, aside=aside)
            role = labels[binding.argument]
            # "encode the word (the first synonym)": the goal itself says the role.
            plain = aside and len(step.bindings) == 1 and goal_said.lower().endswith(f" {role.lower()}")
            full = value if plain else self._in_role(binding, role, value, aside=aside)
            said.setdefault(_whole(binding.argument), []).append((binding.argument, value, full))
        order = list(step.nodes[0].arguments)
        return [
            members[0][2]
            if members[0][0] == whole
            else self._choice.of(ARRAY).format(role=path_label(pointer_steps(whole)), members=_array(members, len(whole)))
            for whole, members in sorted(said.items(), key=lambda item: order.index(pointer_steps(item[0])[0]))
        ]

    def _in_role(self, binding: Binding, role: str, value: str, *, aside: bool) -> str:
        if select_label(binding.select) == role and not is_borrowed(binding):
            return value
        role = _with_unit(role)
        if self._brief or (aside and self._choice.below(3)):
            return f"{role}: {value}"
        return self._choice.of(AS).format(value=value, role=role)

    def _value(self, at: int, binding: Binding, *, aside: bool) -> str:
        """The value of an earlier step."""
        source = next(place for place, step in enumerate(self._steps) if step.holds(binding.source))
        step = self._steps[source]
        label = select_label(binding.select)
        if is_borrowed(binding):
            label = "result"
        called = _with_unit(_called(label, step))
        value = taken(binding.select, called, self._choice, aside=aside)
        if len(step.nodes) > 1:
            return f"the {value} for {self._which(step, binding.source)}"
        again = any(other.tool is step.tool for other in self._steps[:at] if other is not step)
        if source == at - 1 and not (again and value == called):  # "this name" after two were made would be either's
            return self._choice.of(HERE).format(value) if value == called else f"the {value}"
        ways = BACK if value == called else [way for way in BACK_AMONG if not aside or "(" not in way[1]]
        return self._choice.of(ways).format(value, n=_NUMBERS[source], nth=_ORDINALS[source])

    def _which(self, step: Step, node: str) -> str:
        """Which of the calls of a step, told by what it alone has."""
        own = step.varied[next(at for at, call in enumerate(step.nodes) if call.id == node)]
        return listed([written(literal.value) for literal in own])

    def _repeated(self, step: Step, said: str) -> str:
        """Several calls of one tool: ``for both "a" and "b"``."""
        labels = argument_labels([item.pointer for item in (*step.shared, *step.varied[0])])
        shared = [stated(labels[item.pointer], item.value) for item in step.shared]
        with_shared = f"{said} ({', '.join(shared)})" if shared else said
        words = _counts(len(step.nodes))
        if len(step.varied[0]) == 1:
            name = labels[step.varied[0][0].pointer]
            each = [written(own[0].value) for own in step.varied]
            values, apart = listed(each), ", ".join(each)
            several = plural(name) if len(name) > 2 else name
            tail = re.search(rf"\b(?:an?|the) {re.escape(name)}$", said, re.IGNORECASE)
            if tail and not shared:
                return f"{said[: tail.start()]}{words['both']} {several} {values}"
            frame = self._choice.of(BOTH)
            return f"{with_shared} {frame.format(several=several, single=name, values=values, apart=apart, **words)}"
        sets = listed([f"({', '.join(stated(labels[item.pointer], item.value) for item in own)})" for own in step.varied])
        return f"{with_shared} {self._choice.of(BOTH_SETS).format(sets=sets, **words)}"

    def fields(self, at: int, fields: Sequence[tuple[str, Proof]], *, elsewhere: bool) -> list[str]:
        """The answer fields of a step, each with its article; ``elsewhere`` when later steps stand between."""
        step = self._steps[at]
        if len(step.nodes) > 1:
            return self._fields_of_several(step, fields)
        called = [_with_unit(taken(proof.select, _called(label, step), self._choice)) for label, proof in fields]
        if elsewhere:
            where = self._choice.of(BACK if called[0] == fields[0][0] else BACK_AMONG)
            return [where.format(name, n=_NUMBERS[at], nth=_ORDINALS[at]) for name in called[:1]] + [
                f"the {name}" for name in called[1:]
            ]
        if len(called) > 1 and self._choice.below(20):
            return [f"the {called[0]}", *called[1:]]
        return [f"the {name}" for name in called]

    def _fields_of_several(self, step: Step, fields: Sequence[tuple[str, Proof]]) -> list[str]:
        by_node = {node.id: [(_called(label, step), p) for label, p in fields if p.node == node.id] for node in step.nodes}
        first = by_node[step.nodes[0].id]
        if all([(name, p.select) for name, p in own] == [(name, p.select) for name, p in first] for own in by_node.values()):
            together = [f"the {_with_unit(taken(p.select, name, self._choice))}" for name, p in first]
            frame = self._choice.of([way for way in EACH if way[1].startswith("{}")])
            return [*together[:-1], frame.format(together[-1], **_counts(len(step.nodes)))]
        each = [
            f"{_with_unit(taken(p.select, name, self._choice))} for {self._which(step, node)}"
            for node, own in by_node.items()
            for name, p in own
        ]
        return [f"the {each[0]}", *(f"the {name}" if self._choice.below(3) == 0 else name for name in each[1:])]


_MANY = re.compile(r"[^su]s$")
_UNTOLD = frozenset("result value output answer entry".split())


def _counts(number: int) -> dict[str, str]:
    """The words for two, three or more of something."""
    two = number == 2
    return {
        "both": "both" if two else f"all {_NUMBERS[number - 1]}",
        "each": "each",
        "times": "twice" if two else f"{_NUMBERS[number - 1]} times",
        "count": _NUMBERS[number - 1],
    }


def is_borrowed(binding: Binding) -> bool:
    """Whether a value in prose is called by the argument that it fills: the text itself does not name it so."""
    label, regex = str(binding.select.get("label", "")), str(binding.select.get("regex", ""))
    own = path_label([step for step in pointer_steps(binding.argument) if not step.isdigit()])
    return bool(regex) and label == own and label.split()[0].lower() not in regex.lower()


def without_unstated(said: str, step: Step) -> str:
    """A goal without the mention of an argument that is not given: ``search the icons by keyword`` where none is."""
    given = {name for node in step.nodes for name in node.arguments}
    for name in step.tool.input_schema.get("properties", {}):
        if name in given:
            continue
        mention = re.search(
            rf" (?:(?:by|with|for|of|in|from|at|matching|up to) (?:an? |the )?{re.escape(path_label([name]))})$", said
        )
        if mention:
            rest = re.split(r" (?:whose|that|which) ", said[: mention.start()])[0]
            return rest if len(rest.split()) > 1 else said
    return said


def is_untold(label: str) -> bool:
    """Whether a label tells nothing of what it is."""
    return label in _UNTOLD


def _called(label: str, step: Step) -> str:
    """The label of a value; one that tells nothing gives way to what the step's tool finds."""
    if label not in _UNTOLD:
        return as_name(label)
    found = outcome(step.tool)  # "that tax rates" would not say which of them
    return found if found and not _MANY.search(found) else "result" if label == "entry" else label


def _with_unit(called: str) -> str:
    base, unit = with_unit(called)
    return f"{base} in {unit}" if unit else called


def _whole(pointer: str) -> str:
    """The outermost array that a member is in, else the argument itself."""
    parts = pointer.split("/")
    place = next((at for at, part in enumerate(parts) if part.isdigit()), len(parts))
    return "/".join(parts[:place])


def _array(members: Sequence[tuple[str, str, str]], depth: int) -> str:
    """The members of an array in order, those of an array in it in parentheses; ``depth`` characters of pointers lead to it."""
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for member in sorted(members, key=lambda item: [int(part) if part.isdigit() else 0 for part in item[0].split("/")]):
        groups.setdefault(member[0][depth + 1 :].split("/")[0], []).append(member)
    said = []
    for place, own in groups.items():
        pointer = f"{own[0][0][:depth]}/{place}"
        if own[0][0] == pointer:
            said.append(own[0][1])
        elif own[0][0][len(pointer) + 1 :].split("/")[0].isdigit():
            said.append(f"({_array(own, len(pointer))})")
        else:
            said.append(f"({', '.join(full for _, _, full in own)})")
    return listed(said)


def _merged(said: str, step: Step, labels: dict[str, str]) -> tuple[str, list[str]] | None:
    """A goal that ends in the name of an argument takes its value at once: ``find synonyms for the word "happy"``."""
    for literal in step.shared:
        name = labels[literal.pointer]
        match = re.search(rf"(?<!\band )(?<!\bor )(?:\b(an?|the) )?\b{re.escape(name)}$", said, re.IGNORECASE)
        if match and isinstance(literal.value, str | int | float) and not isinstance(literal.value, bool) and len(name) > 1:
            rest = [stated(labels[item.pointer], item.value) for item in step.shared if item is not literal]
            article = "the " if match.group(1) else ""
            return f"{said[: match.start()]}{article}{name} {written(literal.value)}", rest
    return None
