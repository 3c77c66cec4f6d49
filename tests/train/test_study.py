from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile

import pytest

from benchmarks.train_study import __main__ as study_command
from benchmarks.train_study import packed
from benchmarks.train_study.arm import SHUFFLED, overrides
from benchmarks.train_study.bundled import unpack
from benchmarks.train_study.folder import REWARDS, settings
from benchmarks.train_study.permuted import permute
from benchmarks.train_study.prepare import warm_round
from benchmarks.train_study.rewarded import choose
from benchmarks.train_study.splits import PLANS, VALUES, divide, literals, sub_dag
from benchmarks.train_study.stats import paired
from firefly_mcp.errors import UsageError
from firefly_mcp.jsonio import dumps, loads
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.gates import observe
from firefly_mcp.tasks.model import Task, read_tasks
from firefly_mcp.tasks.proof import strict_replay
from firefly_mcp.tasks.selection import select
from firefly_train.demonstrations import Demonstration, demonstrate


def test_permuted_results_give_other_labels_that_the_plan_still_proves(
    tasks: list[Task], store: Path, recording: Recording, tmp_path: Path
) -> None:
    changed = permute(tasks, store, tmp_path / "permuted.db")
    assert len(changed) == len(tasks)
    before = {task.id: task for task in tasks}
    with Recording(tmp_path / "permuted.db") as permuted:
        replay = strict_replay(permuted)
        for task in changed:
            assert task.request == before[task.id].request
            assert task.answer != before[task.id].answer
            seen = observe(task, replay)
            proof = task.evidence["total"]
            assert select(seen.result(proof.node), proof.select) == task.answer["total"]
    # They are permuted among themselves: nothing is made up.
    assert sorted(task.answer["total"] for task in changed) == sorted(task.answer["total"] for task in tasks)


def _variant(task: Task, number: int, tool: str) -> Task:
    first, second = task.plan
    other = first.model_copy(update={"arguments": {"email": f"{number}@example.org"}})
    return task.model_copy(update={"id": f"t-{tool}-{number}", "plan": [other, second.model_copy(update={"tool": tool})]})


def test_no_sub_dag_and_no_literal_call_is_on_both_sides(tasks: list[Task]) -> None:
    made = [_variant(tasks[0], number, tool) for tool in ("a", "b", "c", "d", "e", "f") for number in range(20)]
    divided = divide(made, seed=3)
    of = {split: [task for task in divided if task.split == split] for split in ("train", PLANS, VALUES)}
    assert all(of.values())
    trained = {sub_dag(task) for task in of["train"]}
    assert not trained & {sub_dag(task) for task in of[PLANS]}
    assert {sub_dag(task) for task in of[VALUES]} <= trained
    known = set().union(*(literals(task) for task in of["train"]))
    assert not any(literals(task) & known for task in of[VALUES])
    assert [(task.id, task.split) for task in divide(made, seed=3)] == [(task.id, task.split) for task in divided]


def test_the_control_arm_differs_in_its_advantages_alone_and_both_learn_from_attempts_at_the_studys_temperature() -> None:
    shape = {"steps": 20, "prompts": 12, "updates": 2, "rollouts": 8, "prompt_tokens": 281, "response_tokens": 323}
    told = {**shape, "temperature": 1.4, "lr": 3e-4, "kl": 0.02, "overrides": ["trainer.nnodes=1"]}
    grpo, shuffled = overrides(told, "grpo"), overrides(told, "shuffled")
    assert [one for one in shuffled if one != SHUFFLED] == grpo
    assert "actor_rollout_ref.rollout.temperature=1.4" in grpo
    assert "actor_rollout_ref.actor.kl_loss_coef=0.02" in grpo
    assert not any("kl_loss" in one for one in overrides({**told, "kl": 0.0}, "grpo"))
    assert "actor_rollout_ref.actor.ppo_mini_batch_size=6" in grpo


def test_a_paired_difference_has_an_interval_around_it() -> None:
    before = [{f"t{at}": [0.0, 1.0] for at in range(40)}] * 2
    after = [{f"t{at}": [1.0, 1.0] for at in range(40)}, {f"t{at}": [float(at % 2), 1.0] for at in range(40)}]
    told = paired(before, after, {f"t{at}": f"g{at % 8}" for at in range(40)})
    assert told["difference"] == pytest.approx(0.375)
    low, high = told["interval"]
    assert 0.1 < low < 0.375 < high <= 0.5
    assert (told["tasks"], told["sub_dags"], told["seeds"]) == (40, 8, 2)
    same = paired(before, before, {f"t{at}": "g" for at in range(40)})
    assert (same["difference"], same["interval"]) == (0.0, [0.0, 0.0])


