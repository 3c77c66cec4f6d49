"""Forty tasks drawn by seed from a set, written as a page to be read one by one as a user would: the request and its answer, no
plan. What the reader thought of each is kept beside it, by the task's id, and goes onto the page.

    python -m benchmarks.sampled_tasks --tasks tasks.jsonl            # writes docs/sampled-tasks.md
    python -m benchmarks.sampled_tasks --tasks tasks.jsonl --list     # prints those without a judgement yet, as JSON to fill in
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from firefly_mcp.jsonio import text
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task, read_tasks
from firefly_mcp.tasks.proof import strict_replay
from firefly_mcp.tasks.sameness import frame_shares

JUDGEMENTS = Path(__file__).parent / "data" / "sampled_judgements.json"
PAGE = Path(__file__).parent.parent / "docs" / "sampled-tasks.md"


class Judgement(NamedTuple):
    """What a reader thought: whether the request is plain, complete and unambiguous, and if not, why."""

    good: bool
    note: str


def sampled(tasks: Sequence[Task], seed: int, count: int) -> list[Task]:
    """``count`` tasks, drawn from the set in the order of its ids, so that the order of the file does not matter."""
    ordered = sorted(tasks, key=lambda task: task.id)
    return random.Random(seed).sample(ordered, min(count, len(ordered)))


def read_judgements(path: Path) -> dict[str, Judgement]:
    """The judgements by task id; none when the file is missing."""
    if not path.exists():
        return {}
    return {key: Judgement(bool(said["good"]), str(said.get("note", ""))) for key, said in json.loads(path.read_text()).items()}


def page(tasks: Sequence[Task], judgements: Mapping[str, Judgement], *, total: int, seed: int, sameness: str) -> str:
    """The page, as Markdown."""
    read = [judgements[task.id] for task in tasks if task.id in judgements]
    good = sum(judgement.good for judgement in read)
    lines = [
        "# Forty tasks, read as a user would" if len(tasks) == 40 else f"# {len(tasks)} tasks, read as a user would",
        "",
        f"Drawn by seed {seed} from the {total:,} tasks of the set with `python -m benchmarks.sampled_tasks`, and read without"
        " a look at the plan: is the request plain, complete, and can it be understood in one way only? "
        f"**{good} of {len(read)} are.**" + (f" {len(tasks) - len(read)} are not read yet." if len(read) < len(tasks) else ""),
        "",
    ]
    if sameness:
        lines += [sameness, ""]
    for number, task in enumerate(tasks, 1):
        judgement = judgements.get(task.id)
        verdict = "not read yet" if judgement is None else ("good" if judgement.good else "**not good**")
        note = f": {judgement.note}" if judgement and judgement.note else ""
        lines += [
            f"## {number}. `{task.id}`",
            "",
            *(f"> {line}" for line in _escaped(task.request).splitlines()),
            "",
            f"Answer: `{text(task.answer).replace('`', chr(0x2B9))}`",
            "",
            f"{len(task.plan)} calls, {', '.join(task.servers)}. Verdict: {verdict}{note}",
            "",
        ]
    return "\n".join(lines)


def _escaped(request: str) -> str:
    """What servers and people wrote must not become markup of the page."""
    for mark in ("\\", "`", "*", "_", "<", "[", "]", "|", "#"):
        request = request.replace(mark, f"\\{mark}")
    return request


def _sameness(tasks: Sequence[Task], store: Path) -> str:
    with Recording(store) as recording:
        shares = frame_shares(tasks, strict_replay(recording).index.tools)
    top = ", ".join(f'"{frame}" {share:.1%}' for frame, share in shares[:5])
    return f"The most frequent four-word frames of the whole set (literals and words of servers masked as `_`): {top}."


def main() -> None:
    """Draw, and write the page or list what is still to be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=Path, required=True, help="the set: tasks.jsonl")
    parser.add_argument("--store", type=Path, help="the recording; with it the page tells how alike the requests are")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--judgements", type=Path, default=JUDGEMENTS)
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--list", action="store_true", help="print the drawn tasks that are not judged yet; write nothing")
    arguments = parser.parse_args()
    tasks = read_tasks(arguments.tasks)
    drawn = sampled(tasks, arguments.seed, arguments.count)
    judgements = read_judgements(arguments.judgements)
    if arguments.list:
        waiting = {
            task.id: {"good": None, "note": "", "request": task.request, "answer": task.answer}
            for task in drawn
            if task.id not in judgements
        }
        print(json.dumps(waiting, indent=1, ensure_ascii=False))
        return
    sameness = _sameness(tasks, arguments.store) if arguments.store else ""
    arguments.out.write_text(page(drawn, judgements, total=len(tasks), seed=arguments.seed, sameness=sameness))
    print(f"{arguments.out}: {len(drawn)} tasks, {sum(task.id in judgements for task in drawn)} of them judged")


if __name__ == "__main__":
    main()
