from __future__ import annotations

import pytest

from firefly_train import preset
from firefly_train.plugged import rollout_engine, row_order


def test_rows_are_put_in_order_by_every_preset() -> None:
    for name in preset.names():
        told = row_order(preset.load(name).verl)
        assert set(told.values()) == {"pkg://firefly_train.ordered", "OrderedReplayBuffer"}, name


@pytest.mark.parametrize(
    "override",
    [
        "+algorithm.filter_groups.enable=true",
        "trainer.v1.trainer_mode=colocate_async",
        "trainer.v1.sampler.sync_refill_failed_groups=true",
    ],
)
def test_whoever_asks_for_batches_of_another_kind_gets_verls_own_buffer(override: str) -> None:
    assert row_order({**preset.load("smoke").verl, **preset.told([override])}) == {}


def test_our_rollout_server_is_told_of_device_seed_and_turn_and_no_other_is() -> None:
    told = rollout_engine(preset.load("smoke").verl, 7, 64)
    assert list(told.values()) == [{"device": "cpu", "seed": 7, "turn": 64}]
    assert rollout_engine(preset.load("gpu").verl, 7, None) == {}
