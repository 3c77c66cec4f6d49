"""The contamination check: whether anything that is tested could have been learnt. It looks at the splits that tasks carry.

It trusts nothing of how they were made, so that a set from elsewhere, or one that was edited, can be checked as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from firefly_mcp.dataset.splits import TEST_SERVER, links_of
from firefly_mcp.dataset.traits import Traits
from firefly_mcp.jsonio import JsonObject

_SHOWN = 5
_KEYS = {"sub-DAG": "plans", "answering call": "answering_calls", "request": "near_duplicate_requests"}


@dataclass
class Contamination:
    """What two splits share.

    Attributes:
        splits: how many tasks each has.
        shared: by what is shared, how many of them are in more than one split.
        families: families of ``test_server`` that another split uses. A task there may use known families besides.
        examples: a few of each, with the tasks concerned.
        wholly_held_out: tasks of ``test_server`` that use held-out families and no others.
    """

    splits: dict[str, int]
    shared: dict[str, int] = field(default_factory=dict)
    families: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    wholly_held_out: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing is shared."""
        return not (any(self.shared.values()) or self.families)

    def to_json(self) -> JsonObject:
        """The shape of ``firefly tasks check --json``."""
        return {
            "splits": self.splits,
            "shared": self.shared,
            "shared_families": self.families,
            "wholly_held_out": self.wholly_held_out,
            "clean": self.clean,
            "examples": self.examples,
        }


def contamination(tasks: Sequence[Traits], splits: Mapping[str, str]) -> Contamination:
    """Look for plans, near-duplicate requests, answering calls and held-out families in more than one split.

    Args:
        tasks: what is to be known of them.
        splits: the split of each, by id.
    """
    found = Contamination(dict(Counter(splits[task.id] for task in tasks)))
    for kind, by in links_of(tasks).items():
        crossing = [ids for ids in by.values() if len({splits[task] for task in ids}) > 1]
        found.shared[_KEYS[kind]] = len(crossing)
        for ids in crossing[:_SHOWN]:
            named = ", ".join(f"{task} ({splits[task]})" for task in ids[:4])
            found.examples.append(f"the same {kind} in {named}")
    _families(tasks, splits, found)
    return found


def _families(tasks: Sequence[Traits], splits: Mapping[str, str], found: Contamination) -> None:
    """Every task of ``test_server`` must use a family that no other split uses."""
    elsewhere: dict[str, str] = defaultdict(str)
    for task in tasks:
        if splits[task.id] != TEST_SERVER:
            elsewhere.update(dict.fromkeys(task.families, task.id))
    for task in tasks:
        if splits[task.id] != TEST_SERVER:
            continue
        away = [family for family in task.families if family not in elsewhere]
        found.wholly_held_out += len(away) == len(task.families)
        if not away:
            found.families += [family for family in sorted(task.families) if family not in found.families]
            if len(found.families) <= _SHOWN:
                found.examples.append(f"{task.id} (test_server) uses no held-out family")
