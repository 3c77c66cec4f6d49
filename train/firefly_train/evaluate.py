"""Score a model folder on tasks without a trainer: the same agent loop, replay proxy and reward as in training, no Ray."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firefly_mcp.jsonio import JsonObject, loads
from firefly_mcp.tasks.answering import ANSWER_TOOL
from firefly_train.connection import Connections
from firefly_train.figures import read_lines
from firefly_train.trajectory import LOG_VARIABLE

AT_ONCE = 128


@dataclass(frozen=True)
class Trial:
    """How to score. Lengths and ``turns`` are those of training; ``temperature`` 0 is greedy.

    ``tools_off`` answers every call but the answer's with an error: what is then still right was known without the tools.
    """

    prompt_tokens: int
    response_tokens: int
    turns: int
    longest_result: int
    samples: int = 4
    temperature: float = 1.0
    seed: int = 1
    threads: int | None = None
    tools_off: bool = False


def evaluate(model: str, rows: Sequence[JsonObject], tools: Path, url: str, trial: Trial, log: Path) -> list[JsonObject]:
    """Let the model try every row several times; gives the trajectories' lines, which are appended to ``log`` too.

    Args:
        model: a Hugging Face model folder.
        rows: as :func:`firefly_train.dataset.row` makes them.
        tools: the run's ``tools.json``.
        url: where the replay proxy answers.
        trial: how.
        log: ``rollouts.jsonl`` of this evaluation; a new file.
    """
    names = [str(entry["function"]["name"]) for entry in loads(tools.read_bytes())]
    before = os.environ.get(LOG_VARIABLE)
    os.environ[LOG_VARIABLE] = str(log)
    try:
        asyncio.run(_evaluate(model, rows, names, tools, url, trial))
    finally:
        if before is None:
            del os.environ[LOG_VARIABLE]
        else:
            os.environ[LOG_VARIABLE] = before
    return read_lines(log)


async def _evaluate(model: str, rows: Sequence[JsonObject], names: Sequence[str], tools: Path, url: str, trial: Trial) -> None:
    import torch
    from omegaconf import OmegaConf
    from transformers import AutoTokenizer
    from transformers.utils import logging
    from verl.experimental.agent_loop.agent_loop import DictConfigWrap, ToolListWrap

    from firefly_train.batches import BatchSampler, Limits, load_model
    from firefly_train.loop import ReplayAgentLoop
    from firefly_train.rollout import told
    from firefly_train.tool import AnswerTool, ReplayTool, SilentTool

    logging.disable_progress_bar()
    if trial.threads:
        torch.set_num_threads(trial.threads)
    tokenizer = AutoTokenizer.from_pretrained(model)
    loaded = load_model(model, device="cpu", dtype="float32")
    sampler = BatchSampler(loaded, tokenizer, Limits(trial.prompt_tokens, trial.response_tokens), trial.seed)

    class Manager:
        """Stands where verl's client of rollout servers does."""

        async def generate(self, *, prompt_ids: list[int], sampling_params: dict[str, Any], **_: Any) -> Any:
            return told(await sampler.sample(prompt_ids, sampling_params), sampling_params, sampler.step)

    kind = SilentTool if trial.tools_off else ReplayTool
    offered = [
        (AnswerTool if name == ANSWER_TOOL else kind)({"type": "native", "tools": str(tools), "name": name}) for name in names
    ]
    config = OmegaConf.create({"actor_rollout_ref": {"rollout": _rollout(trial)}, "data": {}})
    gate = asyncio.Semaphore(AT_ONCE)

    async def attempt(row: JsonObject) -> None:
        async with gate:
            loop = ReplayAgentLoop(
                trainer_config=DictConfigWrap(config),
                server_manager=Manager(),
                tokenizer=tokenizer,
                processor=None,
                hf_model_type=loaded.config.model_type,
                dataset_cls=None,
                data_config=DictConfigWrap(config.data),
                tools=ToolListWrap(offered),
                url=url,
            )
            info = row["extra_info"]
            await loop.run(
                {"temperature": trial.temperature, "top_p": 1.0, "top_k": -1},
                raw_prompt=row["prompt"],
                reward_model=row["reward_model"],
                extra_info=info,
                tools_kwargs=info["tools_kwargs"],
            )

    try:
        await asyncio.gather(*(attempt(row) for row in rows for _ in range(trial.samples)))
    finally:
        await sampler.close()
        await Connections.to(url).close()


def _rollout(trial: Trial) -> JsonObject:
    """The part of verl's configuration that the agent loop reads."""
    return {
        "multi_turn": {
            "max_user_turns": None,
            "max_assistant_turns": trial.turns,
            "max_parallel_calls": 1,
            "max_tool_response_length": trial.longest_result,
            "tool_response_truncate_side": "middle",
            "format": "hermes",
        },
        "prompt_length": trial.prompt_tokens,
        "response_length": trial.response_tokens,
        "full_determinism": False,
    }
