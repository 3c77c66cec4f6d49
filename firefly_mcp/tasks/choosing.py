"""Which fields of a candidate's results a task asks for."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

from firefly_mcp.observe import walk
from firefly_mcp.tasks.asked import Chosen
from firefly_mcp.tasks.compose import Candidate
from firefly_mcp.tasks.fields import TELLING, AnswerField, text_of
from firefly_mcp.tasks.gates.wording import tells
from firefly_mcp.tasks.setting import Setting

MAX_FIELDS = 3
"""Of one call; of all calls of a plan together one more is asked."""


def fields_of(candidate: Candidate, setting: Setting, seed: str) -> Chosen:
    """What :func:`found` finds, if something of it is telling; else nothing."""
    chosen = found(candidate, setting, seed)
    return chosen if any(item.worth >= TELLING for _, item in chosen) else []


def found(candidate: Candidate, setting: Setting, seed: str) -> Chosen:
    """For each asked call at least one field that no other call reveals; empty when one of them has none."""
    known = {
        text_of(value) for call in candidate.calls for _, value in walk(call.arguments) if not isinstance(value, dict | list)
    }
    asked = [call for call in candidate.calls if call.id in candidate.asked]
    chosen: Chosen = []
    for call in asked:
        others = [setting.offers.of(other) for other in candidate.calls if other.id != call.id]
        hidden = [
            item
            for item in setting.offers.of(call).fields
            if text_of(item.value) not in known
            and not any(tells(text, item.value) for text in known)
            and not tells(setting.tools[call.key].description, item.value)
            and not any(offer.reveals(item.value) for offer in others)
        ]
        wanted = 1 + _pick(seed, MAX_FIELDS) if len(asked) == 1 else 2 if len(asked) == 2 and _pick(seed, 3) == 0 else 1
        own = _chosen(hidden, wanted, setting, taken=[item.label for _, item in chosen])
        if not own:
            return []
        chosen += [(call.id, item) for item in own]
    return chosen


def _chosen(fields: Sequence[AnswerField], wanted: int, setting: Setting, taken: Sequence[str]) -> list[AnswerField]:
    """The most telling fields that were not asked before, at most one of each name, plain paths before chosen items.

    A field of a name that is ``taken`` by another call comes first: the answers can then be compared.
    """

    def rank(item: AnswerField) -> tuple[bool, int, bool, bool, float, str]:
        aside = item.label not in taken
        return (
            item.worth < TELLING,
            setting.asked.often(item),
            aside,
            _is_item(item),
            -round(item.worth, 1),
            str(item.select),
        )

    chosen: list[AnswerField] = []
    for item in sorted(fields, key=rank):
        if item.worth < TELLING and chosen:
            break
        # Items are chosen one at a time: two conditions in one request read badly.
        if any(other.label == item.label or (_is_item(item) and _is_item(other)) for other in chosen):
            continue
        chosen.append(item)
        if len(chosen) == wanted:
            break
    return sorted(chosen, key=fields.index)


def shortened(chosen: Chosen, told: Sequence[int]) -> Chosen:
    """One field fewer, of a call that has several; one of those at ``told`` if there are such; empty when there is none."""
    counts = Counter(call_id for call_id, _ in chosen)
    for place in reversed(told or range(len(chosen))):
        if counts[chosen[place][0]] > 1:
            return chosen[:place] + chosen[place + 1 :]
    return []


def _is_item(item: AnswerField) -> bool:
    return "take" in item.select or "where" in item.select


def _pick(seed: str, options: int) -> int:
    return int(hashlib.blake2b(seed.encode(), digest_size=2).hexdigest(), 16) % options


def named(chosen: Chosen) -> dict[str, tuple[int, AnswerField]]:
    """Each field by its name in the answer; fields of one name are numbered in the order of the plan."""
    slugs = [re.sub(r"\W+", "_", item.label.lower()).strip("_") or "value" for _, item in chosen]
    counts, numbers = Counter(slugs), Counter[str]()
    fields = {}
    for slug, (call_id, item) in zip(slugs, chosen, strict=True):
        numbers[slug] += 1
        fields[f"{slug}_{numbers[slug]}" if counts[slug] > 1 else slug] = (call_id, item)
    return fields
