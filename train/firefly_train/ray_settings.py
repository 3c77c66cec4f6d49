"""What verl and its Ray are started with: a Ray of this machine or a cluster's, and the variables of every process."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from firefly_train.figures import ROLLOUTS
from firefly_train.preset import Preset
from firefly_train.run_folder import MODEL, RunFolder
from firefly_train.trajectory import LOG_VARIABLE

TENSORBOARD = "tensorboard"


def ray_overrides(chosen: Preset, folder: RunFolder, sockets: str) -> dict[str, Any]:
    """verl's keys for a Ray of this machine, its sockets in a folder of its own, or for the cluster that runs already."""
    if chosen.ray_address is None:
        return {"+ray_kwargs.ray_init._temp_dir": sockets}
    # Workers on other machines do not inherit our variables.
    variables = _variables(folder, chosen)
    return {
        "+ray_kwargs.ray_init.address": chosen.ray_address,
        "ray_kwargs.ray_init.num_cpus": None,
        **{f"+ray_kwargs.ray_init.runtime_env.env_vars.{key}": value for key, value in variables.items()},
    }


def environment_of(folder: RunFolder, chosen: Preset, part: int = 0) -> dict[str, str]:
    """The environment in which verl is started; the metrics of a resumed run go to a file of their own."""
    foreign = () if chosen.ray_address else ("RAY_ADDRESS",)
    kept: Mapping[str, str] = {key: value for key, value in os.environ.items() if key not in foreign}
    environment = {**kept, **_variables(folder, chosen, part)}
    if _on_cpu(chosen):
        environment.pop("CUDA_VISIBLE_DEVICES", None)  # set but empty, Ray would refuse its one logical GPU
    return environment


@contextmanager
def short_folder() -> Iterator[str]:
    """A folder for Ray's sockets: its path must be short, and no other cluster's."""
    path = tempfile.mkdtemp(prefix="ff-ray-")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _variables(folder: RunFolder, chosen: Preset, part: int = 0) -> dict[str, str]:
    """The variables that every process of the run needs, on whatever machine."""
    metrics = f"metrics-{part + 1}.jsonl" if part else "metrics.jsonl"
    variables = {
        **chosen.environment,
        "VERL_USE_EXTERNAL_MODULES": "firefly_train.verl_plugin",
        "VERL_FILE_LOGGER_PATH": str(folder.path / metrics),
        "TENSORBOARD_DIR": str(folder.path / TENSORBOARD),
        LOG_VARIABLE: str(folder.path / ROLLOUTS),
        "TOKENIZERS_PARALLELISM": "false",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    if (folder.path / MODEL).exists() or _on_cpu(chosen):
        variables["HF_HUB_OFFLINE"] = "1"
    if chosen.ray_address is None:
        # Ray asks for a token and would write one into the user's home. A cluster that runs already has its own.
        variables["RAY_AUTH_TOKEN"] = secrets.token_hex(16)
    return variables


def _on_cpu(chosen: Preset) -> bool:
    return chosen.environment.get("VERL_PLATFORM") == "cpu"
