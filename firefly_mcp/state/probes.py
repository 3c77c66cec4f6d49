"""What would settle an effect that is only guessed: a read, one write, the read again, with calls that are on record.

Only pairs of which both tools were called are of use, and of a pair only calls that name the same thing (or a read that names
nothing): a write elsewhere would show nothing by leaving the answer as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.state.evidence import EQUALITIES_NEEDED, naming_values
from firefly_mcp.types import Call, CallStatus, ToolKey

_KEPT = 50
"""Calls of one tool that are looked at."""
GUESSED = ("verb", "default", "annotation")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A probe: call ``read``, then ``write``, then ``read`` again, in one session and with nothing else going on.

    ``writes`` are up to three calls: one difference settles the pair, an equality counts over three of them.
    """

    writer: ToolKey
    reader: ToolKey
    source: str
    read: int
    writes: tuple[int, ...]

    def to_json(self) -> JsonObject:
        """For ``firefly effects --json``."""
        calls = [number for write in self.writes for number in (self.read, write)] + [self.read]
        return {
            "server": self.writer.server,
            "writer": self.writer.tool,
            "reader": self.reader.tool,
            "guessed_from": self.source,
            "calls": calls,
        }


def suggest_probes(calls: Iterable[Call], relation: EffectRelation, *, limit: int | None = None) -> list[Suggestion]:
    """Probes for the pairs that are only thought to affect, the readers that were called most often first.

    Args:
        calls: recorded calls, replayed ones left out.
        relation: what is known.
        limit: the most suggestions.
    """
    by_tool: dict[ToolKey, dict[str, Call]] = defaultdict(dict)
    counts: dict[ToolKey, int] = defaultdict(int)
    for call in calls:
        if call.tool is not None and call.status == CallStatus.DONE and not call.is_error:
            counts[call.key] += 1
            if len(by_tool[call.key]) < _KEPT:
                by_tool[call.key].setdefault(call.args_hash, call)
    found: list[Suggestion] = []
    for reader in sorted(by_tool, key=lambda key: (-counts[key], key)):
        if limit is not None and len(found) >= limit:
            break
        for writer in sorted(relation.affecting(reader) & by_tool.keys()):
            effect = relation.effect(writer, reader)
            if effect.source in GUESSED and writer != reader and not relation.writes(reader):
                suggestion = _suggest(writer, reader, effect.source, by_tool)
                if suggestion is not None:
                    found.append(suggestion)
    return found[:limit]


def _suggest(writer: ToolKey, reader: ToolKey, source: str, by_tool: dict[ToolKey, dict[str, Call]]) -> Suggestion | None:
    for read in by_tool[reader].values():
        mine = naming_values(read.arguments)
        writes = [call.id for call in by_tool[writer].values() if not mine or mine & naming_values(call.arguments)]
        if writes:
            return Suggestion(writer, reader, source, read.id, tuple(writes[:EQUALITIES_NEEDED]))
    return None
