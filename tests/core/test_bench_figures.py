"""Figures, reasons, tables and pages of benchmark runs, over rollouts that are given."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.bench.attribution import carried_out, failure_of, invented, misfit
from firefly_mcp.bench.compare import compare, sign_test
from firefly_mcp.bench.rollout import Rollout, RolloutCall
from firefly_mcp.bench.run_folder import RunFolder
from firefly_mcp.bench.score import score
from firefly_mcp.bench.tables import leaderboard, rollouts_csv, tasks_csv
from firefly_mcp.errors import TaskError, UsageError
from firefly_mcp.report.bench_html import render_bench
from firefly_mcp.tasks.model import Task

EVIL = "</script><script>alert('x')</script><img src=x onerror=alert(1)>\"'&"
MANIFEST = {"subject": {"name": "m"}, "k": 2, "tasks": {"count": 2, "hash": "h"}}


def task(name: str = "t-1", **changes: Any) -> Task:
    made: dict[str, Any] = {
        "id": name,
        "request": "Find the cheapest flight on 2026-01-02.",
        "answer": {"price": 141},
        "answer_schema": {
            "type": "object",
            "properties": {"price": {"type": "integer"}},
            "required": ["price"],
            "additionalProperties": False,
        },
        "plan": [
            {"id": "n1", "server": "air", "tool": "search", "exposed_name": "search", "arguments": {"day": "2026-01-02"}},
            {
                "id": "n2",
                "server": "air",
                "tool": "details",
                "exposed_name": "details",
                "arguments": {"flight": None},
                "bindings": [{"argument": "/flight", "from": "n1", "select": {"path": "$.flight", "only": True}}],
            },
        ],
        "evidence": {"price": {"node": "n2", "select": {"path": "$.price", "only": True}}},
        "tools": ["search", "details", "other"],
        "difficulty": "easy",
        "servers": ["air"],
        "now": "2026-01-01",
        "recording": {"id": "r", "digest": ""},
        "kind": "chain",
    }
    return Task.model_validate({**made, **changes})


SEARCH = RolloutCall("search", {"day": "2026-01-02"}, "exact", node="n1")
DETAILS = RolloutCall("details", {"flight": "HAT7"}, "exact", node="n2")
LOST = RolloutCall("details", {"flight": "HAT8"}, "miss", cause="never_recorded", is_error=True)
BESIDE = RolloutCall("other", {"day": "2026-01-02"}, "miss", cause="never_recorded", is_error=True)


def rollout(*calls: RolloutCall, name: str = "t-1", attempt: int = 0, **more: Any) -> Rollout:
    return Rollout(name, attempt, calls=list(calls), **more)


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (rollout(boundary="model"), "model"),
        (rollout(SEARCH, DETAILS, boundary="budget"), "budget"),
        (rollout(boundary="proxy"), "proxy"),
        (rollout(SEARCH, DETAILS, answer={"price": 1}), "answer"),
        (rollout(SEARCH, DETAILS, answer={"cost": 141}), "format"),
        (rollout(SEARCH, answer=None), "format"),
        (rollout(SEARCH, boundary="format"), "format"),
        (rollout(SEARCH, LOST, answer={"price": 1}), "argument"),
        (rollout(SEARCH, BESIDE, answer={"price": 1}), "miss"),
        (rollout(SEARCH, LOST, BESIDE, answer={"price": 1}), "argument"),
        (rollout(RolloutCall("search", {}, "miss", cause="state", is_error=True, node="n1"), answer=None), "miss"),
        (rollout(RolloutCall("other", {}, "miss", cause="invalid_arguments", is_error=True), answer={"price": 1}), "tool"),
        (rollout(SEARCH, answer={"price": 1}), "tool"),
    ],
)
def test_a_failure_has_one_reason(held: Rollout, reason: str) -> None:
    assert failure_of(task(), held) == reason


def test_a_call_stands_for_a_node_when_its_arguments_are_the_plans() -> None:
    found = {"structuredContent": {"flight": "HAT7"}, "content": []}
    made: list[tuple[str, Any, Any]] = [
        ("details", {"flight": "HAT7"}, found),  # before the search it is a guess, and yet the call is the plan's
        ("search", {"day": "2026-01-03"}, found),
        ("search", {"day": "2026-01-02", "limit": None}, None),
        ("search", {"day": "2026-01-02"}, found),
        ("details", {"flight": "HAT8"}, found),
    ]
    assert carried_out(task(), made) == ["n2", "", "n1", "n1", ""]


def test_values_that_stand_nowhere_are_invented() -> None:
    known = 'Pay "Ines" 33250 on 2026-01-02 {"id": "ch_4IwG5aXjcnt"}'
    assert invented({"id": "ch_4IwG5aXjcnt", "amount": 33250.0, "to": "ines", "fast": True, "limit": 5}, known) == []
    assert invented({"id": "ch_other", "amount": 3325}, known) == ["/id", "/amount"]


def test_an_answer_that_does_not_fit_is_told_what_is_wrong() -> None:
    assert "exactly the fields price; at fault: cost, price" in misfit(task(), {"cost": 1})
    assert "not of type 'integer'" in misfit(task(), {"price": "dear"})
    assert misfit(task(), {"price": 3}) == ""


def held() -> tuple[list[Task], list[Rollout]]:
    tasks = [task("t-1"), task("t-2", servers=["air", "sea"], difficulty="hard", kind="fan_in")]
    answers = {("t-1", 0): 141, ("t-1", 1): 141, ("t-2", 0): 141, ("t-2", 1): 2}
    rollouts = [
        rollout(SEARCH, DETAILS, name=name, attempt=attempt, answer={"price": price}, usage={"input": 1000, "output": 100})
        for (name, attempt), price in answers.items()
    ]
    return tasks, [one.graded(tasks[0]) for one in rollouts]


def test_scores_are_those_of_their_definitions_by_every_property() -> None:
    tasks, rollouts = held()
    report = score(tasks, list(reversed(rollouts)), MANIFEST, price=(10.0, 100.0))
    assert (report["tasks"], report["k"], report["rollouts"]) == (2, 2, 4)
    assert (report["pass@1"], report["pass@k"], report["pass^k"]) == (0.75, 1.0, 0.5)
    assert report["curve"] == [{"k": 1, "pass@": 0.75, "pass^": 0.75}, {"k": 2, "pass@": 1.0, "pass^": 0.5}]
    assert report["interval"] == [0.5, 1.0]
    assert report["failures"] == {"answer": 1}
    assert report["by_match"] == {"exact": 8}
    assert {name: group["pass@1"] for name, group in report["by_server"].items()} == {"air": 0.75, "sea": 0.5}
    assert report["by_kind"]["fan_in"]["pass^k"] == 0.0
    assert report["by_difficulty"]["easy"]["tasks"] == 1
    assert report["usage"]["cost"] == pytest.approx(4 * 0.02)


def test_a_run_that_is_not_complete_has_no_score() -> None:
    tasks, rollouts = held()
    with pytest.raises(TaskError, match="from 1 to 2 attempts each: the run is not complete"):
        score(tasks, rollouts[:-1], MANIFEST)


def kept(folder: Path, rewards: dict[str, list[float]], **changes: Any) -> RunFolder:
    tasks = [task(name, **changes) for name in rewards]
    run = RunFolder.begin(folder, {**MANIFEST, "run": folder.name}, tasks)
    run.replace([Rollout(name, place, reward=value) for name, given in rewards.items() for place, value in enumerate(given)])
    return RunFolder.load(folder)


def test_two_runs_are_compared_task_by_task(tmp_path: Path) -> None:
    a = kept(tmp_path / "a", {"t-1": [0, 0], "t-2": [1, 0], "t-3": [1, 1], "only-a": [1, 1]})
    b = kept(tmp_path / "b", {"t-1": [1, 1], "t-2": [1, 1], "t-3": [1, 1]})
    found = compare(a, b)
    assert (found["tasks"], found["left_out"]) == (3, 1)
    assert found["difference"] == pytest.approx(0.5)
    assert (found["wins"], found["losses"], found["ties"]) == (2, 0, 1)
    assert found["p"] == sign_test(2, 0) == 0.5
    assert found["interval"][0] <= 0.5 <= found["interval"][1]
    assert found["differs"] == ["run"]
    with pytest.raises(UsageError, match="no task in common"):
        compare(a, kept(tmp_path / "c", {"t-9": [1]}))
    with pytest.raises(UsageError, match="has another answer"):
        compare(a, kept(tmp_path / "d", {"t-1": [1]}, answer={"price": 3}))


def test_the_sign_test_is_the_exact_one() -> None:
    assert sign_test(0, 0) == sign_test(5, 5) == 1.0
    assert sign_test(9, 1) == pytest.approx(22 / 1024)


def test_a_half_written_last_line_is_dropped_and_a_damaged_one_named(tmp_path: Path) -> None:
    run = kept(tmp_path / "a", {"t-1": [1, 0]})
    file = tmp_path / "a" / "rollouts.jsonl"
    file.write_bytes(file.read_bytes() + b'{"task": "t-1", "att')
    assert len(RunFolder.begin(tmp_path / "a", run.manifest, run.tasks).rollouts()) == 2
    file.write_bytes(b"[]\n" + file.read_bytes())
    with pytest.raises(TaskError, match="line 1 is not a rollout"):
        run.rollouts()


def test_no_cell_of_a_table_is_a_formula_and_no_name_breaks_a_leaderboard() -> None:
    tasks, rollouts = held()
    known = {one.id: one for one in tasks}
    spoiled = [rollout(name="t-1", error="=cmd|' /C calc'!A0", answer="@SUM(A1)").graded(tasks[0])]
    (row,) = csv.DictReader(io.StringIO(rollouts_csv(known, spoiled)))
    assert row["error"] == "'=cmd|' /C calc'!A0"
    rows = list(csv.DictReader(io.StringIO(tasks_csv(known, rollouts))))
    assert [(row["task"], row["attempts"], row["passed"]) for row in rows] == [("t-1", "2", "2"), ("t-2", "2", "1")]
    report = score(tasks, rollouts, MANIFEST)
    other = {**report, "subject": "a|b\n[x](y)", "pass@1": 0.1, "manifest": {"tasks": "others"}}
    lines = leaderboard([other, report]).splitlines()
    assert lines[2].startswith("| m | 75.0% |")
    assert lines[3].startswith("| a\\|b \\[x\\](y) * | 10.0% |")
    assert "not to be compared" in lines[5]


def test_the_page_shows_every_trajectory_and_takes_nothing_for_markup() -> None:
    tasks, rollouts = held()
    hostile = task("t-3", request=EVIL, servers=[EVIL], answer={"price": 1})
    bad = RolloutCall(EVIL, {EVIL: EVIL}, EVIL, cause=EVIL, shown=EVIL, invented=[EVIL])
    talk = [{"role": "assistant", "content": EVIL}, {"type": "function_call", "name": EVIL, "arguments": EVIL}]
    spoiled = [
        rollout(bad, name="t-3", attempt=attempt, error=EVIL, messages=talk, answer={EVIL: EVIL}).graded(hostile)
        for attempt in (0, 1)
    ]
    report = score([*tasks, hostile], [*rollouts, *spoiled], {**MANIFEST, "subject": {"name": EVIL}})
    page = render_bench(report, [*tasks, hostile], [*rollouts, *spoiled])
    assert page.count("<script>") == 1
    assert "<img" not in page
    assert page.count('class="attempt ') == 6
    assert len(re.findall(r'<details class="task"', page)) == 3
    assert "1 of 2 passed" in page


def test_a_task_of_a_known_benchmark_is_graded_by_the_world_in_the_end() -> None:
    given = task(answer={}, outcome={"state": "blake2b:1", "told": ["1,628", "Gold"]})
    reply = {"reply": "You get 1628 USD back, as a gold member."}
    assert rollout(answer=reply, state="blake2b:1").graded(given).reward == 1.0
    assert rollout(answer=reply, state="blake2b:2").graded(given).reward == 0.0
    assert rollout(answer={"reply": "1628"}, state="blake2b:1").graded(given).reward == 0.0
    assert rollout(answer=None, state="blake2b:1").graded(given).reward == 0.0
