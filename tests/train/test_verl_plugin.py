from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("verl", reason="verl is not installed")


def test_without_a_card_no_reference_model_is_kept_in_pinned_memory() -> None:
    program = """
import firefly_train.verl_plugin
from verl.workers.engine.fsdp.transformer_impl import CPUOffloadPolicy
import torch.distributed.fsdp as fsdp
policy = CPUOffloadPolicy(pin_memory=True)
print(isinstance(policy, fsdp.CPUOffloadPolicy), policy.pin_memory)
"""
    told = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "VERL_PLATFORM": "cpu"}, capture_output=True, text=True, check=True
    )
    assert told.stdout.split()[-2:] == ["True", "False"]
