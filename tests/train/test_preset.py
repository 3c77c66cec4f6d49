from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from firefly_mcp.errors import UsageError
from firefly_mcp.jsonio import loads
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task
from firefly_train import preset
from firefly_train.demonstrations import demonstrate
from firefly_train.fit import Budget, Fit
from firefly_train.run_folder import RunFolder, shape_of


def test_values_are_spelled_as_hydra_reads_them() -> None:
    assert preset.spelled(
        {"a.b": True, "c": None, "+d": {"x": 1, "y": "fp32"}, "e": ["console", "file"], "f": "it's here"}
    ) == [
        "a.b=true",
        "c=null",
        "+d={x:1,y:fp32}",
        "e=[console,file]",
        r"f='it\'s here'",
    ]


def test_what_the_user_sets_replaces_what_the_preset_sets() -> None:
    merged = preset.merged({"a": 1, "+b": 2, "c": 3}, ["a=9", "++b=8", "~d"])
    assert merged == ["c=3", "a=9", "++b=8", "~d"]


def test_an_override_without_a_value_is_refused() -> None:
    with pytest.raises(UsageError, match="write key=value after --"):
        preset.told(["trainer.total_training_steps"])


def test_an_unknown_preset_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no preset 'huge'; there are: .*smoke"):
        preset.load("huge")


def test_texts_that_hydra_would_take_for_something_else_are_quoted() -> None:
    assert preset.spelled({"a": "1", "b": "true", "c": "1e-5", "d": "0.0.0.0", "e": "v1"}) == [
        "a='1'",
        "b='true'",
        "c='1e-5'",
        "d='0.0.0.0'",
        "e=v1",
    ]


@pytest.mark.parametrize("name", preset.names())
def test_verl_knows_every_key_of_a_preset(name: str) -> None:
    found = importlib.util.find_spec("verl")
    if found is None or not found.submodule_search_locations:
        pytest.skip("verl is not installed")
    from hydra import compose, initialize_config_dir

    config = str(Path(found.submodule_search_locations[0]) / "trainer" / "config")
    with initialize_config_dir(config, version_base=None):
        told = compose("ppo_trainer", overrides=preset.spelled(preset.load(name).verl))
    assert told.actor_rollout_ref.actor.strategy == "fsdp2"
    assert told.trainer.max_actor_ckpt_to_keep == 2


def test_the_smoke_preset_needs_no_card_and_downloads_nothing() -> None:
    smoke = preset.load("smoke")
    assert smoke.model == "tiny"
    assert smoke.environment["VERL_PLATFORM"] == "cpu"
    assert smoke.verl["trainer.device"] == "cpu"
    assert smoke.verl["actor_rollout_ref.rollout.name"] == "transformers"


def test_the_reference_of_the_smoke_preset_computes_in_the_precision_of_the_policy() -> None:
    policy, reference = "actor_rollout_ref.actor.fsdp_config.", "actor_rollout_ref.ref.fsdp_config."
    told = {key.lstrip("+"): value for key, value in preset.load("smoke").verl.items()}
    for key in ("mixed_precision", "model_dtype", "dtype"):
        assert told[reference + key] == told[policy + key]
    assert told[reference + "mixed_precision"]["param_dtype"] == "fp32"


def test_the_folder_holds_what_the_overrides_point_to(
    tasks: list[Task], recording: Recording, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    folder = RunFolder.create(tmp_path_factory.mktemp("runs") / "one")
    demonstrations = demonstrate(tasks, recording)
    assert folder.write_inputs(demonstrations, "http://127.0.0.1:1/mcp") == {"train": 3, "test": 1}
    shape = shape_of(
        Fit(demonstrations, 0, 200, 100, Budget(200, 120)),
        {"data.train_batch_size": "8", "trainer.total_training_steps": "2"},
        model="m",
        seed=3,
        samples=4,
    )
    overrides = folder.overrides(shape)
    for key in ("data.train_files", "data.val_files"):
        assert (folder.path / overrides[key]).exists()
    assert overrides["data.train_batch_size"] == 3, "a batch larger than the split would give no step at all"
    assert overrides["data.max_response_length"] == 120
    assert overrides["actor_rollout_ref.rollout.multi_turn.max_assistant_turns"] == 5
    assert overrides["trainer.test_freq"] == 2
    tools = loads((folder.path / "tools.json").read_bytes())
    listed = loads((folder.path / "tools.yaml").read_bytes())["tools"]
    assert [tool["function"]["name"] for tool in tools] == [entry["config"]["name"] for entry in listed]
    assert {entry["config"]["name"] for entry in listed} == {"find_customer", "list_hours", "list_orders", "submit_answer"}


def test_without_held_out_tasks_nothing_is_validated(
    tasks: list[Task], recording: Recording, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shape = shape_of(
        Fit(demonstrate(tasks[:3], recording), 0, 200, 100, Budget(200, 120)),
        {"trainer.total_training_steps": 2},
        model="m",
        seed=3,
        samples=4,
    )
    overrides = RunFolder.create(tmp_path_factory.mktemp("runs") / "two").overrides(shape)
    assert overrides["trainer.val_before_train"] is False
    assert overrides["trainer.test_freq"] == -1


def test_a_run_folder_in_use_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("runs")
    (path / "run.json").write_text("{}")
    with pytest.raises(UsageError, match="not empty"):
        RunFolder.create(path)
