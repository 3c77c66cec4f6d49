"""A picture of a study: the rewards of its steps, and what each arm reached on held-out tasks.

python -m benchmarks.train_study.picture runs/study study.svg
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.train_study.arm import ARMS
from firefly_mcp.jsonio import JsonObject, loads

SHOWN = 5
"""Rewards of single steps depend on which tasks are drawn: so many are averaged."""
COLOURS = {"warm": "#777777", "grpo": "#0a6b3d", "shuffled": "#b8860b", "supervised": "#2b5fa8"}


def draw(found: JsonObject, path: Path) -> None:
    """Draw the content of ``table.json``."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    named: set[str] = set()
    for name, result in found["arms"].items():
        rewards, arm = result.get("rewards"), name.rpartition("-")[0]
        if rewards:
            smooth = [sum(rewards[max(0, at - SHOWN + 1) : at + 1]) / min(at + 1, SHOWN) for at in range(len(rewards))]
            label = None if arm in named else f"{arm}, each seed, mean of {SHOWN} steps"
            left.plot(range(1, len(smooth) + 1), smooth, color=COLOURS[arm], linewidth=1, label=label)
            named.add(arm)
    left.set(xlabel="step", ylabel="reward on training tasks", ylim=(0, 1))
    left.legend(fontsize=7)
    told = found["heldout"]
    for place, arm in enumerate(("warm", *ARMS)):
        mean = told["means"][arm]
        right.bar(place, mean, color=COLOURS[arm])
        top = mean
        if arm in told["gain"]:
            low, high = told["gain"][arm]["interval"]
            base = told["means"]["warm"]
            right.plot([place, place], [base + low, base + high], color="black")
            top = base + high
        right.text(place, top + 0.03, f"{mean:.3f}", ha="center", fontsize=8)
    right.set_xticks(range(4), ["warm", *ARMS], fontsize=8)
    right.set(ylabel=f"held-out pass@1, {told['gain']['grpo']['tasks']} tasks", ylim=(0, 1))
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("out", type=Path)
    told = parser.parse_args()
    draw(loads((told.study / "table.json").read_bytes()), told.out)


if __name__ == "__main__":
    main()
