"""Neighbours for the ``semantic`` rung: recorded calls that ask the same in other words.

Candidates are the recorded calls of the tool with the same identity hash, so one that differs in an id, number, date, enum or
path never is one. sqlite-vec ranks them by the cosine distance of their free texts alone, the largest where there are several;
the tool's threshold bounds it; and each pair of texts must pass the guards of :mod:`firefly_mcp.match.guards`.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from firefly_mcp.embed.protocol import Embedder
from firefly_mcp.errors import ModelError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.match.guards import refused
from firefly_mcp.replay.candidate import Candidate
from firefly_mcp.replay.free_texts import FreeTexts
from firefly_mcp.replay.index import ReplayIndex
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import ToolKey

_log = logging.getLogger(__name__)
_LOOKED_AT = 64
"""Of the nearest texts: how many are put to the guards."""
_ROWS_KEPT = 250_000
"""Vectors of groups that were asked for, kept at hand in temporary tables."""
_VECTORS_KEPT = 8192
_LARGE = 2000
"""Vectors from which a group gets a vec0 table of its own: twice as fast to scan, but it reserves 1,024 at a time."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Recorded calls of one identity, by their free texts.

    Attributes:
        first: their rows in the table of vectors, from this one
        last: to this one.
        large: the name of a vec0 table of its own, for a group that is large; else empty.
        arguments: pointers to the free texts.
        variants: for each distinct combination of texts, its calls.
    """

    first: int
    last: int
    large: str
    arguments: tuple[str, ...]
    variants: list[list[Candidate]]


class SemanticNeighbours:
    """Ranks recorded calls by their free texts (the ``Neighbours`` of :mod:`firefly_mcp.replay.ladder`)."""

    def __init__(self, recording: Recording, index: ReplayIndex, embedder: Embedder, *, guarded: bool = True) -> None:
        """Bring the recording's vectors up to date.

        Args:
            recording: open.
            index: its replay index.
            embedder: makes vectors.
            guarded: put pairs to the guards; off only to measure what they are worth.

        Raises:
            ModelError: the embedder cannot be asked.
        """
        self._index, self._embedder, self._guarded = index, embedder, guarded
        self._texts = FreeTexts(recording, index, embedder)
        self._db = recording.db
        self._db.execute("CREATE TEMP TABLE near (id INTEGER PRIMARY KEY, variant INTEGER, slot INTEGER, data BLOB)")
        self._groups: OrderedDict[tuple[ToolKey, str], _Group] = OrderedDict()
        self._rows = 0
        self._made = 0
        self._asked: OrderedDict[str, bytes] = OrderedDict()

    def candidates(self, key: ToolKey, arguments: JsonObject) -> Sequence[tuple[Candidate, float]]:
        """Recorded calls of equal identity within the tool's threshold that pass the guards, nearest first, with distances."""
        asked = self._index.matching.texts(key, arguments)
        if not asked:
            return ()
        try:
            return self._near(key, arguments, asked)
        except ModelError as error:  # an endpoint that is away for a while: then this rung has nothing to say
            _log.warning("no semantic match of %s was looked for: %s", key, error)
            return ()

    def _near(self, key: ToolKey, arguments: JsonObject, asked: dict[str, str]) -> list[tuple[Candidate, float]]:
        group = self._group(key, self._index.identity_hash(key, arguments))
        if group is None or set(group.arguments) != set(asked):
            return []
        told = self._index.matching.rules(key).threshold
        threshold = self._embedder.threshold if told is None else told
        texts = [asked[argument] for argument in group.arguments]
        found: list[tuple[Candidate, float]] = []
        for variant, distance in self._ranked(group, texts):
            if distance > threshold:
                break
            calls = group.variants[variant]
            if not self._guarded or self._passes(calls[0].call, asked):
                found += [(candidate, distance) for candidate in calls]
        return found

    def _ranked(self, group: _Group, texts: Sequence[str]) -> list[tuple[int, float]]:
        """The nearest variants of a group, each with the largest of its texts' distances."""
        vectors = [self._vector(value) for value in texts]
        if group.large:
            rows = self._db.execute(
                f"SELECT rowid, distance FROM {group.large} WHERE data MATCH ? AND k = {_LOOKED_AT} ORDER BY distance",
                (vectors[0],),
            )
            return sorted(_tidied(rows), key=lambda pair: pair[::-1])
        slots = range(len(texts))
        measure = "vec_distance_cosine(data, ?3)"
        if len(texts) > 1:
            cases = " ".join(f"WHEN {slot} THEN ?{slot + 3}" for slot in slots)
            measure = f"max(vec_distance_cosine(data, CASE slot {cases} END))"
        grouped = " GROUP BY variant" if len(texts) > 1 else ""
        rows = self._db.execute(
            f"SELECT variant, {measure} AS distance FROM near WHERE id BETWEEN ?1 AND ?2{grouped} ORDER BY distance, variant"
            f" LIMIT {_LOOKED_AT}",
            (group.first, group.last, *vectors),
        )
        return _tidied(rows)

    def _passes(self, call: int, asked: dict[str, str]) -> bool:
        return not any(refused(value, self._texts.text(call, argument)) for argument, value in asked.items())

    def _vector(self, value: str) -> bytes:
        known = self._asked.get(value)
        if known is None:
            known = self._asked[value] = self._texts.vector(value)
            if len(self._asked) > _VECTORS_KEPT:
                self._asked.popitem(last=False)
        return known

    def _group(self, key: ToolKey, identity: str) -> _Group | None:
        place = (key, identity)
        calls = self._index.identity(key, identity)
        known = self._groups.get(place)
        if known is not None and sum(map(len, known.variants)) == len(calls):
            self._groups.move_to_end(place)
            return known
        if known is not None:
            self._forget(place)
        if not calls:
            return None
        return self._load(place, calls)

    def _load(self, place: tuple[ToolKey, str], calls: Sequence[Candidate]) -> _Group | None:
        pairs = self._texts.of([candidate.call for candidate in calls])
        variants: dict[tuple[str, ...], list[Candidate]] = {}
        for candidate in calls:
            variants.setdefault(tuple(digest for _, digest in pairs[candidate.call]), []).append(candidate)
        arguments = tuple(argument for argument, _ in pairs[calls[0].call])
        vectors = self._texts.stored({digest for digests in variants for digest in digests})
        rows: list[tuple[int, int, bytes]] = [
            (variant, slot, vectors[digest])
            for variant, digests in enumerate(variants)
            for slot, digest in enumerate(digests)
            if digest in vectors
        ]
        first, last, large = self._made + 1, self._made + len(rows), ""
        with self._db:  # a savepoint: it takes no lock on the file
            if len(arguments) == 1 and len(rows) >= _LARGE:
                large = f"near_{first}"
                column = f"data float[{self._embedder.dimensions}] distance_metric=cosine"
                self._db.execute(f"CREATE VIRTUAL TABLE temp.{large} USING vec0({column})")
                pairs_of = ((variant, data) for variant, _, data in rows)
                self._db.executemany(f"INSERT INTO temp.{large} (rowid, data) VALUES (?, ?)", pairs_of)
            else:
                values = ((first + at, *row) for at, row in enumerate(rows))
                self._db.executemany("INSERT INTO near VALUES (?, ?, ?, ?)", values)
        self._made = last
        group = self._groups[place] = _Group(first, last, large, arguments, list(variants.values()))
        self._rows += len(rows)
        while self._rows > _ROWS_KEPT and len(self._groups) > 1:
            self._forget(next(iter(self._groups)))
        return group

    def _forget(self, place: tuple[ToolKey, str]) -> None:
        group = self._groups.pop(place)
        if group.large:
            self._db.execute(f"DROP TABLE temp.{group.large}")
        else:
            self._db.execute("DELETE FROM near WHERE id BETWEEN ? AND ?", (group.first, group.last))
        self._rows -= group.last - group.first + 1


def _tidied(rows: Iterable[tuple[object, ...]]) -> list[tuple[int, float]]:
    """Variants and distances, these without the last digits, in which machines differ."""
    return [(int(str(variant)), max(0.0, round(float(str(distance)), 6))) for variant, distance in rows]
