"""The folder of a run: the data, tools and loops that verl reads, and the overrides that point verl to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firefly_mcp.errors import UsageError
from firefly_mcp.jsonio import JsonObject, dumps
from firefly_mcp.tasks.answering import ANSWER_TOOL
from firefly_train.dataset import AGENT, TRAIN, require_training, split_rows, write_parquet
from firefly_train.demonstrations import Demonstration, tool_entries
from firefly_train.fit import Fit

VALIDATION = "heldout"
"""The file of all tasks that are not trained on, of whatever split."""
MODEL, CHECKPOINTS = "model", "checkpoints"
"""The folders of the model that was made for the run, and of verl's checkpoints."""
SPARE_TURNS = 2
"""Turns that a policy may waste beyond the longest plan."""
SPARE_TOKENS = 1.25


@dataclass(frozen=True)
class RunFolder:
    """Where a run lives."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> RunFolder:
        """Make the folder.

        Raises:
            UsageError: something is there already.
        """
        if path.exists() and any(path.iterdir()):
            raise UsageError(f"{path}: the run folder is not empty; choose another with --out")
        path.mkdir(parents=True, exist_ok=True)
        return cls(path.resolve())

    def write_inputs(self, demonstrations: Sequence[Demonstration], url: str) -> dict[str, int]:
        """Write data, tools and agent loop; gives the number of tasks of each split.

        Raises:
            TaskError: there is nothing to train on.
        """
        rows = split_rows([shown.task for shown in demonstrations])
        require_training(rows)
        held_out = [row for split, found in rows.items() if split != TRAIN for row in found]
        for name, found in ((TRAIN, rows[TRAIN]), (VALIDATION, held_out)):
            if found:
                write_parquet(self.path / f"{name}.parquet", found)
        entries = tool_entries(demonstrations)
        tools = self.path / "tools.json"
        tools.write_bytes(dumps(list(entries.values())))
        # verl reads YAML; JSON is YAML.
        (self.path / "tools.yaml").write_bytes(dumps(_tools_config(list(entries), tools)))
        self.point_to(url)
        return {split: len(found) for split, found in rows.items()}

    def point_to(self, url: str) -> None:
        """Tell the agent loop where the replay proxy answers."""
        loops = [{"name": AGENT, "_target_": "firefly_train.loop.ReplayAgentLoop", "url": url}]
        (self.path / "agent.yaml").write_bytes(dumps(loops))

    @property
    def checkpoint_step(self) -> int | None:
        """The step of verl's last whole checkpoint; None when there is none."""
        told = self.path / CHECKPOINTS / "latest_checkpointed_iteration.txt"
        return int(told.read_text()) if told.exists() else None

    @property
    def trained(self) -> str | None:
        """The newest checkpoint in Hugging Face's form, relative to the folder."""
        found = sorted(self.path.glob(f"{CHECKPOINTS}/global_step_*/actor/huggingface"), key=lambda path: path.stat().st_mtime)
        return str(found[-1].relative_to(self.path)) if found else None

    def overrides(self, shape: Shape) -> dict[str, Any]:
        """The verl settings that follow from the run's folder and its tasks."""
        rollout = "actor_rollout_ref.rollout"
        validated = shape.held_out > 0
        return {
            "data.train_files": str(self.path / f"{TRAIN}.parquet"),
            # verl wants a file even where it never validates.
            "data.val_files": str(self.path / f"{VALIDATION if validated else TRAIN}.parquet"),
            "data.train_batch_size": shape.batch,
            "data.max_prompt_length": shape.prompt_tokens,
            "data.max_response_length": shape.response_tokens,
            "data.dataloader_num_workers": 0,
            "data.filter_overlong_prompts": False,
            "data.seed": shape.seed,
            "actor_rollout_ref.model.path": shape.model,
            "actor_rollout_ref.actor.ppo_mini_batch_size": shape.mini_batch,
            "actor_rollout_ref.actor.checkpoint.save_contents": ["model", "optimizer", "extra", "hf_model"],
            f"{rollout}.multi_turn.enable": True,
            f"{rollout}.multi_turn.format": "hermes",
            f"{rollout}.multi_turn.tool_config_path": str(self.path / "tools.yaml"),
            f"{rollout}.multi_turn.max_assistant_turns": shape.turns + SPARE_TURNS,
            f"{rollout}.multi_turn.max_tool_response_length": shape.longest_result,
            f"{rollout}.agent.agent_loop_config_path": str(self.path / "agent.yaml"),
            f"{rollout}.agent.default_agent_loop": AGENT,
            f"{rollout}.val_kwargs.do_sample": True,
            f"{rollout}.val_kwargs.temperature": 1.0,
            f"{rollout}.val_kwargs.top_p": 1.0,
            f"{rollout}.val_kwargs.n": shape.samples,
            "reward.custom_reward_function.path": "pkg://firefly_train.reward",
            "reward.custom_reward_function.name": "compute_score",
            "trainer.project_name": "firefly",
            "trainer.experiment_name": self.path.name,
            "trainer.logger": ["console", "file", "tensorboard"],
            "trainer.total_training_steps": shape.steps,
            "trainer.total_epochs": 1_000_000,
            "trainer.val_before_train": validated,
            "trainer.test_freq": shape.check_every if validated else -1,
            "trainer.save_freq": shape.save_every,
            "trainer.resume_mode": "disable",
            "trainer.default_local_dir": str(self.path / CHECKPOINTS),
            "hydra.run.dir": str(self.path / "hydra"),
            "+ray_kwargs.ray_init.include_dashboard": False,
        }


