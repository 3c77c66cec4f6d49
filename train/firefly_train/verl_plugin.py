"""What verl loads in every process (``VERL_USE_EXTERNAL_MODULES``): the CPU platform and the transformers rollout server."""

from __future__ import annotations

import functools
import os
from typing import Any

from verl.plugin.platform.platform_manager import PlatformRegistry

from firefly_train import shuffled
from firefly_train.cpu_platform import CpuPlatform
from firefly_train.plugged import ROLLOUT


def install() -> None:
    """Register with verl."""
    from verl.workers.rollout import base
    from verl.workers.rollout.replica import RolloutReplicaRegistry

    PlatformRegistry.register(platform="cpu")(CpuPlatform)
    shuffled.register()
    RolloutReplicaRegistry.register(ROLLOUT, _replica)
    base._ROLLOUT_REGISTRY[(ROLLOUT, "async")] = "firefly_train.rollout.WeightSender"
    if os.environ.get("VERL_PLATFORM") == "cpu":
        _name_backend_once()
        _pin_no_memory()


def _replica() -> type:
    from firefly_train.rollout import TransformersReplica

    return TransformersReplica


def _name_backend_once() -> None:
    """verl asks torch for the backends ``cpu:gloo,DEVICE:BACKEND``; where the device is the CPU, torch refuses the repeat."""
    from verl.utils import distributed

    original = distributed.initialize_global_process_group_ray

    @functools.wraps(original)
    def initialize(timeout_second: int | None = None, backend: str | None = None) -> Any:
        return original(timeout_second, backend or "cpu:gloo")

    distributed.initialize_global_process_group_ray = initialize


def _pin_no_memory() -> None:
    """verl keeps a reference model (``use_kl_loss``) in pinned memory; without a card torch has none to give."""
    from verl.utils import fsdp_utils

    class Unpinned(fsdp_utils.CPUOffloadPolicy):  # type: ignore[misc]
        def __init__(self, pin_memory: bool = False) -> None:
            super().__init__(pin_memory=False)

    fsdp_utils.CPUOffloadPolicy = Unpinned


install()
