"""Two runs of one command with one seed: how long are their rewards the same, and does replay ever answer otherwise?

    python -m benchmarks.train_study.repeat runs/one runs/two

Sampling is seeded, but sums of floating-point numbers are not the same in every order, so two runs may part at some step. What
replay answers to the same calls may never differ: within a run, and between runs.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from firefly_mcp.jsonio import JsonObject
from firefly_train.figures import ROLLOUTS, read_lines


def same_steps(one: Sequence[JsonObject], two: Sequence[JsonObject]) -> list[int]:
    """The first steps, in order, in which both runs had the same trajectories: task, reward, tokens and calls."""
    first, second = _by_step(one), _by_step(two)
    found = []
    for step in sorted(first):
        if first[step] != second.get(step):
            break
        found.append(step)
    return found


def answers(lines: Iterable[JsonObject]) -> dict[str, set[str]]:
    """The digests of what replay answered, by the digest of the calls up to there."""
    found: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        for called, answered in line["exchanges"]:
            found[called].add(answered)
    return found


def _by_step(lines: Iterable[JsonObject]) -> dict[int, Counter[tuple[str, float, int, str]]]:
    found: dict[int, Counter[tuple[str, float, int, str]]] = defaultdict(Counter)
    for line in lines:
        found[int(line["step"])][(line["task"], line["reward"], line["tokens"], str(line["exchanges"]))] += 1
    return found


def main() -> int:
    """Compare two runs; exit code 1 when replay answered the same calls differently."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one", type=Path)
    parser.add_argument("two", type=Path)
    told = parser.parse_args()
    one, two = read_lines(told.one / ROLLOUTS), read_lines(told.two / ROLLOUTS)
    same, both = same_steps(one, two), answers([*one, *two])
    shared = set(answers(one)) & set(answers(two))
    differing = [called for called, found in both.items() if len(found) > 1]
    print(f"steps with the same trajectories from the beginning: {same}")
    print(f"{len(both)} different call histories, {len(shared)} of them in both runs; answered differently: {len(differing)}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
