"""Requests to sample, gathered into batches: what the rollout server and the evaluation have in common."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from firefly_train.cache import ATTENTION
from firefly_train.plugged import ATTEMPT
from firefly_train.sampling import Sample, SamplingParams, sample_batch

FEW = 4
"""A batch pauses, where it may, when at most one in so many of it has not ended."""
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
    """Tokens in, tokens out. One batch at a time; requests that arrive meanwhile form the next.

    With ``merge`` the few of a batch that have not ended keep no others waiting: they go on in the next one, where they are
    read once more. That pays where a device reads many tokens in the time in which it writes one, as cards do.
    """

    def __init__(self, model: Any, tokenizer: Any, limits: Limits, seed: int, *, merge: bool = False) -> None:
        """Sample with this model.

        Args:
            model: a transformers causal language model.
            tokenizer: tells which tokens end a turn and which one pads.
            limits: of lengths and of a batch.
            seed: what random generators are derived from.
            merge: whether the last of a batch go on in the next.
        """
        self._model = model
        self._merge = merge
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
        """Sample a continuation of the prompt with verl's sampling parameters, and ``ATTEMPT`` where it is known."""
        if self._worker is None:
            self._worker = asyncio.create_task(self._serve())
        sample = Sample(prompt, self._params(told, len(prompt)), self._generator(prompt, told.get(ATTEMPT)))
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

    def _generator(self, prompt: list[int], attempt: int | None) -> random.Random:
        """A generator that depends on the seed, the policy's step, the prompt, the attempt, and how often that was asked of
        this policy: the same run gives the same samples, in whatever order its requests arrive.
        """
        asked = repr(prompt if attempt is None else (attempt, prompt))
        digest = hashlib.blake2b(asked.encode(), digest_size=16).digest()
        self._asked[digest] += 1
        place = f"{self._seed}/{self.step}/{self._asked[digest]}/".encode()
        return random.Random(hashlib.blake2b(place + digest, digest_size=16).digest())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        left: list[tuple[Sample, asyncio.Future[None]]] = []
        while True:
            batch = [*left, *await self._gather(self._limits.batch - len(left), wait=not left)]
            samples = [sample for sample, _ in batch]
            try:
                await loop.run_in_executor(None, self._run, samples)
            except Exception as error:
                left = []
                for _, done in batch:
                    done.set_exception(error)
            else:
                left = [(sample, done) for sample, done in batch if not sample.finished]
                for sample, done in batch:
                    if sample.finished:
                        done.set_result(None)

    async def _gather(self, most: int, *, wait: bool) -> list[tuple[Sample, asyncio.Future[None]]]:
        """The requests that arrive with no longer pause between them; where it need not ``wait``, perhaps none."""
        found = [await self._queue.get()] if wait else []
        while len(found) < most:
            try:
                found.append(await asyncio.wait_for(self._queue.get(), QUIET_SECONDS))
            except TimeoutError:
                break
        return found

    def _run(self, samples: list[Sample]) -> None:
        """In a thread of its own; the length of the queue is only read there."""

        def pause(running: int) -> bool:
            # What is read once more is never more than what has ended, or waits.
            return self._merge and (running * FEW <= len(samples) or self._queue.qsize() >= running)

        sample_batch(self._model, samples, self._pad, pause=pause)
