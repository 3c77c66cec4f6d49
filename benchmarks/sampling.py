"""What sampling costs on one core or a card: ours beside transformers' own ``generate``, on prompts of real tasks.

    python -m benchmarks.sampling                       # the tiny model of the preset smoke, untrained
    python -m benchmarks.sampling --model FOLDER
    python -m benchmarks.sampling --model FOLDER --device cuda    # also without the recorded graph; wall seconds

Both sample the same number of tokens for the same prompts, eight attempts at each, as a step of GRPO does.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, today
from benchmarks.train_study.bundled import unpack
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import read_tasks
from firefly_train.demonstrations import Demonstration, demonstrate

_DTYPES = {"cpu": "float32", "cuda": "bfloat16"}


def conversations(count: int) -> list[Demonstration]:
    """The first tasks of the study's set, with their recorded conversations."""
    with tempfile.TemporaryDirectory() as folder:
        tasks, store = unpack(Path(folder))
        with Recording(store) as recording:
            return demonstrate(read_tasks(tasks)[:count], recording)


def load(model: str | None, shown: list[Demonstration], device: str) -> tuple[Any, Any]:
    """The model and its tokenizer; both built here when no folder is named."""
    from transformers import AutoTokenizer

    from firefly_train import preset, tiny_model
    from firefly_train.batches import load_model

    if model is not None:
        return load_model(model, device=device, dtype=_DTYPES[device]), AutoTokenizer.from_pretrained(model)
    size = tiny_model.TinySize(**preset.load("smoke").tiny)
    tokenizer = tiny_model.build_tokenizer(shown, size.vocabulary)
    with tempfile.TemporaryDirectory() as folder:
        tiny_model.save(tiny_model.build_model(tokenizer, size, 0), tokenizer, Path(folder))
        return load_model(folder, device=device, dtype=_DTYPES[device]), tokenizer


def ours(model: Any, prompts: list[list[int]], pad: int, tokens: int, **how: Any) -> None:
    """Sample with this package."""
    from firefly_train.sampling import Sample, SamplingParams, sample_batch

    sample_batch(model, [Sample(p, SamplingParams(tokens), random.Random(at)) for at, p in enumerate(prompts)], pad, **how)


def stepped(model: Any, prompts: list[list[int]], pad: int, tokens: int) -> None:
    """Sample with this package, the model called for each token."""
    from firefly_train.decoding import StepDecoder

    ours(model, prompts, pad, tokens, decoder=StepDecoder)


def generated(model: Any, prompts: list[list[int]], pad: int, tokens: int) -> None:
    """Sample with ``generate``."""
    import torch

    width = max(map(len, prompts))
    ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=model.device)
    model.generate(
        input_ids=ids,
        attention_mask=mask,
        do_sample=True,
        top_k=0,
        min_new_tokens=tokens,
        max_new_tokens=tokens,
        pad_token_id=pad,
    )


def _after_the_card() -> float:
    import torch

    torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    """Time both in turn, and say the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a Hugging Face folder")
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--attempts", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=64, help="sampled for each attempt")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", choices=sorted(_DTYPES), default="cpu")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    shown = conversations(options.prompts)
    model, tokenizer = load(options.model, shown, options.device)
    # The conversation up to the last turn: the longest prompt that the sampler reads.
    prompts = [
        tokenizer.apply_chat_template(one.messages[:-1], tools=one.tools, add_generation_prompt=True, return_dict=True)[
            "input_ids"
        ]
        for one in shown
        for _ in range(options.attempts)
    ]
    own = model.config._attn_implementation
    ways = {"firefly": (ours, own), "generate": (generated, "sdpa")}
    if options.device == "cuda":
        ways["firefly, step by step"] = (stepped, own)
    clock = time.process_time if options.device == "cpu" else _after_the_card
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, (way, attention) in ways.items():
            model.set_attn_implementation(attention)
            begun = clock()
            with torch.no_grad():
                way(model, prompts, tokenizer.pad_token_id, options.tokens)
            seconds[name].append(clock() - begun)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    lengths = sorted(map(len, prompts))
    print(f"{len(prompts)} prompts of {lengths[0]} to {lengths[-1]} tokens, {options.tokens} sampled for each")
    unit = "CPU s" if options.device == "cpu" else "s"
    for name, median in medians.items():
        print(f"{name}: {median:.2f} {unit} ({min(seconds[name]):.2f} to {max(seconds[name]):.2f})")
    print(f"ratio {medians['generate'] / medians['firefly']:.1f}")
    print(today(), machine())


if __name__ == "__main__":
    main()
