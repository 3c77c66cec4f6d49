from __future__ import annotations

from pathlib import Path

from firefly_mcp.jsonio import JsonObject, dumps
from firefly_train.figures import METRICS, ROLLOUTS, held_out, read_lines, summary
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


def test_one_validation_is_not_taken_for_two() -> None:
    assert held_out([line(0, "test", 1), line(0, "test", 0)]) == (0.5, None)
    assert held_out([line(1, "train", 1)]) == (None, None)


def test_a_line_that_is_being_written_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "growing.jsonl"
    path.write_bytes(b'{"step":1}\n{"st')
    assert read_lines(path) == [{"step": 1}]
    assert read_lines(tmp_path / "none.jsonl") == []


def test_a_run_that_never_stepped_has_an_empty_summary(tmp_path: Path) -> None:
    told = summary(tmp_path, {})
    assert told["steps"] == []
    assert told["heldout_before"] is None
