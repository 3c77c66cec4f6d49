"""The manifest of a run: all that its figures depend on. Equal manifests and a deterministic subject give equal figures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from firefly_mcp import __version__
from firefly_mcp.canonical import hash_json
from firefly_mcp.jsonio import JsonObject, dumps
from firefly_mcp.replay import ReplayPolicy
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task

_EVIDENCE = (
    "SELECT s.key, s.kind, c.seq, v.name, c.method, c.args_hash, c.result_hash, c.error, c.status, c.overlaps FROM call c"
    " JOIN session s ON s.id = c.session_id JOIN server v ON v.id = c.server_id"
    " WHERE s.kind <> 'replay' ORDER BY s.key, c.seq",
    "SELECT v.name, t.name, t.hash FROM tool_snapshot t JOIN server v ON v.id = t.server_id ORDER BY 1, 2, 3",
    "SELECT s.key, v.name, n.origin FROM connection n JOIN session s ON s.id = n.session_id"
    " JOIN server v ON v.id = n.server_id WHERE s.kind <> 'replay' ORDER BY 1, 2",
    "SELECT v.name, e.writer, e.reader, e.affects, e.source FROM effect e JOIN server v ON v.id = e.server_id ORDER BY 1, 2, 3",
)
"""What replay answers from, in an order that a copy or a merge does not change. Replayed calls are no part of it."""


def manifest(recording: Recording, tasks: Sequence[Task], policy: ReplayPolicy, *, seed: int = 0, **more: Any) -> JsonObject:
    """The manifest of a run.

    Args:
        recording: what is replayed.
        tasks: in the order in which they are used.
        policy: how it is replayed.
        seed: of whatever the run draws.
        more: keys of this kind of run, as JSON.

    Returns:
        ``{firefly, recording: {id, digest}, tasks: {count, digest}, match, state, start, seed, ...more}``.
    """
    return {
        "firefly": __version__,
        "recording": {"id": recording.id, "digest": recording_digest(recording)},
        "tasks": {"count": len(tasks), "digest": tasks_digest(tasks)},
        "match": str(policy.match),
        "state": "lenient" if policy.lenient else "strict",
        "start": policy.start,
        "seed": seed,
        **more,
    }


def recording_digest(recording: Recording) -> str:
    """The digest of what a recording holds as evidence; calls that are replayed from it do not change it."""
    digest = hashlib.blake2b(digest_size=16)
    for sql in _EVIDENCE:
        for row in recording.db.execute(sql):
            digest.update(dumps(row) + b"\n")
        digest.update(b"\n")
    return f"blake2b:{digest.hexdigest()}"


def tasks_digest(tasks: Iterable[Task]) -> str:
    """The digest of tasks: what is asked, what is offered and what is right. Their order and verdicts do not count."""
    parts = [[task.id, task.request, task.now, task.tools, task.answer, task.answer_schema] for task in tasks]
    return hash_json(sorted(hash_json(part) for part in parts))
