"""The folder of a study: what it was prepared with, and where its rewards come from."""

from __future__ import annotations

from pathlib import Path

from firefly_mcp.jsonio import JsonObject, loads

TOLD = "study.json"
"""What the study was prepared with; it is written last, so where it is there the study is prepared."""
REWARDS = "rewards.db"
"""The recording that rewards come from: the study's, and in it the variations of its tasks."""


def settings(study: Path) -> JsonObject:
    """What the study was prepared with."""
    told: JsonObject = loads((study / TOLD).read_bytes())
    return told


def scored(out: Path) -> bool:
    """Whether an arm, by its folder, is trained and scored on all it is scored on."""
    result = out / "result.json"
    checked = "permuted" if out.name.startswith(("grpo", "warm")) else "heldout"
    return result.exists() and checked in loads(result.read_bytes())
