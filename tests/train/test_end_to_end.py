"""The whole of training, on tasks of the shipped sample: a process of the command line, verl with Ray, a replay proxy."""

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

from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task, read_tasks, write_tasks
from firefly_proxies.in_thread import ServedInThread
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http
from firefly_train.demonstrations import Demonstration, demonstrate
from firefly_train.environment import Attempts

TRAINED, HELD_OUT = 16, 6
"""Tasks of the sample that take part: the shortest, so that a run is a matter of minutes."""

with_verl = pytest.mark.skipif(
    importlib.util.find_spec("verl") is None,
    reason="verl is not installed: make test-train",
)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The shipped sample: tasks and recording."""
    from firefly_mcp.data import SAMPLE, unpack_sample

    if not SAMPLE.exists():
        pytest.skip("the sample is not in this checkout")
    tasks, store, _ = unpack_sample(tmp_path_factory.mktemp("sample"))
    return tasks, store


@pytest.fixture(scope="module")
def shown(sample: tuple[Path, Path]) -> list[Demonstration]:
    """Every plan of the sample, followed."""
    with Recording(sample[1]) as recording:
        return demonstrate(read_tasks(sample[0]), recording)


@pytest.fixture
def few(sample: tuple[Path, Path], shown: list[Demonstration], tmp_path: Path) -> Path:
    """Some short tasks of the sample as a file."""

    def length(one: Demonstration) -> int:
        return sum(len(json.dumps(message)) for message in one.messages)

    ordered = sorted(shown, key=length)
    chosen: list[Task] = [one.task for one in ordered if one.task.split == "train"][:TRAINED]
    chosen += [one.task for one in ordered if one.task.split != "train"][:HELD_OUT]
    path = tmp_path / "few.jsonl"
    write_tasks(path, chosen)
    return path


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


def test_every_plan_of_the_sample_is_answered_without_a_miss(shown: list[Demonstration], sample: tuple[Path, Path]) -> None:
    with (
        Recording(sample[1]) as recording,
        ServedInThread(lambda: running_http(ReplayFactory(recording, log=False))) as served,
    ):
        attempts = Attempts(served.url)
        try:
            for one in shown[::4]:
                attempt = attempts.begin(one.task)
                for message in one.messages:
                    for call in message.get("tool_calls") or ():
                        attempts.call(attempt, call["function"]["name"], call["function"]["arguments"])
                assert (attempt.reward, dict(attempt.trajectory.misses)) == (1.0, {}), one.task.id
        finally:
            attempts.close()


@with_verl
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_grpo_steps_on_the_sample_call_tools_change_the_model_and_can_be_resumed(
    few: Path, sample: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    brief = ("actor_rollout_ref.rollout.n=4", "actor_rollout_ref.rollout.val_kwargs.n=1", "data.train_batch_size=4")
    ran = subprocess.run(
        command(few, sample[1], folder, 160, "trainer.total_training_steps=1", *brief),
        capture_output=True,
        timeout=900,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    told = json.loads(ran.stdout)
    assert told == json.loads((folder / "run.json").read_text())
    assert [step["step"] for step in told["steps"]] == [1]
    assert told["finished"]
    assert told["tool_calls"] > 0
    assert told["infrastructure_errors"] == 0
    assert told["heldout_before"] is not None
    assert told["heldout_after"] is not None
    rollouts = [json.loads(line) for line in (folder / "rollouts.jsonl").read_text().splitlines()]
    first = [line["reward"] for line in rollouts if line["step"] == 1 and line["split"] == "train"]
    assert sum(first) / len(first) == pytest.approx(told["steps"][0]["reward_mean"], abs=1e-6)
    before, after = folder / "model", folder / told["model"]
    assert (before / "model.safetensors").read_bytes() != (after / "model.safetensors").read_bytes()
    assert (folder / "curve.png").exists()
    assert list((folder / "tensorboard").rglob("events.out.tfevents.*"))
    assert left_running(tmp_path) == []

    again = [sys.executable, "-m", "firefly_mcp", "train", "--resume", str(folder), "--json", "--"]
    ran = subprocess.run(
        [*again, "trainer.total_training_steps=2", "trainer.test_freq=-1"], capture_output=True, timeout=600, check=False
    )
    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    told = json.loads(ran.stdout)
    assert [step["step"] for step in told["steps"]] == [1, 2]
    assert told["config"]["resumed_from"] == [1]
    assert left_running(tmp_path) == []


@with_verl
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_interrupted_run_leaves_nothing_running_and_says_how_far_it_came(
    few: Path, sample: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    log = folder / "train.log"
    arguments = command(few, sample[1], folder, 1)
    # A shell starts what runs in the background deaf to ctrl-C, and that is inherited: tests may run so, the command must not.
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        signal.signal(signal.SIGINT, heard)
        while process.poll() is None and not (log.exists() and b"Started a local Ray instance" in log.read_bytes()):
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors.decode()[-2000:]
    assert errors.decode().splitlines()[-1] == "firefly: interrupted"
    told = json.loads((folder / "run.json").read_text())
    assert (told["finished"], told["steps"]) == (False, [])
    assert left_running(tmp_path) == []
