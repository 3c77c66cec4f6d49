"""What came of sessions: a file of JSON lines that grows as they end, and its figures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from firefly_mcp.errors import TaskError, UsageError
from firefly_mcp.jsonio import JsonObject, dumps, loads


class ResultsFile:
    """Appends results. A killed server loses none that had ended. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        """Open ``path``, made if it is not there.

        Raises:
            UsageError: it cannot be written.
        """
        self.path = path
        try:
            self._file = path.open("ab", buffering=0)  # one write to a line: nothing is held back
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({error.strerror}); choose another with --results FILE") from error

    def __enter__(self) -> ResultsFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def keep(self, result: JsonObject) -> None:
        """Append one result."""
        self._file.write(dumps(result) + b"\n")


def read_results(path: Path) -> list[JsonObject]:
    """Read a results file; a last line that was cut by a crash is left out.

    Raises:
        TaskError: the file is missing, or a line of it is not a result.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise TaskError(f"{path}: cannot be read ({error.strerror})") from error
    results = []
    for number, line in enumerate(lines[:-1], 1):
        if not line.strip():
            continue
        try:
            results.append(loads(line))
        except ValueError as error:
            raise TaskError(f"{path}: line {number} is not JSON: {error}") from error
    return results


def summary(results: Sequence[JsonObject]) -> JsonObject:
    """Figures: how many sessions, their mean reward, how they ended, how calls were answered, and the mean by task."""
    by_task: dict[str, list[float]] = defaultdict(list)
    for result in results:
        by_task[result["task"]].append(result["reward"])
    matches: Counter[str] = Counter()
    for result in results:
        matches.update(result["by_match"])
    return {
        "sessions": len(results),
        "reward": _mean(result["reward"] for result in results),
        "by_ending": dict(Counter(str(result["ended"]) for result in results).most_common()),
        "by_match": dict(matches.most_common()),
        "by_task": {task: {"sessions": len(rewards), "reward": _mean(rewards)} for task, rewards in by_task.items()},
    }


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return sum(listed) / len(listed) if listed else None
