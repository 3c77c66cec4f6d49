"""Run a subject on tasks, k attempts each, through the replay proxy, and report pass@1, pass@k and pass^k."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence

from firefly_agents.bench.subjects import Subject
from firefly_mcp import __version__
from firefly_mcp.canonical import hash_json
from firefly_mcp.errors import FireflyError, UsageError
from firefly_mcp.jsonio import JSON, JsonObject
from firefly_mcp.replay import ReplayPolicy
from firefly_mcp.reward import reward
from firefly_mcp.statistics import bootstrap_interval, pass_at_k, pass_hat_k
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http


async def bench(
    tasks: Sequence[Task],
    recording: Recording,
    subject: Subject,
    *,
    k: int = 1,
    policy: ReplayPolicy | None = None,
    progress: Callable[[], None] = lambda: None,
) -> JsonObject:
    """Score a subject; every attempt is a session of its own, kept in the recording under its name.

    Returns:
        ``{tasks, k, "pass@1", "pass@k", "pass^k", interval, by_match, by_server, subject, rollouts, manifest}``.

    Raises:
        UsageError: no tasks, or ``k`` below 1.
    """
    if not tasks or k < 1:
        raise UsageError("nothing to benchmark: give tasks, and --k of at least 1")
    run = f"bench-{uuid.uuid4().hex[:8]}"
    factory = ReplayFactory(recording, policy)
    rollouts: list[JsonObject] = []
    passed: dict[str, list[float]] = defaultdict(list)
    async with running_http(factory) as url:
        for task in tasks:
            for attempt in range(k):
                name = f"{run}-{task.id}-{attempt}"
                answer: JSON = None
                failure = ""
                try:
                    answer = await subject.solve(task, f"{url}?session={name}", attempt)
                except (FireflyError, OSError, TimeoutError) as error:
                    failure = str(error)
                score = reward(answer, task.answer, task.answer_schema)
                passed[task.id].append(score)
                rollouts.append({"task": task.id, "session": name, "answer": answer, "reward": score, "failure": failure})
            progress()
    return {
        "tasks": len(tasks),
        "k": k,
        "pass@1": _mean([sum(scores) / k for scores in passed.values()]),
        "pass@k": _mean([pass_at_k(int(sum(scores)), k, k) for scores in passed.values()]),
        "pass^k": _mean([pass_hat_k(int(sum(scores)), k, k) for scores in passed.values()]),
        "interval": bootstrap_interval([sum(scores) / k for scores in passed.values()]),
        "by_match": _by_match(recording, run),
        "by_server": _by_server(tasks, passed, k),
        "subject": subject.name,
        "manifest": {
            "firefly": __version__,
            "recording": recording.id,
            "tasks": hash_json([task.id for task in tasks]),
            "match": str((policy or ReplayPolicy()).match),
        },
        "rollouts": rollouts,
    }


def _by_match(recording: Recording, run: str) -> dict[str, int]:
    """How the calls of this run were answered; sessions of a run carry its name."""
    rows = recording.db.execute(
        "SELECT c.match, count(*) FROM call c JOIN session s ON s.id = c.session_id"
        " WHERE s.labels ->> 'name' LIKE ? || '%' GROUP BY 1 ORDER BY 2 DESC",
        (run,),
    )
    return {str(kind): int(str(count)) for kind, count in rows}


def _by_server(tasks: Sequence[Task], passed: dict[str, list[float]], k: int) -> dict[str, JsonObject]:
    scores: dict[str, list[float]] = defaultdict(list)
    for task in tasks:
        for server in task.servers:
            scores[server].append(sum(passed[task.id]) / k)
    return {server: {"tasks": len(values), "pass@1": _mean(values)} for server, values in sorted(scores.items())}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
