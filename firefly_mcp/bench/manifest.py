"""What a benchmark ran with. Two runs with equal manifests and a deterministic subject have equal figures."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from firefly_mcp import __version__
from firefly_mcp.canonical import hash_json
from firefly_mcp.errors import UsageError
from firefly_mcp.jsonio import JSON, JsonObject, text
from firefly_mcp.replay import ReplayPolicy
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task

_EVIDENCE = (
    "SELECT s.id, s.kind, v.name, c.method, c.args_hash, c.result_hash, c.error, c.status"
    " FROM call c JOIN session s ON s.id = c.session_id JOIN server v ON v.id = c.server_id"
    " WHERE s.kind <> 'replay' ORDER BY c.id"
)


def recording_hash(recording: Recording) -> str:
    """A hash of all calls that can serve as evidence, in order; replays that were logged since do not change it."""
    digest = hashlib.blake2b(digest_size=16)
    for row in recording.db.execute(_EVIDENCE):
        digest.update(repr(row).encode())
    return f"blake2b:{digest.hexdigest()}"


def tasks_hash(tasks: Sequence[Task]) -> str:
    """A hash of all that a subject is asked, offered and graded by; verdicts and splits do not count."""
    kept = ("id", "request", "answer", "answer_schema", "plan", "evidence", "tools", "now", "outcome")
    dumped = [task.model_dump(mode="json", by_alias=True) for task in tasks]
    return hash_json([{key: one[key] for key in kept if key in one} for one in dumped])


def manifest(
    tasks: Sequence[Task],
    recording: Recording | None,
    policy: ReplayPolicy | None,
    subject: JsonObject,
    *,
    k: int,
    settings: JsonObject,
) -> JsonObject:
    """The manifest of a run.

    Args:
        tasks: the tasks, in order.
        recording: the recording that is replayed; None where servers are live.
        policy: match and state policy; None where servers are live.
        subject: the subject's name and settings (model, seed, temperature).
        k: attempts at each task.
        settings: budgets of an attempt.

    Returns:
        ``{versions, recording: {id, hash}, tasks: {count, hash}, policy, subject, k, budget}``.
    """
    return {
        "versions": {"firefly": __version__, "python": platform.python_version(), **_versions("mcp", "openai-agents")},
        "recording": None if recording is None else {"id": recording.id, "hash": recording_hash(recording)},
        "tasks": {"count": len(tasks), "hash": tasks_hash(tasks)},
        "policy": "live" if policy is None else _told(policy),
        "subject": subject,
        "k": k,
        "budget": settings,
    }


def _told(policy: ReplayPolicy) -> JsonObject:
    return {"match": str(policy.match), "state": "lenient" if policy.lenient else "strict", "start": policy.start}


def same_run(here: JsonObject, there: JsonObject) -> None:
    """See that two manifests are of one run, so that the one may go on where the other stopped.

    Raises:
        UsageError: they differ; the message says in what.
    """
    odd = sorted(key for key in {*here, *there} if here.get(key) != there.get(key))
    if odd:
        told = "; ".join(f"{key}: {_short(there.get(key))} there, {_short(here.get(key))} now" for key in odd)
        raise UsageError(f"--out holds another run ({told}); choose another folder, or delete it")


def _short(value: JSON) -> str:
    shown = text(value)
    return shown if len(shown) <= 120 else shown[:119] + "…"


def _versions(*names: str) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
