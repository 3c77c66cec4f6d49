"""Launch a run: prove the inputs, prepare the folder, start the replay proxy and verl, follow them, and stop what was started.

verl is started as its users start it, ``python -m verl.trainer.main_ppo key=value ...``, and is not modified.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from firefly_mcp.errors import CheckError, FireflyError
from firefly_mcp.jsonio import JsonObject, dumps
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import read_tasks
from firefly_train import checks, preset
from firefly_train.children import Children
from firefly_train.dataset import require_training, split_rows
from firefly_train.demonstrations import Demonstration, demonstrate
from firefly_train.figures import METRICS, ROLLOUTS, RUN, read_lines, summary
from firefly_train.policy import TINY, Policy, build_tiny, given
from firefly_train.proxy import check_proxy, start_proxy
from firefly_train.run_folder import RunFolder, Shape, shape_of
from firefly_train.trajectory import LOG_VARIABLE

RESULT_LIMIT = "actor_rollout_ref.rollout.multi_turn.max_tool_response_length"
_POLL_SECONDS = 0.5
_ERROR = re.compile(r"(?:\x1b\[[\d;]*m|\([^)]*pid=\d+[^)]*\) )*((?:[\w.]+\.)?\w*(?:Error|Exception)\b: .*)")

Note = Callable[[str], None]


class TrainingFailedError(FireflyError):
    """verl ended with an error."""


@dataclass(frozen=True)
class Order:
    """What the user asked for. ``model``, ``proxy`` and ``warm_start_steps`` replace what the preset says, or would start."""

    tasks: Path
    store: Path
    preset: str
    out: Path
    seed: int = 1
    model: str | None = None
    proxy: str | None = None
    warm_start_steps: int | None = None
    overrides: tuple[str, ...] = ()


def train(order: Order, note: Note) -> JsonObject:
    """Run it; gives the content of ``run.json``, which is written in any case once verl has been started.

    Raises:
        UsageError, TaskError, ServerError, StoreError: something that is needed is missing or wrong; nothing was started.
        TrainingFailedError: verl ended with an error.
        CheckError: it ran, but calls failed on their way to the proxy, so its figures say nothing.
    """
    versions = checks.check_installed()
    chosen = preset.load(order.preset)
    told = preset.told(order.overrides)
    tasks = read_tasks(order.tasks)
    require_training(split_rows(tasks))
    with Recording(order.store) as recording:
        demonstrations = demonstrate(tasks, recording)
    folder = RunFolder.create(order.out)
    with _short_folder() as ray_folder, Children() as children, _terminable():
        url = order.proxy or start_proxy(order.store, children, folder.path / "proxy.log")
        check_proxy(url, {name for shown in demonstrations for name in shown.task.tools})
        policy = _policy(order, chosen, demonstrations, folder, note)
        fit = _fit(policy, chosen, told, demonstrations, note)
        settings = {**chosen.verl, **told}
        shape = shape_of(fit, settings, model=policy.path, seed=order.seed)
        checks.check_result_length(fit.demonstrations, int(told.get(RESULT_LIMIT, shape.longest_result)))
        ours = {
            **chosen.verl,
            **folder.overrides(shape),
            **_engine(settings, order.seed),
            "+ray_kwargs.ray_init._temp_dir": ray_folder,
        }
        config: JsonObject = {
            "preset": chosen.name,
            "tasks": str(order.tasks),
            "store": str(order.store),
            "seed": order.seed,
            "versions": versions,
            "left_out": fit.left_out,
            "warm_start": policy.warm_start,
            "shape": asdict(shape),
            "tasks_of_split": folder.write_inputs(fit.demonstrations, url),
            "overrides": preset.merged(ours, order.overrides),
        }
        return _follow(folder, children, chosen, config, shape, note)


def _policy(
    order: Order, chosen: preset.Preset, demonstrations: Sequence[Demonstration], folder: RunFolder, note: Note
) -> Policy:
    model = order.model or chosen.model
    if model != TINY:
        return given(model)
    return build_tiny(chosen, demonstrations, folder.path / "model", seed=order.seed, steps=order.warm_start_steps, note=note)


def _fit(
    policy: Policy, chosen: preset.Preset, told: Mapping[str, str], demonstrations: Sequence[Demonstration], note: Note
) -> checks.Fit:
    tokenizer = policy.tokenizer()
    checks.check_template(tokenizer, demonstrations[0])
    most_prompt = int(told.get("data.max_prompt_length", chosen.max_prompt_tokens))
    most_response = int(told.get("data.max_response_length", chosen.max_response_tokens))
    fit = checks.fitting(tokenizer, demonstrations, most_prompt, most_response)
    if fit.left_out:
        note(
            f"{fit.left_out} of {len(demonstrations)} tasks left out: more than {most_prompt} prompt"
            f" or {most_response} response tokens"
        )
    return fit


def _engine(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    if settings.get("actor_rollout_ref.rollout.name") != "transformers":
        return {}
    device = str(settings.get("trainer.device", "cuda"))
    return {"+actor_rollout_ref.rollout.engine_kwargs.transformers": {"device": device, "seed": seed}}


def _follow(
    folder: RunFolder, children: Children, chosen: preset.Preset, config: JsonObject, shape: Shape, note: Note
) -> JsonObject:
    log = folder.path / "train.log"
    command = [sys.executable, "-m", "verl.trainer.main_ppo", *config["overrides"]]
    begun = time.monotonic()
    note(f"training {shape.steps} steps; verl's log is {log}")
    try:
        with log.open("wb") as out:
            process = children.start(command, environment=_environment(folder, chosen), stdout=out, stderr=subprocess.STDOUT)
            _watch(process, folder, shape.steps, note)
    finally:
        result = summary(folder.path, {**config, "seconds": round(time.monotonic() - begun, 1)})
        result["model"] = _trained(folder.path)
        result["finished"] = len(result["steps"]) >= shape.steps
        (folder.path / RUN).write_bytes(dumps(result))
    if process.returncode:
        raise TrainingFailedError(f"verl ended with exit code {process.returncode}: {_last_error(log)}; see {log}")
    if len(result["steps"]) < shape.steps:
        raise TrainingFailedError(f"verl made {len(result['steps'])} of {shape.steps} steps; see {log}")
    if result["infrastructure_errors"]:
        raise CheckError(
            f"{result['infrastructure_errors']} calls failed on their way to the replay proxy; the run's figures say nothing;"
            f" see {folder.path / ROLLOUTS}"
        )
    return result


def _watch(process: subprocess.Popen[bytes], folder: RunFolder, total: int, note: Note) -> None:
    """Wait for verl's end and tell each step."""
    told = 0
    while True:
        ended = process.poll() is not None
        for entry in summary(folder.path, {})["steps"][told:] if _grew(folder, told) or ended else ():
            told += 1
            left = f", about {entry['seconds'] * (total - told) / 60:.0f} min left" if told < total else ""
            missed = sum(entry["misses"].values())
            note(
                f"step {told}/{total}: reward {entry['reward_mean']:.3f}, {entry['tool_calls']} calls, {missed} misses,"
                f" {entry['seconds']:.1f} s{left}"
            )
        if ended:
            return
        time.sleep(_POLL_SECONDS)


