from __future__ import annotations

from pathlib import Path

from firefly_mcp.jsonio import JsonObject, dumps
from firefly_train.figures import METRICS, ROLLOUTS, held_out, pass_at, read_lines, read_metrics, summary, waiting
from firefly_train.trajectory import Trajectory, append_line


def line(step: int, split: str, reward: float, *metas: JsonObject) -> JsonObject:
    trajectory = Trajectory()
    for meta in metas:
        trajectory.note(meta)
    return trajectory.line(step=step, task_id="t", split=split, score=reward, tokens=5, turns=2)


def test_a_run_is_summed_up_by_step_and_in_all(tmp_path: Path) -> None:
    hit, miss = {"firefly/match": "exact"}, {"firefly/match": "miss", "firefly/cause": "state"}
    for told in (line(0, "test", 0, hit), line(1, "train", 1, hit, hit), line(1, "train", 0, miss), line(2, "test", 1, hit)):
        append_line(told, str(tmp_path / ROLLOUTS))
    metrics = [
        {"step": 0, "data": {"val-core/firefly/reward/mean@1": 0.0}},
        {"step": 1, "data": {"critic/score/mean": 0.5, "timing_s/step": 2.5, "actor/grad_norm": 0.1}},
    ]
    (tmp_path / METRICS).write_bytes(b"".join(dumps(entry) + b"\n" for entry in metrics))
    told = summary(tmp_path, {"preset": "smoke"})
    assert [(step["step"], step["reward_mean"], step["seconds"]) for step in told["steps"]] == [(1, 0.5, 2.5)]
    assert told["steps"][0]["tool_calls"] == 3
    assert told["steps"][0]["misses"] == {"state": 1}
    assert (told["heldout_before"], told["heldout_after"]) == (0.0, 1.0)
    assert (told["tool_calls"], told["by_match"], told["misses"]) == (5, {"exact": 4, "miss": 1}, {"state": 1})
    assert told["config"] == {"preset": "smoke"}


def test_one_validation_is_not_taken_for_two(tmp_path: Path) -> None:
    for told in (line(0, "test", 1), line(0, "test", 0), line(1, "train", 1)):
        append_line(told, str(tmp_path / ROLLOUTS))
    told = summary(tmp_path, {})
    assert (told["heldout_before"], told["heldout_after"]) == (0.5, None)
    assert held_out([line(1, "train", 1)]) == []


def test_every_split_but_the_training_split_is_held_out_and_told_apart() -> None:
    (told,) = held_out([line(3, "test-server", 1), line(3, "test-plan", 0), line(3, "train", 1)])
    assert (told["step"], told["trajectories"], told["pass@1"]) == (3, 2, 0.5)
    assert {split: figures["pass@1"] for split, figures in told["by_split"].items()} == {"test-plan": 0.0, "test-server": 1.0}


def test_pass_at_k_is_the_chance_that_one_of_k_attempts_is_right() -> None:
    tries = {"a": [1.0, 0.0, 0.0, 0.0], "b": [0.0, 0.0, 0.0, 0.0]}
    assert pass_at(tries, 1) == 0.125
    assert pass_at(tries, 2) == 0.25
    assert pass_at(tries, 4) == 0.5
    assert pass_at(tries, 5) is None
    assert pass_at({}, 1) is None


def test_waits_at_the_same_time_count_once() -> None:
    lines: list[JsonObject] = [{"waits": [[10.0, 12.0], [20.0, 21.0]]}, {"waits": [[11.0, 13.0]]}, {"waits": []}]
    assert waiting(lines) == 4.0


def test_the_metrics_of_a_resumed_run_follow_those_before_it(tmp_path: Path) -> None:
    def step(number: int, reward: float) -> bytes:
        return dumps({"step": number, "data": {"critic/score/mean": reward}}) + b"\n"

    (tmp_path / "metrics.jsonl").write_bytes(step(1, 0.1) + step(2, 0.2))
    (tmp_path / "metrics-2.jsonl").write_bytes(step(2, 0.3) + step(3, 0.4))
    assert [(entry["step"], entry["reward_mean"]) for entry in summary(tmp_path, {})["steps"]] == [(1, 0.1), (2, 0.3), (3, 0.4)]
    assert len(read_metrics(tmp_path)) == 3


def test_a_line_that_is_being_written_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "growing.jsonl"
    path.write_bytes(b'{"step":1}\n{"st')
    assert read_lines(path) == [{"step": 1}]
    assert read_lines(tmp_path / "none.jsonl") == []


def test_a_run_that_never_stepped_has_an_empty_summary(tmp_path: Path) -> None:
    told = summary(tmp_path, {})
    assert told["steps"] == []
    assert told["heldout_before"] is None