@dataclass(frozen=True)
class Shape:
    """What the run's settings follow from. Lengths of prompts and responses are in tokens, of results in characters."""

    model: str
    steps: int
    batch: int
    mini_batch: int
    seed: int
    held_out: int
    turns: int
    prompt_tokens: int
    response_tokens: int
    longest_result: int
    samples: int
    save_every: int
    check_every: int


def shape_of(fit: Fit, settings: Mapping[str, Any], *, model: str, seed: int, samples: int) -> Shape:
    """Measure the tasks.

    Args:
        fit: the tasks that fit the token budget; responses get some room to spare within it.
        settings: the preset's verl settings with the user's on top; read are batch sizes and steps.
        model: where the model is.
        seed: of the run.
        samples: attempts at each held-out task.
    """
    splits = Counter(shown.task.split for shown in fit.demonstrations)
    batch = max(1, min(int(settings.get("data.train_batch_size", 8)), splits[TRAIN]))
    steps = int(settings.get("trainer.total_training_steps", 1))
    return Shape(
        model=model,
        steps=steps,
        batch=batch,
        mini_batch=min(int(settings.get("actor_rollout_ref.actor.ppo_mini_batch_size", batch)), batch),
        seed=seed,
        held_out=splits.total() - splits[TRAIN],
        turns=max(shown.turns for shown in fit.demonstrations),
        prompt_tokens=fit.prompt_tokens,
        response_tokens=min(fit.budget.response, int(fit.response_tokens * SPARE_TOKENS)),
        # Errors and misses are told in a few lines and should be read whole too.
        longest_result=max(2000, *(shown.longest_result for shown in fit.demonstrations)),
        samples=samples,
        save_every=min(int(settings.get("trainer.save_freq", steps)), steps),
        check_every=min(int(settings.get("trainer.test_freq", steps)), steps),
    )


def _tools_config(names: Sequence[str], tools: Path) -> JsonObject:
    return {
        "tools": [
            {
                "class_name": f"firefly_train.tool.{'AnswerTool' if name == ANSWER_TOOL else 'ReplayTool'}",
                "config": {"type": "native", "tools": str(tools), "name": name},
            }
            for name in names
        ]
    }
