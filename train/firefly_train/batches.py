"""Requests to sample, gathered into batches: what the rollout server and the evaluation have in common."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from firefly_train.cache import ATTENTION
from firefly_train.sampling import Sample, SamplingParams, sample_batch

QUIET_SECONDS = 0.02
"""Requests that arrive with no longer pause between them than this are sampled as one batch."""


@dataclass(frozen=True)
class Limits:
    """Tokens of a prompt, of a response and of one turn of it at most, and sequences sampled at once."""

    prompt: int
    response: int
    batch: int = 256
    turn: int | None = None


def load_model(path: str, *, device: str, dtype: str) -> Any:
    """Load a causal language model from a Hugging Face folder, ready to sample."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(path, dtype=getattr(torch, dtype)).to(device).eval()
    if model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(ATTENTION)
    return model


class BatchSampler:
    """Tokens in, tokens out. One batch at a time; requests that arrive meanwhile form the next."""

    def __init__(self, model: Any, tokenizer: Any, limits: Limits, seed: int) -> None:
        """Sample with this model.

        Args:
            model: a transformers causal language model.
            tokenizer: tells which tokens end a turn and which one pads.
            limits: of lengths and of a batch.
            seed: what random generators are derived from.
        """
        self._model = model
        self._limits = limits
        self._seed = seed
        ends = model.generation_config.eos_token_id
        found = {*(ends if isinstance(ends, list) else [ends]), tokenizer.eos_token_id}
        self._ends = frozenset(token for token in found if token is not None)
        self._pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        self._queue: asyncio.Queue[tuple[Sample, asyncio.Future[None]]] = asyncio.Queue()
        self._asked: Counter[bytes] = Counter()
        self._worker: asyncio.Task[None] | None = None
        self.step = 0

    async def sample(self, prompt: list[int], told: dict[str, Any]) -> Sample:
        """Sample a continuation of the prompt with verl's sampling parameters."""
        if self._worker is None:
            self._worker = asyncio.create_task(self._serve())
        sample = Sample(prompt, self._params(told, len(prompt)), self._generator(prompt))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._queue.put((sample, done))
        await done
        return sample

    def renew(self, step: int | None) -> None:
        """A new policy begins: prompts are counted anew."""
        self._asked.clear()
        self.step = self.step if step is None else step

    async def close(self) -> None:
        """Take no more requests."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    def _params(self, told: dict[str, Any], prompt: int) -> SamplingParams:
        room = self._limits.prompt + self._limits.response - prompt
        wanted = told.get("max_tokens") or told.get("max_new_tokens") or self._limits.response
        return SamplingParams(
            max_tokens=max(1, min(wanted, self._limits.response, room, self._limits.turn or room)),
            temperature=float(told.get("temperature", 1.0)),
            top_p=float(told.get("top_p", 1.0)),
            top_k=int(told.get("top_k", -1)),
            stop=self._ends | frozenset(told.get("stop_token_ids") or ()),
        )

    def _generator(self, prompt: list[int]) -> random.Random:
        """A generator that depends on the seed, the policy's step, the prompt, and how often this prompt was asked of this
        policy: the same run gives the same samples, in whatever order its requests arrive.
        """
        digest = hashlib.blake2b(repr(prompt).encode(), digest_size=16).digest()
        self._asked[digest] += 1
        place = f"{self._seed}/{self.step}/{self._asked[digest]}/".encode()
        return random.Random(hashlib.blake2b(place + digest, digest_size=16).digest())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            waiting = [await self._queue.get()]
            while len(waiting) < self._limits.batch:
                try:
                    waiting.append(await asyncio.wait_for(self._queue.get(), QUIET_SECONDS))
                except TimeoutError:
                    break
            try:
                await loop.run_in_executor(None, sample_batch, self._model, [sample for sample, _ in waiting], self._pad)
            except Exception as error:
                for _, done in waiting:
                    done.set_exception(error)
            else:
                for _, done in waiting:
                    done.set_result(None)