def _grew(folder: RunFolder, told: int) -> bool:
    return len(read_lines(folder.path / METRICS)) > told


def _environment(folder: RunFolder, chosen: preset.Preset) -> dict[str, str]:
    kept: Mapping[str, str] = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    environment = {
        **kept,
        **chosen.environment,
        "VERL_USE_EXTERNAL_MODULES": "firefly_train.verl_plugin",
        "VERL_FILE_LOGGER_PATH": str(folder.path / METRICS),
        LOG_VARIABLE: str(folder.path / ROLLOUTS),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray asks for a token and would write one into the user's home.
        "RAY_AUTH_TOKEN": secrets.token_hex(16),
    }
    if chosen.environment.get("VERL_PLATFORM") == "cpu":
        environment.pop("CUDA_VISIBLE_DEVICES", None)  # set but empty, Ray would refuse its one logical GPU
    return environment


def _last_error(log: Path) -> str:
    found = [match[1] for line in log.read_text(errors="replace").splitlines() if (match := _ERROR.match(line))]
    return found[-1][:300] if found else "it told no error"


def _trained(folder: Path) -> str | None:
    """The newest checkpoint in Hugging Face's form, relative to the run's folder."""
    found = sorted(folder.glob("checkpoints/global_step_*/actor/huggingface"), key=lambda path: path.stat().st_mtime)
    return str(found[-1].relative_to(folder)) if found else None


@contextmanager
def _short_folder() -> Iterator[str]:
    """A folder for Ray's sockets: its path must be short, and no other cluster's."""
    path = tempfile.mkdtemp(prefix="ff-ray-")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends a run as ctrl-C does: with nothing left running."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
