"""The CPU as a verl platform. verl 0.9.1 ships none and would take a machine without a card for one with CUDA.

The training process stands for one logical "GPU" of Ray, so that verl's resource pools work as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from verl.plugin.platform.platform_base import PlatformBase


class CpuPlatform(PlatformBase):  # type: ignore[misc]
    """What verl asks of a device, answered for the CPU; what a CPU has not is answered with nothing."""

    @property
    def device_name(self) -> str:
        """torch's name of the device."""
        return "cpu"

    @property
    def vendor_name(self) -> str:
        """No vendor."""
        return "cpu"

    @property
    def device_module(self) -> ModuleType:
        """A stand-in for ``torch.cuda``."""
        return _device_module

    def is_available(self) -> bool:
        """Always; it is chosen by ``VERL_PLATFORM=cpu`` only."""
        return True

    def is_platform_available(self, use_smi_check: bool = False) -> bool:
        """Never chosen by itself: a machine with a card must not train on its CPU unasked."""
        return False

    def current_device(self) -> Any:
        """A device, not an index: verl calls ``tensor.to(...)`` with it, and torch takes an index for a CUDA device."""
        return torch.device("cpu")

    def device_count(self) -> int:
        """One."""
        return 1

    def set_device(self, device_index: int) -> None:
        """There is one device."""

    def synchronize(self, device_index: int | None = None) -> None:
        """Nothing runs beside."""

    def manual_seed(self, seed: int) -> None:
        """Seed torch."""
        torch.manual_seed(seed)

    def manual_seed_all(self, seed: int) -> None:
        """Seed torch."""
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings: str) -> None:
        """The CPU's allocator has none."""

    def empty_cache(self) -> None:
        """There is no cache."""

    def get_device_capability(self, device_index: int = 0) -> tuple[int | None, int | None]:
        """None."""
        return None, None

    def communication_backend_name(self) -> str:
        """Gloo."""
        return "gloo"

    def visible_devices_envvar(self) -> str:
        """What Ray sets for its logical GPUs."""
        return "CUDA_VISIBLE_DEVICES"

    @contextmanager
    def nvtx_range(self, msg: str) -> Iterator[None]:
        """No profiler ranges."""
        yield

    def profiler_start(self) -> None:
        """No profiler."""

    def profiler_stop(self) -> None:
        """No profiler."""

    def ray_resource_name(self) -> str:
        """Ray's logical resource of the training process."""
        return "GPU"

    def ray_noset_envvars(self) -> list[str]:
        """None."""
        return []

    def is_ipc_supported(self) -> bool:
        """No device memory to share."""
        return False

    def cudart(self) -> None:
        """None."""


def _stand_in() -> ModuleType:
    """The functions of ``torch.cuda`` that verl calls on any device, as a module."""
    module = ModuleType("firefly_train.cpu_device")

    def nothing(*_: Any, **__: Any) -> None: ...

    def zero(*_: Any, **__: Any) -> int:
        return 0

    functions: dict[str, Callable[..., Any]] = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: torch.device("cpu"),
        "current_stream": nothing,
        "get_rng_state": torch.get_rng_state,
        "set_rng_state": torch.set_rng_state,
        "manual_seed": torch.manual_seed,
        "manual_seed_all": torch.manual_seed,
        "mem_get_info": lambda *_: (0, 0),
        "get_device_name": lambda *_: "cpu",
    }
    for name in ("empty_cache", "synchronize", "set_device", "reset_peak_memory_stats", "ipc_collect", "init"):
        functions[name] = nothing
    for name in ("memory_allocated", "memory_reserved", "max_memory_allocated", "max_memory_reserved"):
        functions[name] = zero
    for name, function in functions.items():
        setattr(module, name, function)
    return module


_device_module = _stand_in()
