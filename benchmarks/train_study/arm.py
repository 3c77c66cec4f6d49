"""One arm of the study, in a process of its own: train from the warm checkpoint, then score on everything held out."""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path

from benchmarks.train_study.folder import REWARDS, settings
from benchmarks.train_study.progress import say
from benchmarks.train_study.scoring import score
from firefly_mcp.jsonio import JsonObject, dumps, loads
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import read_tasks
from firefly_train.demonstrations import demonstrate

ARMS = ("grpo", "shuffled", "supervised")
SHUFFLED = "algorithm.adv_estimator=firefly_grpo_shuffled"


def train_arm(study: Path, arm: str, seed: int, out: Path) -> JsonObject:
    """Train; gives the CPU seconds used and the model's folder."""
    told = settings(study)
    warm = study / "warm" / "model"
    if arm == "supervised":
        budget = float(loads((study / f"grpo-{seed}" / "result.json").read_bytes())["cpu_seconds"])
        return _supervised(study, warm, seed, out, budget)
    from firefly_train.launch import Order, train

    order = Order(
        study / "rewarded.jsonl",
        study / REWARDS,
        "smoke",
        out / "run",
        seed,
        str(warm),
        overrides=tuple(overrides(told, arm)),
        most_tasks=0,
    )
    result = train(order, say)
    rewards = [step["reward_mean"] for step in result["steps"]]
    return {
        "cpu_seconds": result["config"]["cpu_seconds"],
        "model": str(out / "run" / result["model"]),
        "rewards": rewards,
        "infrastructure_errors": result["infrastructure_errors"],
        "replay_share": result["replay_share"],
        "tool_calls": result["tool_calls"],
        "misses": result["misses"],
    }


def overrides(told: JsonObject, arm: str) -> list[str]:
    """Those of verl's configuration: the control arm differs in what its advantages are computed from, and in nothing else."""
    return [
        f"trainer.total_training_steps={told['steps']}",
        f"trainer.save_freq={told['steps']}",
        "trainer.test_freq=-1",
        "trainer.val_before_train=false",
        f"data.train_batch_size={told['prompts']}",
        f"actor_rollout_ref.actor.ppo_mini_batch_size={told['prompts'] // told['updates']}",
        f"actor_rollout_ref.rollout.n={told['rollouts']}",
        f"actor_rollout_ref.rollout.temperature={told['temperature']}",
        f"actor_rollout_ref.actor.optim.lr={told['lr']}",
        f"data.max_prompt_length={told['prompt_tokens']}",
        f"data.max_response_length={told['response_tokens']}",
        # Sampling's probabilities are taken for the old ones, from which they differ by 1e-6: a pass less of what all arms get.
        "algorithm.rollout_correction.bypass_mode=true",
        *(_towards_the_warm_start(told["kl"]) if told["kl"] else []),
        *([SHUFFLED] if arm == "shuffled" else []),
        *told["overrides"],
    ]


def _towards_the_warm_start(weight: float) -> list[str]:
    """verl's loss on the divergence from the model that training begins with."""
    loss = {"use_kl_loss": "true", "kl_loss_coef": weight, "kl_loss_type": "low_var_kl"}
    return [f"actor_rollout_ref.actor.{key}={value}" for key, value in loss.items()]


def _supervised(study: Path, warm: Path, seed: int, out: Path, budget: float) -> JsonObject:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from firefly_train import preset, tiny_model
    from firefly_train.warm_start import WarmStart, warm_start

    torch.set_num_threads(1)
    told = settings(study)
    tasks = read_tasks(study / "demonstrated.jsonl")
    with Recording(Path(told["store"])) as recording:
        shown = demonstrate(tasks, recording)
    tokenizer = AutoTokenizer.from_pretrained(warm)
    model = AutoModelForCausalLM.from_pretrained(warm, dtype=torch.float32)
    before = {**preset.load("smoke").warm_start, **told["warm_start"]}
    plan = WarmStart(**{**before, "steps": 1_000_000, "until": 2.0, "cpu_seconds": budget, "lr": told["supervised_lr"]})
    used = time.process_time()
    learned = warm_start(model, tokenizer, shown, plan, seed=seed, progress=say)
    tiny_model.save(model, tokenizer, out / "model")
    return {"cpu_seconds": round(time.process_time() - used, 1), "model": str(out / "model"), "learned": learned}


def main() -> None:
    """Run one arm, or score the warm checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("arm", choices=(*ARMS, "warm"))
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the replay proxy ends with it
    out = told.study / (told.arm if told.arm == "warm" else f"{told.arm}-{told.seed}")
    out.mkdir(parents=True, exist_ok=True)
    result: JsonObject = {"arm": told.arm, "seed": told.seed}
    if told.arm == "warm":
        result["model"] = str(told.study / "warm" / "model")
    elif (out / "trained.json").exists():
        result |= loads((out / "trained.json").read_bytes())
    else:
        result |= train_arm(told.study, told.arm, told.seed, out)
        (out / "trained.json").write_bytes(dumps(result))
        if told.arm == "grpo":
            # The supervised arm waits for this figure only.
            (out / "result.json").write_bytes(dumps(result))
    begun = time.process_time()
    if (out / "result.json").exists():
        result |= loads((out / "result.json").read_bytes())
    result |= score(
        settings(told.study), told.study, result["model"], out, seed=1, checks=told.arm in ("grpo", "warm"), known=result
    )
    result["scoring_cpu_seconds"] = round(time.process_time() - begun, 1)
    (out / "result.json").write_bytes(dumps(result))
    say(f"{told.arm} {told.seed}: held out {result['core']['pass@1']}")


if __name__ == "__main__":
    main()
