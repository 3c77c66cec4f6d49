"""A set that a tiny model can learn: short tasks over few servers, many of each form, from a real recording.

    python -m benchmarks.train_study.learnable --store firefly.db --tasks learnable.jsonl

The synthesizer spreads a set over servers and tools and prefers plans of three calls and more; a model of a million parameters
needs the opposite, many short tasks that differ in their values. This composes plans of two calls whose results are short (a
value carried from one call to another, or two calls that have nothing to do with each other), drafts and proves them as
``firefly synthesize`` does, and leaves out one gate only: that of balance, since no set over few servers can pass it.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice, zip_longest
from pathlib import Path

import anyio

from benchmarks.train_study.splits import literal, unseen
from firefly_agents.proving import prove
from firefly_agents.synthesizer import composed, setting_of
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.compose import Candidate, joined
from firefly_mcp.tasks.draft import draft, worth_asking
from firefly_mcp.tasks.model import Task, read_tasks, write_tasks
from firefly_mcp.tasks.observations import Observations
from firefly_mcp.tasks.pool import Pool
from firefly_mcp.tasks.proof import strict_replay
from firefly_mcp.tasks.variety import Variety
from firefly_mcp.types import ToolKey
from firefly_train.results import shown

PER_JOIN = 400
"""Plans of the same two tools, joined at the same argument, at most."""
PER_PAIR = 200
"""Tasks of two calls of the same two tools that have nothing to do with each other, at most."""


def candidates(recording: Recording, options: argparse.Namespace) -> Iterator[Task]:
    """Drafted tasks of two calls with short results, chains and pairs in turn."""
    replay = strict_replay(recording)
    index = replay.index
    variety = Variety(queries.calls(recording, method="tools/call", evidence_only=True))
    observations = Observations(index, recording.load_result)
    setting = setting_of(recording, index, variety, observations)

    def short(candidate: Candidate) -> bool:
        return all(
            call.server not in options.without and len(shown(recording.load_result(call.result_hash or ""))) <= options.longest
            for call in candidate.calls
        )

    pool = Pool(variety, recording.load_result, per_join=PER_JOIN)
    pieces: dict[ToolKey, list[Candidate]] = defaultdict(list)
    chains: list[Candidate] = []
    for candidate in composed(recording, index, variety, observations.changed):
        if not all(observations.enough(call) for call in candidate.calls) or not short(candidate):
            continue
        if len(candidate.calls) == 2 and not candidate.changes:
            chains.append(candidate)
        elif len(candidate.calls) == 1 and pool.add(candidate) and worth_asking(candidate, setting):
            pieces[candidate.outcome.key].append(candidate)
    chains += [candidate for candidate in pool.candidates() if len(candidate.calls) == 2 and short(candidate)]
    rng = random.Random(options.seed)
    rng.shuffle(chains)
    both = (chains, list(_pairs(pieces, rng)))
    print(f"{len(pool)} calls, {len(chains)} chains, {len(both[1])} pairs", file=sys.stderr)
    known: set[str] = set()
    for candidate in (one for pair in zip_longest(*both) for one in pair if one is not None):
        task = draft(candidate, setting)
        if task is not None and task.id not in known:
            known.add(task.id)
            yield task


def _pairs(pieces: dict[ToolKey, list[Candidate]], rng: random.Random) -> Iterator[Candidate]:
    """Two calls that have nothing to do with each other, the pairs of tools in turn."""
    keys = sorted(pieces)
    turns: list[Sequence[Candidate]] = []
    for place, one in enumerate(keys):
        for other in keys[place:]:
            found = []
            for _ in range(PER_PAIR):
                first, second = rng.choice(pieces[one]), rng.choice(pieces[other])
                if _side(first) != _side(second):
                    continue
                if rng.random() < 0.5:
                    first, second = second, first
                both = None if first is second else joined([first, second])
                if both is not None and len(both.calls) == 2:
                    found.append(both)
            turns.append(found)
    for turn in zip_longest(*turns):
        yield from (candidate for candidate in turn if candidate is not None)


def _side(candidate: Candidate) -> bool:
    """Whether the study holds the call out for its values; pairs of one side can be divided without loss."""
    call = candidate.outcome
    return unseen(
        literal(call.server, call.tool or "", {key: value for key, value in call.arguments.items() if value is not None})
    )


def main() -> None:
    """Make the set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, help="the recording; it is not changed")
    parser.add_argument("--tasks", type=Path, required=True, help="where the set is written")
    parser.add_argument("--known", type=Path, help="a set made before from these calls: it is kept, and what is new is added")
    parser.add_argument("--count", type=int, default=4000, help="drafts at most")
    parser.add_argument("--longest", type=int, default=240, help="characters of a result at most")
    parser.add_argument("--without", action="append", default=[], metavar="SERVER")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with Recording(options.store) as recording:
        drafted = list(islice(candidates(recording, options), options.count))
        print(f"{len(drafted)} drafts", file=sys.stderr)
        ledger = anyio.run(partial(prove, drafted, recording)).ledger
    known = read_tasks(options.known) if options.known else []
    before = {task.id for task in known}
    write_tasks(options.tasks, [*known, *(task for task in ledger.admitted if task.id not in before)])
    fell = Counter(task.verdicts[-1].gate for task in ledger.rejected)
    print(f"{len(ledger.admitted)} admitted, {dict(fell)} rejected", file=sys.stderr)
    print(f"kinds {dict(Counter(task.kind for task in ledger.admitted))}", file=sys.stderr)
    print(f"servers {dict(Counter(name for task in ledger.admitted for name in task.servers))}", file=sys.stderr)


if __name__ == "__main__":
    main()
