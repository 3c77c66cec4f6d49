from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("verl") is None,
        reason="verl is not installed: pip install torch && pip install 'firefly-mcp[train]'",
    ),
]


def left_running(place: Path) -> list[str]:
    """The command lines of processes that name the folder in their arguments or environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if str(place).encode() in told and int(process.name) != os.getpid():
            found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def command(tasks: Path, store: Path, out: Path, steps: int, *overrides: str) -> list[str]:
    return [
        *(sys.executable, "-m", "firefly_mcp", "train", "--preset", "smoke", "--json", "--warm-start-steps", str(steps)),
        *("--tasks", str(tasks), "--store", str(store), "--out", str(out), "--", *overrides),
    ]


@pytest.mark.timeout(900)
def test_two_steps_of_grpo_follow_plans_through_the_recording_and_change_the_model(
    tasks_file: Path, store: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    ran = subprocess.run(
        command(tasks_file, store, folder, 400, "trainer.total_training_steps=2", "actor_rollout_ref.rollout.n=4"),
        capture_output=True,
        timeout=840,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    told = json.loads(ran.stdout)
    assert told == json.loads((folder / "run.json").read_text())
    assert [step["step"] for step in told["steps"]] == [1, 2]
    assert told["finished"]
    assert told["tool_calls"] > 0
    assert told["infrastructure_errors"] == 0
    assert told["heldout_before"] is not None
    assert told["heldout_after"] is not None
    rollouts = [json.loads(line) for line in (folder / "rollouts.jsonl").read_text().splitlines()]
    right = [line for line in rollouts if line["reward"] == 1.0]
    # The plan has two calls. Some follow it to the end: what is on the plan is never missed.
    assert any(line["submitted"] and line["by_match"] == {"exact": 2} for line in right)
    first = [line["reward"] for line in rollouts if line["step"] == 1 and line["split"] == "train"]
    assert sum(first) / len(first) == pytest.approx(told["steps"][0]["reward_mean"], abs=1e-6)
    before, after = folder / "model", folder / told["model"]
    assert (before / "model.safetensors").read_bytes() != (after / "model.safetensors").read_bytes()
    assert left_running(tmp_path) == []


@pytest.mark.timeout(300)
def test_an_interrupted_run_leaves_nothing_running_and_says_how_far_it_came(
    tasks_file: Path, store: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    log = folder / "train.log"
    arguments = command(tasks_file, store, folder, 1)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        while process.poll() is None and not (log.exists() and b"Started a local Ray instance" in log.read_bytes()):
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors.decode()[-2000:]
    assert errors.decode().splitlines()[-1] == "firefly: interrupted"
    told = json.loads((folder / "run.json").read_text())
    assert (told["finished"], told["steps"]) == (False, [])
    assert left_running(tmp_path) == []
