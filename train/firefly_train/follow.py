"""Follow verl: start it, tell each step, and write what came of it, however it ends."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from firefly_mcp.errors import CheckError, FireflyError
from firefly_mcp.jsonio import JsonObject, dumps
from firefly_train.children import Children
from firefly_train.curve import draw
from firefly_train.figures import ROLLOUTS, RUN, read_metrics, summary
from firefly_train.preset import Preset
from firefly_train.ray_settings import environment_of
from firefly_train.run_folder import RunFolder

CURVE = "curve.png"
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
    result["model"] = folder.trained
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


def _last_error(log: Path) -> str:
    found = [match[1] for line in log.read_text(errors="replace").splitlines() if (match := _ERROR.match(line))]
    return found[-1][:300] if found else "it told no error"
