"""How much alike the requests of a set are: the share of the set in which the most frequent frame occurs.

A frame is four words in a row of one sentence once literals, and the words that come from servers (goals, names of arguments
and fields), are masked: a run of masked words is one slot. At least three of the four are words of the writer's own; what
stands between two slots only is the grammar of English, in which every two requests are alike.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from firefly_mcp.observe import pointer_steps
from firefly_mcp.tasks.labels import as_name, item_label, label, path_label, plural, units, with_unit
from firefly_mcp.tasks.literals import predicates
from firefly_mcp.tasks.model import Task
from firefly_mcp.tasks.references import keys_of, select_label
from firefly_mcp.tasks.slots import placed_slots
from firefly_mcp.tasks.words import goals, outcome, sought
from firefly_mcp.types import Tool, ToolKey

LENGTH = 4
OWN_WORDS = 3
SLOT = "_"

_LAST_NOUN = re.compile(r" (?:an?|the) (?:[\w'-]+ ){0,2}[\w'-]+$")
_SENTENCE = re.compile(r"[.?!;:]+(?=\s|$)")
_WORD = re.compile(r"[^\W\d_][\w'-]*|_")


def frame_shares(tasks: Iterable[Task], tools: Mapping[ToolKey, Tool]) -> list[tuple[str, float]]:
    """Every frame that occurs in more than one task, with the share of the tasks in which it does, the most frequent first.

    Args:
        tasks: the set.
        tools: definitions of the tools of their plans; the words of a tool that is missing count as the writer's own.
    """
    count = 0
    found: Counter[str] = Counter()
    for task in tasks:
        count += 1
        found.update(frames(task.request, server_words(task, tools)))
    return [(frame, times / count) for frame, times in found.most_common() if times > 1]


def frames(request: str, phrases: Iterable[str]) -> set[str]:
    """The frames of one request.

    Args:
        request: its text.
        phrases: what to mask beside literals; longer phrases are masked first.
    """
    return {
        " ".join(window)
        for sentence in _SENTENCE.split(_masked(request, phrases))
        for window in _windows(_slots_joined(_WORD.findall(sentence)))
        if sum(word != SLOT for word in window) >= OWN_WORDS
    }


def server_words(task: Task, tools: Mapping[ToolKey, Tool]) -> set[str]:
    """The phrases of a request that are words of servers: goals, and names of arguments, fields and items."""
    selections = [binding.select for node in task.plan for binding in node.bindings]
    selections += [proof.select for proof in task.evidence.values()]
    words = {said for select in selections for said in (select_label(select), as_name(select_label(select)))}
    for select in selections:
        words.update({path_label(keys_of(field)) for field, _ in predicates(select)})
        words.update({path_label(keys_of(str(select[how]))) for how in ("argmin", "argmax") if how in select})
        words.add(item_label(keys_of(str(select.get("path", "$")))))
    for node in task.plan:
        pointers = [f"/{key}" for key in node.arguments] + [binding.argument for binding in node.bindings]
        words.update(path_label([step for step in pointer_steps(pointer) if not step.isdigit()]) for pointer in pointers)
        words.update(_keys(node.arguments))
        if node.key in tools:
            tool = tools[node.key]
            told = goals(tool)
            words.update({*told, *map(sought, told), outcome(tool)})
            # A value may stand in place of the last noun of a goal, and then the article before it is another.
            words.update(_LAST_NOUN.sub("", phrase) for phrase in (*told, *map(sought, told)))
    told_units = [with_unit(word) for word in words if with_unit(word)[1]]
    words.update(said for base, unit in told_units for said in (base, f"{base} in {unit}"))
    return {said for word in words | units() for said in (word, plural(word)) if word}


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return {label(key) for key in value} | {word for item in value.values() for word in _keys(item)}
    return {word for item in value for word in _keys(item)} if isinstance(value, list) else set()


def _masked(request: str, phrases: Iterable[str]) -> str:
    text = request
    for start, end, _ in reversed(placed_slots(request)):
        text = f"{text[:start]} {SLOT} {text[end:]}"
    text = text.lower()
    for phrase in sorted(phrases, key=len, reverse=True):
        text = re.sub(rf"(?<![\w']){re.escape(phrase.lower())}(?![\w'])", f" {SLOT} ", text)
    return text


def _slots_joined(words: Sequence[str]) -> list[str]:
    return [word for place, word in enumerate(words) if word != SLOT or place == 0 or words[place - 1] != SLOT]


def _windows(words: Sequence[str]) -> Iterable[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(LENGTH)), strict=False)
