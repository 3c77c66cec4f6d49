"""The curve of a run as a picture: reward, held-out reward, misses and response length over the steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from firefly_mcp.jsonio import JsonObject

_ROLLING = 5


def draw(run: JsonObject, path: Path) -> bool:
    """Draw a run; the file's ending says the format (``.png``, ``.svg``).

    Args:
        run: the content of ``run.json``.
        path: the picture.

    Returns:
        Whether there was anything to draw.
    """
    made = run["steps"]
    if not made:
        return False
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True)
    steps = [entry["step"] for entry in made]
    reward, held_out, missed, length = axes[0][0], axes[0][1], axes[1][0], axes[1][1]
    rewards = [entry["reward_mean"] for entry in made]
    reward.plot(steps, rewards, color="#9ab", linewidth=1)
    reward.plot(steps, rolling(rewards), color="#15c", linewidth=2)
    _label(reward, "reward on training tasks", (0, 1.02))
    tried = run.get("heldout") or []
    for key, mark, colour in (("pass@1", "o-", "#15c"), ("pass@4", "s--", "#c60")):
        points = [(entry["step"], entry[key]) for entry in tried if entry[key] is not None]
        if points:
            held_out.plot([at for at, _ in points], [value for _, value in points], mark, color=colour, label=key)
    if held_out.has_data():
        held_out.legend(frameon=False, loc="best")
    _label(held_out, "reward on held-out tasks", (0, 1.02))
    for cause in sorted({cause for entry in made for cause in entry["misses"]}):
        shares = [entry["misses"].get(cause, 0) / max(1, entry["tool_calls"]) for entry in made]
        missed.plot(steps, shares, linewidth=1.5, label=cause.replace("_", " "))
    if missed.has_data():
        missed.legend(frameon=False, loc="best")
    _label(missed, "share of calls that missed, by cause", None)
    missed.set_ylim(bottom=0)
    lengths = [(entry["step"], entry["response_tokens"]) for entry in made if entry["response_tokens"] is not None]
    length.plot([at for at, _ in lengths], [value for _, value in lengths], color="#15c", linewidth=1.5)
    _label(length, "response length in tokens", None)
    length.set_ylim(bottom=0)
    for axis in axes[1]:
        axis.set_xlabel("step")
    figure.savefig(path, dpi=110)
    return True


def rolling(values: list[float], width: int = _ROLLING) -> list[float]:
    """The mean of each value and those before it, ``width`` at most."""
    return [sum(values[max(0, at - width + 1) : at + 1]) / min(width, at + 1) for at in range(len(values))]


def _label(axis: Any, title: str, limits: tuple[float, float] | None) -> None:
    axis.set_title(title, fontsize=10, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
    if limits:
        axis.set_ylim(*limits)
