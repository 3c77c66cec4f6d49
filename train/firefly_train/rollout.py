"""A rollout server on transformers, for machines without vLLM or SGLang: any model, CPU or one card.

The replica starts the server (a Ray actor), the sender gives it the trainer's weights after each step.
"""

from __future__ import annotations

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

from firefly_train.batches import BatchSampler, Limits, load_model
from firefly_train.sampling import Sample

BUCKET_BYTES = 256 * 1024 * 1024
_NAME = "firefly_transformers_server"


class TransformersServer(BatchSampler):
    """The sampler as verl starts it: it loads the model, and takes the trainer's weights after each step."""

    def __init__(self, config: Any, model_config: Any, device: str, seed: int, turn: int | None = None) -> None:
        """Load the model.

        Args:
            config: verl's ``RolloutConfig``.
            model_config: verl's ``HFModelConfig``.
            device: torch's name of the device to sample on.
            seed: what random generators are derived from.
            turn: the most tokens of one turn.
        """
        model_config = omega_conf_to_dataclass(model_config, dataclass_type=HFModelConfig)
        limits = Limits(config.prompt_length, config.response_length, config.max_num_seqs, turn)
        dtype = {"float": "float32"}.get(config.dtype, config.dtype)
        model = load_model(model_config.local_path, device=device, dtype=dtype)
        super().__init__(model, model_config.tokenizer, limits, seed, merge=device.startswith("cuda"))
        self._parameters = dict(model.named_parameters(remove_duplicate=False))

    async def generate(self, prompt_ids: list[int], sampling_params: dict[str, Any], request_id: str, **_: Any) -> TokenOutput:
        """Sample a continuation of the prompt."""
        sample = await self.sample([int(token) for token in prompt_ids], sampling_params)
        return told(sample, sampling_params, self.step)

    async def load_weights(self, weights: dict[str, torch.Tensor], step: int | None, last: bool) -> None:
        """Copy weights in; with the last of them a new policy begins."""
        with torch.no_grad():
            for name, tensor in weights.items():
                self._parameters[name].copy_(tensor)
        if last:
            self.renew(step)

    async def nothing(self, *_: Any, **__: Any) -> None:
        """What other engines do to free and get back memory."""

    wake_up = sleep = clear_kv_cache = release_kv_cache = resume_kv_cache = nothing
    abort_all_requests = resume_generation = start_profile = stop_profile = nothing


def told(sample: Sample, sampling_params: dict[str, Any], step: int) -> TokenOutput:
    """A finished sample in verl's form."""
    stopped = sample.tokens[-1] in sample.params.stop
    return TokenOutput(
        token_ids=sample.tokens,
        log_probs=sample.log_probs if sampling_params.get("logprobs") else None,
        stop_reason="completed" if stopped else "length",
        extra_fields={"global_steps": step},
    )


class TransformersReplica(RolloutReplica):  # type: ignore[misc]
    """Starts one server beside the training process."""

    async def launch_servers(self) -> None:
        """Start the server, on the node of the first training process."""
        engine = dict((self.config.engine_kwargs or {}).get("transformers") or {})
        device = str(engine.get("device", "cpu"))
        node, cards = await self.workers[0].__ray_call__.remote(_place)
        server = (
            ray.remote(TransformersServer)
            .options(
                name=f"{_NAME}_{self.replica_rank}",
                max_concurrency=self.max_concurrency,
                runtime_env={"env_vars": _sees(cards)} if device.startswith("cuda") else None,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node, soft=False),
            )
            .remote(self.config, self.model_config, device, int(engine.get("seed", 0)), engine.get("turn"))
        )
        await server.nothing.remote()
        self.servers = [server]
        self._server_handle = server
        self._server_address = f"{_NAME}_{self.replica_rank}"


def _place(worker: Any) -> tuple[str, list[str]]:
    """The node of a training process, and the ids of its cards."""
    context = ray.get_runtime_context()
    return context.get_node_id(), list(context.get_accelerator_ids().get("GPU", ()))


def _sees(cards: list[str]) -> dict[str, str]:
    """An actor that asks Ray for no card is shown none; the server shares the training process's."""
    return {"RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES": "1", "CUDA_VISIBLE_DEVICES": ",".join(cards)}


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
