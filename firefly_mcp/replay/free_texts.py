"""The free texts of a recording's calls and their vectors, kept in its tables ``candidate_text``, ``vector`` and ``embedder``.

Which texts a call has follows from the call, so that table is brought up to date whenever replay opens the recording; a vector
is made once for each distinct text and embedder. A recording that cannot be written gets both in SQLite's temporary tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import TypeVar

import numpy as np
import sqlite_vec

from firefly_mcp.canonical import hash_bytes, hash_json
from firefly_mcp.embed.protocol import Embedder
from firefly_mcp.errors import StoreError
from firefly_mcp.jsonio import JsonObject, loads, text
from firefly_mcp.match.tools import ToolMatching
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import ToolKey

_STAMP = "free_texts"
_BATCH = 512
_Item = TypeVar("_Item")
_TEMPORARY = """
CREATE TEMP TABLE candidate_text (
  call_id INTEGER NOT NULL, argument TEXT NOT NULL, text_hash TEXT NOT NULL, PRIMARY KEY (call_id, argument)
) WITHOUT ROWID;
CREATE TEMP TABLE embedder (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, dimensions INTEGER, config TEXT DEFAULT '{}');
CREATE TEMP TABLE vector (
  embedder_id INTEGER NOT NULL, text_hash TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (embedder_id, text_hash)
) WITHOUT ROWID;
CREATE TEMP TABLE info (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


def text_hash(value: str) -> str:
    """What a text is known by in ``candidate_text`` and ``vector``."""
    return hash_bytes(value.encode("utf-8", "surrogatepass"))


class FreeTexts:
    """Texts and vectors of one recording under one embedder."""

    def __init__(self, recording: Recording, matching: ToolMatching, embedder: Embedder) -> None:
        """Bring texts and vectors up to date; what is there already is kept.

        Args:
            recording: the recording; texts and vectors are written to it if it can be written.
            matching: which arguments are free text.
            embedder: makes the vectors that are missing.

        Raises:
            ModelError: the embedder cannot be asked.
        """
        self.recording, self.embedder = recording, embedder
        self._matching = matching
        recording.db.enable_load_extension(True)
        recording.db.load_extension(sqlite_vec.loadable_path())
        recording.db.enable_load_extension(False)
        self._writable = True
        try:
            self._renew()
        except StoreError:
            # Temporary tables of the same names hide those of the file, so that every statement here serves both.
            recording.db.execute(_TEMPORARY)
            self._writable = False
            self._renew()

    def of(self, calls: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
        """The ``(argument, text hash)`` pairs of calls that have free texts, by call, in the order of arguments.

        Raises:
            ModelError: a call was recorded since, and the embedder cannot be asked for its vectors.
        """
        found = self._known(calls)
        new = [call for call, pairs in found.items() if not pairs]
        if new:
            rows = [(call, place, text_hash(value)) for call in new for place, value in self._texts_of(call).items()]
            with self._write():
                self.recording.db.executemany("INSERT OR REPLACE INTO candidate_text VALUES (?, ?, ?)", rows)
            self._renew_vectors()
            found |= self._known(new)
        return found

    def _known(self, calls: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
        found: dict[int, list[tuple[str, str]]] = {call: [] for call in calls}
        rows = self.recording.db.execute(
            "SELECT t.call_id, t.argument, t.text_hash FROM json_each(?) j CROSS JOIN candidate_text t ON t.call_id = j.value"
            " ORDER BY t.call_id, t.argument",
            (text(list(calls)),),
        )
        for call, argument, digest in rows:
            found[call].append((argument, digest))
        return found

    def stored(self, digests: Iterable[str]) -> dict[str, bytes]:
        """The stored vectors of texts, as float32 in native order."""
        rows = self.recording.db.execute(
            "SELECT v.text_hash, v.data FROM json_each(?) j CROSS JOIN vector v ON v.text_hash = j.value AND v.embedder_id = ?",
            (text(list(digests)), self._embedder_id),
        )
        return {str(digest): bytes(data) for digest, data in rows}

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

    def _renew(self) -> None:
        db = self.recording.db
        with self._write():
            db.execute(
                "INSERT OR IGNORE INTO embedder (name, dimensions) VALUES (?, ?)",
                (self.embedder.name, self.embedder.dimensions),
            )
            row = db.execute("SELECT id FROM embedder WHERE name = ?", (self.embedder.name,)).fetchall()[0]
            self._embedder_id = int(str(row[0]))
            stamp = self._renew_texts()
        done = f"{_STAMP}:{self.embedder.name}"
        if (stamp,) not in db.execute("SELECT value FROM info WHERE key = ?", (done,)).fetchall():
            self._renew_vectors()
            with self._write():
                db.execute("INSERT OR REPLACE INTO info VALUES (?, ?)", (done, stamp))

    def _write(self) -> AbstractContextManager[object]:
        return self.recording.transaction() if self._writable else self.recording.db

    def _renew_texts(self) -> str:
        """Write what is missing of ``candidate_text``; the answer is a stamp of what is there then."""
        db = self.recording.db
        rows = db.execute("SELECT value FROM info WHERE key = ?", (_STAMP,)).fetchall()
        before = loads(str(rows[0][0])) if rows else {}
        count = int(str(db.execute("SELECT count(*) FROM candidate_text").fetchall()[0][0]))
        done: JsonObject = before.get("tools", {}) if before.get("rows") == count else {}
        if not done and count:
            db.execute("DELETE FROM candidate_text")
        last = int(str(db.execute("SELECT coalesce(max(id), 0) FROM call").fetchall()[0][0]))
        stamps = {key: self._matching.stamp(key) for key in self._matching.tools}
        for key, stamp in stamps.items():
            was = done.get(str(key))
            if was is not None and was[0] != stamp:
                db.execute(f"DELETE FROM candidate_text WHERE call_id IN (SELECT c.id {_CALLS})", (*key, 0))
                was = None
            after = was[1] if was is not None else 0
            if after < last:
                calls = db.execute(f"SELECT c.id, c.params {_CALLS}", (*key, after))
                made = (
                    (call, argument, text_hash(value))
                    for call, params in calls
                    for argument, value in self._matching.texts(key, _arguments(str(params))).items()
                )
                for batch in _batches(made, _BATCH):
                    db.executemany("INSERT OR REPLACE INTO candidate_text VALUES (?, ?, ?)", batch)
        count = int(str(db.execute("SELECT count(*) FROM candidate_text").fetchall()[0][0]))
        now = {"rows": count, "tools": {str(key): [stamp, last] for key, stamp in stamps.items()}}
        if now != before:
            db.execute("INSERT OR REPLACE INTO info VALUES (?, ?)", (_STAMP, text(now)))
        return hash_json(now)

    def _renew_vectors(self) -> None:
        db = self.recording.db
        missing = db.execute(
            "SELECT t.text_hash, min(t.call_id), t.argument FROM candidate_text t WHERE NOT EXISTS (SELECT 1 FROM vector v"
            " WHERE v.embedder_id = ? AND v.text_hash = t.text_hash) GROUP BY t.text_hash",
            (self._embedder_id,),
        ).fetchall()
        for batch in _batches(missing, _BATCH):
            texts = [self._texts_of(int(str(call)))[str(argument)] for _, call, argument in batch]
            vectors = _bytes(self.embedder.embed(texts))
            rows = [(self._embedder_id, digest, data) for (digest, _, _), data in zip(batch, vectors, strict=True)]
            with self._write():
                db.executemany("INSERT OR IGNORE INTO vector VALUES (?, ?, ?)", rows)

    def _texts_of(self, call: int) -> dict[str, str]:
        rows = self.recording.db.execute(
            "SELECT v.name, c.tool, c.params FROM call c JOIN server v ON v.id = c.server_id WHERE c.id = ?", (call,)
        ).fetchall()
        server, tool, params = rows[0]
        return self._matching.texts(ToolKey(str(server), str(tool)), _arguments(str(params)))


_CALLS = (
    "FROM call c JOIN server v ON v.id = c.server_id JOIN session s ON s.id = c.session_id WHERE v.name = ? AND c.tool = ?"
    " AND c.id > ? AND s.kind <> 'replay' AND c.status = 'done' ORDER BY c.id"
)


def _arguments(params: str) -> JsonObject:
    arguments = loads(params).get("arguments")
    return arguments if isinstance(arguments, dict) else {}


def _bytes(vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> list[bytes]:
    return [row.astype("<f4").tobytes() for row in vectors]


def _batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch
