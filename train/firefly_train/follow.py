"""Follow verl: start it, tell each step, and write what came of it, however it ends."""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from firefly_mcp.errors import CheckError, FireflyError
from firefly_mcp.jsonio import JsonObject, dumps
from firefly_train.children import Children
from firefly_train.curve import draw
from firefly_train.figures import ROLLOUTS, RUN, read_metrics, summary
from firefly_train.preset import Preset
from firefly_train.run_folder import RunFolder
from firefly_train.trajectory import LOG_VARIABLE

CURVE = "curve.png"
TENSORBOARD = "tensorboard"
_POLL_SECONDS = 0.5
_RAY_STARTS = 3
_LATE = "The current node timed out during startup"
"""Ray gives its own processes 30 seconds to start, and no setting changes that; on a busy machine they may need more."""
_ERROR = re.compile(r"(?:\x1b\[[\d;]*m|\([^)]*pid=\d+[^)]*\) )*((?:[\w.]+\.)?\w*(?:Error|Exception)\b: .*)")

Note = Callable[[str], None]


class TrainingFailedError(FireflyError):
    """verl ended with an error."""


def follow(folder: RunFolder, children: Children, chosen: Preset, config: JsonObject, note: Note) -> JsonObject:
    """Run verl with the overrides of ``config`` and wait for its end; gives the content of ``run.json``.

    Raises:
        TrainingFailedError: verl ended with an error, or too early.
        CheckError: calls failed on their way to the proxy.
    """
    log = folder.path / "train.log"
    steps = int(config["shape"]["steps"])
    done = {int(entry["step"]) for entry in summary(folder.path, {})["steps"]}
    part = len(list(folder.path.glob("metrics*.jsonl")))
    environment = environment_of(folder, chosen, part)
    command = [sys.executable, "-m", "verl.trainer.main_ppo", *config["overrides"]]
    begun = time.monotonic()
    note(f"training {steps - len(done)} steps; verl's log is {log}")
    try:
        for again in range(_RAY_STARTS):
            with log.open("ab") as out:
                process = children.start(command, environment=environment, stdout=out, stderr=subprocess.STDOUT)
                _watch(process, children, folder, len(done), steps, note)
            if not (process.returncode and _LATE in _last_error(log)) or again + 1 == _RAY_STARTS:
                break
            note("Ray did not start within its 30 seconds; once more")
    finally:
        result = write_run(folder, config, time.monotonic() - begun, children.cpu_seconds)
    if process.returncode:
        raise TrainingFailedError(f"verl ended with exit code {process.returncode}: {_last_error(log)}; see {log}")
    if not result["finished"]:
        raise TrainingFailedError(f"verl made {len(result['steps'])} of {steps} steps; see {log}")
    if result["infrastructure_errors"]:
        raise CheckError(
            f"{result['infrastructure_errors']} calls failed on their way to the replay proxy; the run's figures say nothing;"
            f" see {folder.path / ROLLOUTS}"
        )
    return result


def write_run(folder: RunFolder, config: JsonObject, seconds: float, cpu_seconds: float) -> JsonObject:
    """Write ``run.json`` and the curve."""
    result = summary(folder.path, {**config, "seconds": round(seconds, 1), "cpu_seconds": round(cpu_seconds, 1)})
    result["model"] = _trained(folder.path)
    result["finished"] = len(result["steps"]) >= int(config["shape"]["steps"])
    (folder.path / RUN).write_bytes(dumps(result))
    draw(result, folder.path / CURVE)
    return result


def _watch(process: subprocess.Popen[bytes], children: Children, folder: RunFolder, told: int, total: int, note: Note) -> None:
    """Wait for verl's end and tell each step."""
    while True:
        ended = process.poll() is not None
        children.measure()
        for entry in summary(folder.path, {})["steps"][told:] if ended or _grew(folder, told) else ():
            told += 1
            left = f", about {(entry['seconds'] or 0) * (total - told) / 60:.0f} min left" if told < total else ""
            missed = sum(entry["misses"].values())
            note(
                f"step {told}/{total}: reward {entry['reward_mean']:.3f}, {entry['tool_calls']} calls, {missed} misses,"
                f" {entry['seconds'] or 0:.1f} s{left}"
            )
        if ended:
            return
        time.sleep(_POLL_SECONDS)


def _grew(folder: RunFolder, told: int) -> bool:
    return sum("critic/score/mean" in line["data"] for line in read_metrics(folder.path)) > told


def environment_of(folder: RunFolder, chosen: Preset, part: int = 0) -> dict[str, str]:
    """The environment in which verl is started; the metrics of a resumed run go to a file of their own."""
    foreign = () if chosen.ray_address else ("RAY_ADDRESS",)
    kept: Mapping[str, str] = {key: value for key, value in os.environ.items() if key not in foreign}
    environment = {**kept, **ours(folder, chosen, part)}
    if chosen.environment.get("VERL_PLATFORM") == "cpu":
        environment.pop("CUDA_VISIBLE_DEVICES", None)  # set but empty, Ray would refuse its one logical GPU
    return environment


def ours(folder: RunFolder, chosen: Preset, part: int = 0) -> dict[str, str]:
    """The variables that every process of the run needs, on whatever machine."""
    metrics = f"metrics-{part + 1}.jsonl" if part else "metrics.jsonl"
    variables = {
        **chosen.environment,
        "VERL_USE_EXTERNAL_MODULES": "firefly_train.verl_plugin",
        "VERL_FILE_LOGGER_PATH": str(folder.path / metrics),
        "TENSORBOARD_DIR": str(folder.path / TENSORBOARD),
        LOG_VARIABLE: str(folder.path / ROLLOUTS),
        "TOKENIZERS_PARALLELISM": "false",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    if Path(str(folder.path / "model")).exists() or chosen.environment.get("VERL_PLATFORM") == "cpu":
        variables["HF_HUB_OFFLINE"] = "1"
    if chosen.ray_address is None:
        # Ray asks for a token and would write one into the user's home. A cluster that runs already has its own.
        variables["RAY_AUTH_TOKEN"] = secrets.token_hex(16)
    return variables


def reachable(url: str, host: str) -> str:
    """The proxy's URL as other machines reach it."""
    return url.replace("0.0.0.0", socket.gethostname()) if host == "0.0.0.0" else url


def _last_error(log: Path) -> str:
    found = [match[1] for line in log.read_text(errors="replace").splitlines() if (match := _ERROR.match(line))]
    return found[-1][:300] if found else "it told no error"


def _trained(folder: Path) -> str | None:
    """The newest checkpoint in Hugging Face's form, relative to the run's folder."""
    found = sorted(folder.glob("checkpoints/global_step_*/actor/huggingface"), key=lambda path: path.stat().st_mtime)
    return str(found[-1].relative_to(folder)) if found else None


def checkpoint_step(folder: Path) -> int | None:
    """The step of verl's last whole checkpoint; None when there is none."""
    told = folder / "checkpoints" / "latest_checkpointed_iteration.txt"
    return int(told.read_text()) if told.exists() else None


def overrides_for_workers(variables: Mapping[str, str]) -> dict[str, Any]:
    """The override that takes our variables to workers on other machines, which do not inherit them."""
    return {f"+ray_kwargs.ray_init.runtime_env.env_vars.{key}": value for key, value in variables.items()}
