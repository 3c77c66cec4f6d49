"""Score a model on everything that is held out, and on the two counter-checks."""

from __future__ import annotations

from pathlib import Path

from benchmarks.train_study.permuted import permute
from benchmarks.train_study.splits import PLANS, SERVERS, VALUES
from firefly_mcp.jsonio import JsonObject, dumps
from firefly_mcp.store.pages import remove
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task, read_tasks, write_tasks
from firefly_train.children import Children
from firefly_train.dataset import row
from firefly_train.demonstrations import demonstrate, tool_entries
from firefly_train.evaluate import Trial, evaluate
from firefly_train.figures import ROLLOUTS, by_split, evaluation, read_lines
from firefly_train.proxy import start_proxy


def score(told: JsonObject, study: Path, model: str, out: Path, *, seed: int, checks: bool, known: JsonObject) -> JsonObject:
    """Score a model on the held-out tasks; with ``checks`` also without tools and on permuted values.

    What ``known`` tells already, from a scoring that was stopped, is not done again.
    """
    held = read_tasks(study / "heldout.jsonl")
    core = [task for task in held if task.split in (PLANS, VALUES)]
    found: JsonObject = {}
    if "heldout" not in known:
        lines = attempts(told, held, Path(told["store"]), model, out / "heldout", seed=seed)
        found["heldout"] = {**evaluation(lines), "by_split": by_split(lines)}
        found["core"] = evaluation(_of(lines, core))
    if checks and "no_tools" not in known:
        silent = attempts(told, core, Path(told["store"]), model, out / "no-tools", seed=seed, samples=1, tools_off=True)
        found["no_tools"] = evaluation(silent)
    if checks and "permuted" not in known:
        store = out / "permuted.db"
        remove(store)
        changed = permute(core, Path(told["store"]), store)
        write_tasks(out / "permuted.jsonl", changed)
        found["permuted"] = evaluation(attempts(told, changed, store, model, out / "permuted", seed=seed, samples=2))
        found["permuted_reference"] = evaluation(_of(read_lines(out / "heldout" / ROLLOUTS), changed))
    return found


def _of(lines: list[JsonObject], tasks: list[Task]) -> list[JsonObject]:
    known = {task.id for task in tasks}
    return [line for line in lines if line["task"] in known]


def attempts(
    told: JsonObject,
    tasks: list[Task],
    store: Path,
    model: str,
    out: Path,
    *,
    seed: int,
    samples: int | None = None,
    tools_off: bool = False,
) -> list[JsonObject]:
    """Let a model try tasks; gives the trajectories' lines."""
    out.mkdir(parents=True, exist_ok=True)
    with Recording(store) as recording:
        shown = demonstrate(tasks, recording)
    (out / "tools.json").write_bytes(dumps(list(tool_entries(shown).values())))
    trial = Trial(
        prompt_tokens=told["prompt_tokens"],
        response_tokens=told["response_tokens"],
        turns=told["turns"],
        longest_result=max(2000, *(one.longest_result for one in shown)),
        samples=1,
        seed=seed,
        threads=1,
        tools_off=tools_off,
    )
    log = out / ROLLOUTS
    log.unlink(missing_ok=True)
    tries = samples or told["samples"]
    # What no training task resembles mostly fails, and failures are long: once for each such task is enough.
    rows = [row(task, at) for at, task in enumerate(tasks) for _ in range(1 if task.split == SERVERS else tries)]
    with Children() as children:
        url = start_proxy(store, children, out / "proxy.log")
        return evaluate(model, rows, out / "tools.json", url, trial, log)
