"""A rollout server on transformers, for machines without vLLM or SGLang: any model, CPU or one card.

The replica starts the server (a Ray actor), the sender gives it the trainer's weights after each step.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

import ray
import torch
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from verl.utils.config import omega_conf_to_dataclass
from verl.workers.config import HFModelConfig
from verl.workers.rollout.base import BaseRollout
from verl.workers.rollout.replica import RolloutReplica, TokenOutput
from verl.workers.rollout.utils import ensure_async_iterator

from firefly_train.sampling import Sample, SamplingParams, sample_batch

QUIET_SECONDS = 0.02
"""Requests that arrive with no longer pause between them than this are sampled as one batch."""
BUCKET_BYTES = 256 * 1024 * 1024
_NAME = "firefly_transformers_server"


class TransformersServer:
    """Tokens in, tokens out. One batch at a time; requests that arrive meanwhile form the next."""

    def __init__(self, config: Any, model_config: Any, device: str, seed: int) -> None:
        """Load the model.

        Args:
            config: verl's ``RolloutConfig``.
            model_config: verl's ``HFModelConfig``.
            device: torch's name of the device to sample on.
            seed: what random generators are derived from.
        """
        from transformers import AutoModelForCausalLM

        model_config = omega_conf_to_dataclass(model_config, dataclass_type=HFModelConfig)
        self._config = config
        self._seed = seed
        dtype = getattr(torch, {"float": "float32"}.get(config.dtype, config.dtype))
        self._model = AutoModelForCausalLM.from_pretrained(model_config.local_path, dtype=dtype).to(device).eval()
        self._parameters = dict(self._model.named_parameters(remove_duplicate=False))
        tokenizer = model_config.tokenizer
        ends = self._model.generation_config.eos_token_id
        found = {*(ends if isinstance(ends, list) else [ends]), tokenizer.eos_token_id}
        self._ends = frozenset(token for token in found if token is not None)
        self._pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        self._queue: asyncio.Queue[tuple[Sample, asyncio.Future[None]]] = asyncio.Queue()
        self._asked: Counter[bytes] = Counter()
        self._step = 0
        self._worker: asyncio.Task[None] | None = None

    async def generate(self, prompt_ids: list[int], sampling_params: dict[str, Any], request_id: str, **_: Any) -> TokenOutput:
        """Sample a continuation of the prompt."""
        if self._worker is None:
            self._worker = asyncio.create_task(self._serve())
        prompt = [int(token) for token in prompt_ids]
        sample = Sample(prompt, self._params(sampling_params, len(prompt)), self._generator(prompt))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._queue.put((sample, done))
        await done
        log_probs = sample.log_probs if sampling_params.get("logprobs") else None
        stopped = sample.tokens[-1] in sample.params.stop
        extra = {"global_steps": self._step}
        reason = "completed" if stopped else "length"
        return TokenOutput(token_ids=sample.tokens, log_probs=log_probs, stop_reason=reason, extra_fields=extra)

    async def load_weights(self, weights: dict[str, torch.Tensor], step: int | None, last: bool) -> None:
        """Copy weights in; with the last of them a new policy begins."""
        with torch.no_grad():
            for name, tensor in weights.items():
                self._parameters[name].copy_(tensor)
        if last:
            self._asked.clear()
            self._step = self._step if step is None else step

    async def nothing(self, *_: Any, **__: Any) -> None:
        """What other engines do to free and get back memory."""

    wake_up = sleep = clear_kv_cache = release_kv_cache = resume_kv_cache = nothing
    abort_all_requests = resume_generation = start_profile = stop_profile = nothing

    def _params(self, told: dict[str, Any], prompt: int) -> SamplingParams:
        room = self._config.prompt_length + self._config.response_length - prompt
        wanted = told.get("max_tokens") or told.get("max_new_tokens") or self._config.response_length
        return SamplingParams(
            max_tokens=max(1, min(wanted, self._config.response_length, room)),
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
        place = f"{self._seed}/{self._step}/{self._asked[digest]}/".encode()
        return random.Random(hashlib.blake2b(place + digest, digest_size=16).digest())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            waiting = [await self._queue.get()]
            while len(waiting) < self._config.max_num_seqs:
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


class TransformersReplica(RolloutReplica):  # type: ignore[misc]
    """Starts one server beside the training process."""

    async def launch_servers(self) -> None:
        """Start the server, on the node of the first training process."""
        engine = dict((self.config.engine_kwargs or {}).get("transformers") or {})
        node = await self.workers[0].__ray_call__.remote(lambda _: ray.get_runtime_context().get_node_id())
        server = (
            ray.remote(TransformersServer)
            .options(
                name=f"{_NAME}_{self.replica_rank}",
                max_concurrency=self.max_concurrency,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node, soft=False),
            )
            .remote(self.config, self.model_config, str(engine.get("device", "cpu")), int(engine.get("seed", 0)))
        )
        await server.nothing.remote()
        self.servers = [server]
        self._server_handle = server
        self._server_address = f"{_NAME}_{self.replica_rank}"


class WeightSender(BaseRollout):  # type: ignore[misc]
    """The trainer's end: sends its weights to the server."""

    def __init__(self, *args: Any, replica_rank: int = -1, **kwargs: Any) -> None:
        """Take verl's arguments."""
        super().__init__(*args, **kwargs)
        self._name = f"{_NAME}_{max(replica_rank, 0)}"

    async def resume(self, tags: list[str]) -> None:
        """The server keeps its memory."""

    async def release(self) -> None:
        """The server keeps its memory."""

    async def update_weights(
        self, weights: Iterable[tuple[str, torch.Tensor]], wire_format: str = "named_tensors", **kwargs: Any
    ) -> None:
        """Send all weights, in buckets."""
        if wire_format != "named_tensors":
            raise NotImplementedError(f"the transformers rollout server takes named tensors, not {wire_format}")
        server = ray.get_actor(self._name)
        step = kwargs.get("global_steps")
        bucket: dict[str, torch.Tensor] = {}
        size = 0
        async for name, tensor in ensure_async_iterator(weights):
            bucket[name] = tensor.detach().to("cpu", copy=True)
            size += tensor.numel() * tensor.element_size()
            if size >= BUCKET_BYTES:
                await server.load_weights.remote(bucket, step, False)
                bucket, size = {}, 0
        await server.load_weights.remote(bucket, step, True)
