from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

VERL = importlib.util.find_spec("verl") is not None


def left_running(folder: Path) -> list[str]:
    """The command lines of processes that still have the run's folder in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment: Mapping[bytes, bytes] = dict(
                entry.split(b"=", 1) for entry in (process / "environ").read_bytes().split(b"\0") if b"=" in entry
            )
            if str(folder).encode() in environment.get(b"FIREFLY_TRAIN_ROLLOUTS", b""):
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not VERL, reason="verl is not installed: pip install torch && pip install 'firefly-mcp[train]'")
def test_two_steps_of_grpo_change_the_model_and_miss_nothing_on_the_plans(
    tasks_file: Path, store: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    command = [
        *(sys.executable, "-m", "firefly_mcp", "train", "--preset", "smoke", "--json"),
        *("--tasks", str(tasks_file), "--store", str(store), "--out", str(folder), "--warm-start-steps", "400"),
        *("--", "trainer.total_training_steps=2", "data.train_batch_size=3", "actor_rollout_ref.rollout.n=4"),
    ]
    ran = subprocess.run(command, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=840, check=False)
    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    told = json.loads(ran.stdout)
    assert told == json.loads((folder / "run.json").read_text())
    assert [step["step"] for step in told["steps"]] == [1, 2]
    assert told["tool_calls"] > 0
    assert told["infrastructure_errors"] == 0
    assert told["heldout_before"] is not None
    assert told["heldout_after"] is not None
    rollouts = [json.loads(line) for line in (folder / "rollouts.jsonl").read_text().splitlines()]
    right = [line for line in rollouts if line["reward"] == 1.0]
    assert right, "the warm start leaves something to reward"
    assert all(line["submitted"] and line["calls"] >= 2 for line in right)
    assert sum(line["reward"] for line in rollouts if line["step"] == 1) / 12 == told["steps"][0]["reward_mean"]
    assert weights(folder / "model") != weights(folder / told["model"])
    assert left_running(folder) == []


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()
