"""The vectors of a recording's free texts, kept in its tables ``embedder`` and ``vector``: one for each distinct text.

Which texts a call has is in the replay index (``candidate_text``). What has no vector under the embedder in use gets one when
replay opens the recording. A recording that cannot be written gets the vectors in SQLite's temporary tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import TypeVar

import sqlite_vec

from firefly_mcp.embed.protocol import Embedder, Vectors
from firefly_mcp.jsonio import JsonObject, loads, text
from firefly_mcp.match.tools import text_hash
from firefly_mcp.replay.index import ReplayIndex
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import ToolKey

_STAMP = "vectors:"
_BATCH = 512
_Item = TypeVar("_Item")
_TEMPORARY = """
CREATE TEMP TABLE embedder (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, dimensions INTEGER, config TEXT DEFAULT '{}');
CREATE TEMP TABLE vector (
  embedder_id INTEGER NOT NULL, text_hash TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (embedder_id, text_hash)
) WITHOUT ROWID;
CREATE TEMP TABLE info (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

Texts = list[tuple[str, str]]
"""The free texts of a call: ``(argument, hash of the text)``, in the order of arguments."""


class FreeTexts:
    """Texts and vectors of one recording under one embedder."""

    def __init__(self, recording: Recording, index: ReplayIndex, embedder: Embedder) -> None:
        """Make the vectors that are missing; those that are there stand.

        Args:
            recording: the recording; vectors are written to it if it can be written.
            index: its replay index.
            embedder: makes vectors.

        Raises:
            ModelError: the embedder cannot be asked.
        """
        self.recording, self.embedder = recording, embedder
        self._index = index
        self._since: dict[int, Texts] = {}
        db = recording.db
        db.pragma("temp_store", "memory")  # before any temporary table is made: this drops those that there are
        db.enable_load_extension(True)
        db.load_extension(sqlite_vec.loadable_path())
        db.enable_load_extension(False)
        self._writable = not db.readonly("main")
        if not self._writable:
            # Temporary tables of the same names hide those of the file, so that every statement here serves both.
            db.execute(_TEMPORARY)
        with self._write():
            values = (embedder.name, embedder.dimensions)
            db.execute("INSERT OR IGNORE INTO embedder (name, dimensions) VALUES (?, ?)", values)
            self._embedder_id = int(str(db.execute("SELECT id FROM embedder WHERE name = ?", values[:1]).fetchall()[0][0]))
        self._renew()

    def of(self, calls: Sequence[int]) -> dict[int, Texts]:
        """The free texts of calls that have some, by call.

        Raises:
            ModelError: a call was recorded since, and the embedder cannot be asked for its vectors.
        """
        found: dict[int, Texts] = {call: [] for call in calls}
        rows = self._index.db.execute(
            "SELECT t.call_id, t.argument, t.text_hash FROM json_each(?) j CROSS JOIN candidate_text t ON t.call_id = j.value"
            " ORDER BY t.call_id, t.argument",
            (text(list(calls)),),
        )
        for call, argument, digest in rows:
            found[int(str(call))].append((str(argument), str(digest)))
        for call in [call for call, pairs in found.items() if not pairs]:
            found[call] = self._new(call)
        return found

    def stored(self, digests: Iterable[str]) -> dict[str, bytes]:
        """The stored vectors of texts, as float32 in little-endian order."""
        rows = self.recording.db.execute(
            "SELECT v.text_hash, v.data FROM json_each(?) j CROSS JOIN vector v ON v.text_hash = j.value AND v.embedder_id = ?",
            (text(sorted(digests)), self._embedder_id),
        )
        return {str(digest): data for digest, data in rows if isinstance(data, bytes)}

    def vector(self, value: str) -> bytes:
        """The vector of a text: the stored one where there is one.

        Raises:
            ModelError: the embedder cannot be asked.
        """
        digest = text_hash(value)
        known = self.stored([digest]).get(digest)
        return known if known is not None else _bytes(self.embedder.embed([value]))[0]

    def text(self, call: int, argument: str) -> str:
        """A free text as it was recorded, in normal form."""
        return self._texts_of(call)[argument]

    def _write(self) -> AbstractContextManager[object]:
        return self.recording.transaction() if self._writable else self.recording.db

    def _renew(self) -> None:
        """Embed every recorded text that has no vector; nothing is looked at where the index is as it was the last time."""
        count = self._index.db.execute("SELECT count(*) FROM candidate_text").fetchall()[0][0]
        stamp, key = f"{self._index.generation} {count}", _STAMP + self.embedder.name
        db = self.recording.db
        if (stamp,) in db.execute("SELECT value FROM info WHERE key = ?", (key,)).fetchall():
            return
        rows = self._index.db.execute("SELECT text_hash, min(call_id), argument FROM candidate_text GROUP BY text_hash")
        known = {digest for (digest,) in db.execute("SELECT text_hash FROM vector WHERE embedder_id = ?", (self._embedder_id,))}
        missing = [(str(digest), int(str(call)), str(argument)) for digest, call, argument in rows if digest not in known]
        for batch in _batches(missing, _BATCH):
            self._keep([(digest, self.text(call, argument)) for digest, call, argument in batch])
        with self._write():
            db.execute("INSERT OR REPLACE INTO info VALUES (?, ?)", (key, stamp))

    def _new(self, call: int) -> Texts:
        """The texts of a call that came after the index was opened."""
        if call not in self._since:
            texts = sorted(self._texts_of(call).items())
            self._keep([(text_hash(value), value) for _, value in texts])
            self._since[call] = [(argument, text_hash(value)) for argument, value in texts]
        return self._since[call]

    def _keep(self, texts: Sequence[tuple[str, str]]) -> None:
        vectors = _bytes(self.embedder.embed([value for _, value in texts]))
        rows = [(self._embedder_id, digest, data) for (digest, _), data in zip(texts, vectors, strict=True)]
        with self._write():
            self.recording.db.executemany("INSERT OR IGNORE INTO vector VALUES (?, ?, ?)", rows)

    def _texts_of(self, call: int) -> dict[str, str]:
        rows = self.recording.db.execute(
            "SELECT v.name, c.tool, c.params FROM call c JOIN server v ON v.id = c.server_id WHERE c.id = ?", (call,)
        ).fetchall()
        server, tool, params = rows[0]
        return self._index.matching.texts(ToolKey(str(server), str(tool)), _arguments(str(params)))


def _arguments(params: str) -> JsonObject:
    arguments = loads(params).get("arguments")
    return arguments if isinstance(arguments, dict) else {}


def _bytes(vectors: Vectors) -> list[bytes]:
    return [row.astype("<f4").tobytes() for row in vectors]


def _batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch
