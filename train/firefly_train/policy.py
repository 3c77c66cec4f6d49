"""The model that a run begins with: the user's, the preset's, or one made here and warm-started."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from firefly_mcp.errors import ModelError
from firefly_mcp.jsonio import JsonObject
from firefly_train.demonstrations import Demonstration
from firefly_train.preset import Preset

TINY, SMOLLM = "tiny", "smollm2"


@dataclass(frozen=True)
class Policy:
    """A Hugging Face folder or name with its tokenizer, and how its model is made where it is not there yet.

    The tokenizer is there before the model is: it tells which tasks fit, and whether a run makes sense at all.
    """

    path: str
    tokenizer: Any
    make: Callable[[], Any] | None = None

    def ready(
        self,
        preset: Preset,
        training: Sequence[Demonstration],
        *,
        seed: int,
        steps: int | None,
        note: Callable[[str], None],
    ) -> JsonObject | None:
        """Make the model, warm-start it and write it, if it is not there; gives what the warm start did.

        Args:
            preset: its ``warm_start`` says how.
            training: what to learn from.
            seed: of the order.
            steps: the most supervised steps, instead of the preset's.
            note: told of progress.

        Raises:
            ModelError: its weights are missing.
        """
        if self.make is None:
            return None
        from firefly_train import tiny_model
        from firefly_train.warm_start import WarmStart, warm_start

        plan = WarmStart(**preset.warm_start)
        if steps is not None:
            plan = replace(plan, steps=steps)
        model = self.make()
        size = sum(parameter.numel() for parameter in model.parameters())
        note(f"warm start of a model of {size:,} parameters on {len(training)} training plans")
        learned = warm_start(model, self.tokenizer, training, plan, seed=seed, progress=note)
        tiny_model.save(model, self.tokenizer, Path(self.path))
        return learned


def policy_of(model: str, preset: Preset, training: Sequence[Demonstration], folder: Path, *, seed: int) -> Policy:
    """The policy of this name.

    Args:
        model: ``tiny``, ``smollm2``, or a Hugging Face folder or name.
        preset: its ``tiny`` says how large a tiny model is.
        training: what a tiny model's tokenizer is made from; nothing is learned from held-out tasks, not even their words.
        folder: where a model that is made here is written.
        seed: of a tiny model's weights.

    Raises:
        ModelError: there is no tokenizer.
    """
    if model == TINY:
        return _tiny(preset, training, folder, seed)
    if model == SMOLLM:
        from firefly_train import smollm

        return Policy(str(folder), smollm.load_tokenizer(), smollm.load_model)
    return _given(model)


def _tiny(preset: Preset, training: Sequence[Demonstration], folder: Path, seed: int) -> Policy:
    import torch
    from transformers.utils import logging

    from firefly_train import tiny_model

    logging.disable_progress_bar()
    torch.set_num_threads(int(preset.environment.get("OMP_NUM_THREADS", torch.get_num_threads())))
    size = tiny_model.TinySize(**preset.tiny)
    tokenizer = tiny_model.build_tokenizer(training, size.vocabulary)
    return Policy(str(folder), tokenizer, lambda: tiny_model.build_model(tokenizer, size, seed))


def _given(model: str) -> Policy:
    from transformers import AutoTokenizer

    path = str(Path(model).resolve()) if Path(model).exists() else model
    try:
        return Policy(path, AutoTokenizer.from_pretrained(path))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: no tokenizer can be loaded ({str(error).splitlines()[0]})") from error
