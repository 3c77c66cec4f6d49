"""Launch a run: prove the inputs, prepare the folder, start the replay proxy and verl, follow them, and stop what was started.

verl is started as its users start it, ``python -m verl.trainer.main_ppo key=value ...``, and is not modified.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from firefly_mcp.errors import UsageError
from firefly_mcp.jsonio import JsonObject, dumps, loads
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import read_tasks
from firefly_train import checks, follow, preset
from firefly_train.children import Children, terminable
from firefly_train.dataset import TRAIN, require_training, split_rows
from firefly_train.demonstrations import Demonstration, demonstrate
from firefly_train.figures import ROLLOUTS, read_lines
from firefly_train.fit import Budget, Fit, fitting, shortest
from firefly_train.follow import Note
from firefly_train.plugged import rollout_engine, row_order
from firefly_train.policy import policy_of
from firefly_train.proxy import check_proxy, start_proxy
from firefly_train.ray_settings import ray_overrides, short_folder
from firefly_train.run_folder import MODEL, RunFolder, shape_of

CONFIG = "config.json"
RESULT_LIMIT = "actor_rollout_ref.rollout.multi_turn.max_tool_response_length"
FORMAT = "actor_rollout_ref.rollout.multi_turn.format"
WEIGHTS = "+reward.custom_reward_function.reward_kwargs.weights"


@dataclass(frozen=True)
class Order:
    """What the user asked for. ``model``, ``proxy``, ``warm_start_steps`` and ``most_tasks`` (0: all) replace what the preset
    says, or would start.

    ``weights`` are what a right answer is worth by the worst match kind of its trajectory; empty keeps the reward binary.
    """

    tasks: Path
    store: Path
    preset: str
    out: Path
    seed: int = 1
    model: str | None = None
    proxy: str | None = None
    warm_start_steps: int | None = None
    weights: tuple[tuple[str, float], ...] = ()
    overrides: tuple[str, ...] = ()
    most_tasks: int | None = None


def train(order: Order, note: Note) -> JsonObject:
    """Run it; gives the content of ``run.json``, which is written in any case once verl has been started.

    Raises:
        UsageError, TaskError, ServerError, StoreError: something that is needed is missing or wrong; nothing was started.
        TrainingFailedError: verl ended with an error.
        CheckError: it ran, but calls failed on their way to the proxy, so its figures say nothing.
    """
    versions = checks.check_installed()
    chosen = preset.load(order.preset)
    if order.most_tasks is not None:
        chosen = replace(chosen, most_tasks=order.most_tasks or None)
    told = preset.told(order.overrides)
    tasks = read_tasks(order.tasks)
    require_training(split_rows(tasks))
    with Recording(order.store) as recording:
        demonstrations = shortest(demonstrate(tasks, recording), chosen.most_tasks)
    folder = RunFolder.create(order.out)
    with short_folder() as ray_folder, Children() as children, terminable():
        url = _proxy(order.proxy, order.store, chosen, children, folder)
        check_proxy(url, {name for shown in demonstrations for name in shown.task.tools})
        policy = policy_of(order.model or chosen.model, chosen, _training(demonstrations), folder.path / MODEL, seed=order.seed)
        fit = _fit(policy.tokenizer, chosen, told, demonstrations, note)
        settings = {**chosen.verl, **told}
        shape = shape_of(fit, settings, model=policy.path, seed=order.seed, samples=chosen.samples)
        checks.check_result_length(fit.demonstrations, int(told.get(RESULT_LIMIT, shape.longest_result)))
        learned = policy.ready(chosen, _training(fit.demonstrations), seed=order.seed, steps=order.warm_start_steps, note=note)
        ours = {
            **chosen.verl,
            **folder.overrides(shape),
            **rollout_engine(settings, order.seed, chosen.max_turn_tokens),
            **row_order(settings),
            **({WEIGHTS: dict(order.weights)} if order.weights else {}),
            **ray_overrides(chosen, folder, ray_folder),
        }
        config: JsonObject = {
            "preset": chosen.name,
            "tasks": str(order.tasks),
            "store": str(order.store),
            "proxy": order.proxy,
            "seed": order.seed,
            "versions": versions,
            "left_out": fit.left_out,
            "warm_start": learned,
            "shape": asdict(shape),
            "tasks_of_split": folder.write_inputs(fit.demonstrations, url),
            "weights": dict(order.weights),
            "overrides": preset.merged(ours, order.overrides),
        }
        (folder.path / CONFIG).write_bytes(dumps(config))
        return follow.follow(folder, children, chosen, config, note)


def resume(out: Path, overrides: Sequence[str], note: Note) -> JsonObject:
    """Go on with an interrupted run from its last checkpoint; what was made after it is made again.

    Args:
        out: the run's folder.
        overrides: of verl's configuration, on top of those that the run was started with (more steps, say).
        note: told of progress.

    Raises:
        UsageError: it is no run's folder, or there is no checkpoint to go on from.
        the errors of :func:`train`.
    """
    checks.check_installed()
    folder = RunFolder(out.resolve())
    try:
        config: JsonObject = loads((folder.path / CONFIG).read_bytes())
    except OSError as error:
        raise UsageError(f"{out}: not the folder of a run that can be resumed: it has no {CONFIG}") from error
    step = folder.checkpoint_step
    if step is None:
        raise UsageError(f"{out}: the run was interrupted before its first checkpoint; start it again in another folder")
    chosen = preset.load(str(config["preset"]))
    told = preset.told(overrides)
    config["shape"]["steps"] = int(told.get("trainer.total_training_steps", config["shape"]["steps"]))
    if step >= config["shape"]["steps"]:
        raise UsageError(f"{out}: all {step} steps are made; ask for more with -- trainer.total_training_steps=N")
    _forget_after(folder, step)
    with short_folder() as ray_folder, Children() as children, terminable():
        url = _proxy(config["proxy"], Path(str(config["store"])), chosen, children, folder)
        check_proxy(url, ())
        folder.point_to(url)
        again = {
            "trainer.resume_mode": "auto",
            "trainer.val_before_train": False,
            **ray_overrides(chosen, folder, ray_folder),
        }
        kept = [line for line in config["overrides"] if line.partition("=")[0].lstrip("+") not in told]
        names = {key.lstrip("+") for key in again}
        kept = [line for line in kept if line.partition("=")[0].lstrip("+") not in names]
        config["overrides"] = [*kept, *preset.spelled(again), *overrides]
        config["resumed_from"] = [*config.get("resumed_from", []), step]
        (folder.path / CONFIG).write_bytes(dumps(config))
        note(f"going on after step {step}")
        return follow.follow(folder, children, chosen, config, note)


def _forget_after(folder: RunFolder, step: int) -> None:
    """Leave out of the log and the metrics what was made after the checkpoint: it is made again."""
    for path in (folder.path / ROLLOUTS, *folder.path.glob("metrics*.jsonl")):
        kept = [line for line in read_lines(path) if int(line["step"]) <= step]
        path.write_bytes(b"".join(dumps(line) + b"\n" for line in kept))


def _proxy(there: str | None, store: Path, chosen: preset.Preset, children: Children, folder: RunFolder) -> str:
    if there:
        return there
    return start_proxy(store, children, folder.path / "proxy.log", host=chosen.proxy_host)


def _training(demonstrations: Sequence[Demonstration]) -> list[Demonstration]:
    return [shown for shown in demonstrations if shown.task.split == TRAIN]


def _fit(
    tokenizer: Any, chosen: preset.Preset, told: Mapping[str, str], demonstrations: Sequence[Demonstration], note: Note
) -> Fit:
    """The tasks that this tokenizer can carry within the budget, told what is left out.

    Raises:
        UsageError: its chat template cannot carry tools.
        TaskError: no task fits, or none that could be trained on.
    """
    checks.check_template(tokenizer, demonstrations[0])
    if told.get(FORMAT, "hermes") == "hermes":
        checks.check_names(tokenizer, demonstrations)
    budget = Budget(
        int(told.get("data.max_prompt_length", chosen.max_prompt_tokens)),
        int(told.get("data.max_response_length", chosen.max_response_tokens)),
        chosen.max_turn_tokens,
    )
    fit = fitting(tokenizer, demonstrations, budget)
    if fit.left_out:
        note(f"{fit.left_out} of {len(demonstrations)} tasks left out: more than {budget}")
    require_training(split_rows([shown.task for shown in fit.demonstrations]))
    return fit