def test_the_set_that_comes_with_the_study_can_be_divided_into_enough_of_each_split(tmp_path: Path) -> None:
    made, store = unpack(tmp_path)
    of = Counter(task.split for task in divide(read_tasks(made)))
    assert of["train"] >= 500
    assert of[PLANS] + of[VALUES] >= 200
    with Recording(store) as recording:
        task = read_tasks(made)[0]
        assert recording.id == task.recording.id
        assert observe(task, strict_replay(recording)).digest() == task.recording.digest


def test_rewarded_are_tasks_between_hopeless_and_solved_and_variations_for_the_places_left(
    tasks: list[Task], store: Path, tmp_path: Path
) -> None:
    chances = {tasks[0].id: 0.5, tasks[1].id: 0.01, tasks[2].id: 0.99, tasks[3].id: 0.9}

    def likely(some: Sequence[Demonstration]) -> list[float]:
        return [chances.get(one.task.id, 0.3) for one in some]

    for _ in range(2):  # what an earlier try left is no hindrance
        chosen = choose(tasks, [], store, tmp_path / "rewards.db", likely, copies=4, places=7, seed=2)
    assert [task.id for task in chosen.recorded] == [tasks[0].id, tasks[3].id]
    assert len(chosen.varied) == 5
    with Recording(tmp_path / "rewards.db") as rewards:
        demonstrate([*chosen.recorded, *chosen.varied], rewards)
    few = choose(tasks, [], store, tmp_path / "rewards.db", likely, copies=4, places=1, seed=2)
    assert (len(few.recorded), few.varied) == (2, [])
    known = choose(tasks, tasks, store, tmp_path / "rewards.db", likely, copies=4, places=7, seed=2)
    assert (known.recorded, known.varied) == (chosen.recorded, [])  # supervised steps vary these sub-DAGs


def test_a_round_of_the_warm_start_that_was_finished_is_not_made_again(
    tasks: list[Task], recording: Recording, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    tiny_model = pytest.importorskip("firefly_train.tiny_model", reason="transformers is not installed")
    shown = demonstrate(tasks, recording)
    tokenizer = tiny_model.build_tokenizer(shown, 600)
    size = tiny_model.TinySize(hidden=80, layers=2, heads=2)
    model, later = tiny_model.build_model(tokenizer, size, 1), tiny_model.build_model(tokenizer, size, 2)
    told = warm_round(tmp_path / "round-1", model, tokenizer, shown, {"steps": 2}, 3)
    assert warm_round(tmp_path / "round-1", later, tokenizer, shown, {"steps": 2}, 4) == told
    assert all(torch.equal(weights, later.state_dict()[name]) for name, weights in model.state_dict().items())
    assert warm_round(tmp_path / "round-1", later, tokenizer, shown[1:], {"steps": 2}, 4) != told
    assert not all(torch.equal(weights, later.state_dict()[name]) for name, weights in model.state_dict().items())


def test_a_packed_study_is_unpacked_as_it_was_and_finds_its_set(tmp_path: Path) -> None:
    study, folder, there = tmp_path / "study", tmp_path / "packed", tmp_path / "there"
    for name in ("warm/model/weights", "warm/heldout/rollouts.jsonl", "grpo-1/heldout/rollouts.jsonl", "train.jsonl"):
        (study / name).parent.mkdir(parents=True, exist_ok=True)
        (study / name).write_text(name)
    (study / "warm" / "result.json").write_bytes(dumps({"arm": "warm", "heldout": {}, "permuted": {}}))
    (study / "grpo-1" / "result.json").write_bytes(dumps({"arm": "grpo", "cpu_seconds": 1}))  # not scored yet
    (study / "study.json").write_bytes(dumps({"steps": 3, "tasks": "elsewhere", "store": "/elsewhere"}))
    Recording(study / REWARDS, create=True).close()
    packed.pack(study, folder)
    with ZipFile(folder / "prepared.zip") as written:
        assert loads(written.read("study.json")) == {"steps": 3}  # no path of the machine

    packed.unpack(folder, there, arms=False)
    assert (there / "warm" / "model" / "weights").read_text() == "warm/model/weights"
    assert (there / REWARDS).read_bytes() == (study / REWARDS).read_bytes()
    assert not list(there.glob("*/result.json"))
    told = settings(there)
    assert told["steps"] == 3
    assert Path(told["store"]).parent == there.resolve() / "set"
    assert len(read_tasks(Path(told["tasks"]))) > 3000
    packed.unpack(folder, tmp_path / "scored", arms=True)
    assert [path.parent.name for path in (tmp_path / "scored").glob("*/result.json")] == ["warm"]

    (folder / "prepared.zip").write_text("damaged")
    with pytest.raises(UsageError, match=r"packed holds no packed study"):
        packed.unpack(folder, tmp_path / "fresh", arms=False)


def test_scored_arms_are_kept_of_a_packed_study_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["train_study", "--out", str(tmp_path / "study"), "--scored"])
    with pytest.raises(SystemExit):
        study_command.main()
    assert "give --from with it" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()
