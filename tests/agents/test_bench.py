"""Benchmarks end to end: subjects work on proven tasks through the replay proxy, and what they did is kept."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web
from mcp import Client

from firefly_agents.bench.agent import AgentSubject
from firefly_agents.bench.named import subject_named
from firefly_agents.bench.runner import BenchSettings, bench
from firefly_agents.bench.subjects import Desk, Limits, Oracle, Solution
from firefly_agents.bench.suites import chosen_tasks
from firefly_agents.models import make_named_model
from firefly_mcp.bench.results import regrade, write_results
from firefly_mcp.bench.rollout import Rollout
from firefly_mcp.bench.run_folder import RunFolder, load_report
from firefly_mcp.cli import main
from firefly_mcp.errors import FireflyError, TaskError, UsageError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.redact import Redactor
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task, write_tasks
from firefly_mcp.types import SessionKind
from firefly_proxies.record import RecordFactory
from firefly_proxies.serve import running_http
from tests.agents.bench_peers import SPECS, Reply, calls, endpoint, recorded, results, said

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Task]]:
    folder = tmp_path_factory.mktemp("bench")
    return folder, anyio.run(recorded, folder)


@pytest.fixture
def store(made: tuple[Path, list[Task]], tmp_path: Path) -> Path:
    shutil.copy(made[0] / "firefly.db", tmp_path / "firefly.db")
    return tmp_path / "firefly.db"


@pytest.fixture
def tasks(made: tuple[Path, list[Task]]) -> list[Task]:
    return made[1]


def without_time(report: JsonObject) -> JsonObject:
    return {key: value for key, value in report.items() if key != "timing"}


async def run_model(store: Path, tasks: list[Task], reply: Reply, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Rollout:
    """One attempt of a scripted model at the first task, as it was kept."""
    out = store.parent / "run"
    async with endpoint(reply) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        model = make_named_model("m")
        with Recording(store) as recording:
            subject = AgentSubject("m", lambda task, desk, attempt: model, seed=7)
            await bench(tasks[:1], recording, subject, BenchSettings(limits=Limits(**settings)), out=out)
    (rollout,) = RunFolder.load(out).rollouts()
    return rollout


def plan_follower(task: Task, asked: list[JsonObject] | None = None) -> Reply:
    """A model that carries out the plan of the first task (add, then divide) and then submits its answer."""

    def reply(body: dict[str, Any]) -> web.Response:
        if asked is not None:
            asked.append(body)
        told = results(body)
        if len(told) == 0:
            return calls("calc_add", {"a": 1234.5, "b": 77.25}, "call_1")
        if len(told) == 1:
            return calls("calc_divide", {"a": json.loads(told[0])["value"], "b": 3.5}, "call_2")
        if len(told) == 2:
            return calls("submit_answer", {"answer": {"value": 374.8}}, "call_3")
        return calls("submit_answer", {"answer": task.answer}, "call_4")

    return reply


async def test_a_model_solves_a_task_and_is_told_what_is_wrong_with_an_answer(
    store: Path, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[JsonObject] = []
    rollout = await run_model(store, tasks, plan_follower(tasks[0], asked), monkeypatch)
    assert (rollout.reward, rollout.failure, rollout.submitted) == (1.0, "", True)
    assert [(call.name, call.match, call.node) for call in rollout.calls] == [
        ("calc_add", "exact", "n1"),
        ("calc_divide", "exact", "n2"),
    ]
    assert "not accepted: the answer must have exactly the fields" in results(asked[-1])[-1]
    assert rollout.usage == {"requests": 4, "input": 400, "output": 40}
    assert {tool["function"]["name"] for tool in asked[0]["tools"]} == {*tasks[0].tools, "submit_answer"}
    assert asked[0]["seed"] == 7
    assert "firefly/" not in json.dumps(asked), "the subject must not see how its calls were matched"
    with Recording(store) as recording:
        (session,) = queries.sessions(recording, kind=SessionKind.REPLAY)
    assert session.labels["task"] == tasks[0].id
    assert session.labels["reward"] == 1.0
    assert session.config["subject"]["name"] == "m"


async def test_an_answer_in_the_last_message_counts_as_well(
    store: Path, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = await run_model(store, tasks, lambda body: said(f"It is {json.dumps(tasks[0].answer)}."), monkeypatch)
    assert (rollout.reward, rollout.submitted, rollout.calls) == (1.0, False, [])


async def test_a_call_that_was_never_recorded_is_the_subjects_wrong_argument(
    store: Path, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []

    def reply(body: dict[str, Any]) -> web.Response:
        told[:] = results(body)
        if not told:
            return calls("calc_add", {"a": 5555.5, "b": 77.25}, "call_1")
        if len(told) == 1:
            return calls("calc_divide", {"a": 5555.5, "b": 3.5}, "call_2")
        return calls("submit_answer", {"answer": {"share": 1.0}}, "call_3")

    rollout = await run_model(store, tasks, reply, monkeypatch)
    assert (rollout.reward, rollout.failure) == (0.0, "argument")
    assert [(call.match, call.cause) for call in rollout.calls] == 2 * [("miss", "never_recorded")]
    assert rollout.calls[0].invented == ["/a"]
    assert "nearest recorded" in rollout.calls[0].shown
    shown = json.dumps(told)
    assert shown.count("this call cannot be answered here") == 2
    assert "1234.5" not in shown, "what was recorded instead is no hint to the subject"


async def test_an_endpoint_that_refuses_is_the_models_failure(
    store: Path, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = {"error": {"message": "bad key"}}
    rollout = await run_model(store, tasks, lambda body: web.json_response(refusal, status=401), monkeypatch)
    assert (rollout.failure, rollout.boundary) == ("model", "model")
    assert "bad key" in rollout.error


@pytest.mark.parametrize("limits", [{"calls": 3}, {"tokens": 250}], ids=["calls", "tokens"])
async def test_a_spent_budget_ends_an_attempt_and_is_its_failure(
    limits: dict[str, int], store: Path, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = iter(range(100))
    rollout = await run_model(
        store, tasks, lambda body: calls("notes_list_notes", {}, f"call_{next(counter)}"), monkeypatch, **limits
    )
    assert (rollout.failure, rollout.answer) == ("budget", None)
    assert len(rollout.calls) == 3 if "calls" in limits else len(rollout.calls) < 4


async def test_what_is_no_answer_is_a_failure_of_format(
    store: Path, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = await run_model(store, tasks, lambda body: said("I do not know."), monkeypatch)
    assert (rollout.failure, rollout.answer) == ("format", None)
    assert [message.get("role") for message in rollout.messages] == ["user", "assistant"]


async def test_a_deterministic_subject_has_the_same_figures_twice_to_the_last_digit(store: Path, tasks: list[Task]) -> None:
    reports = []
    for concurrency in (1, 3):
        with Recording(store) as recording:
            subject = subject_named("planner", tasks)
            settings = BenchSettings(k=2, concurrency=concurrency)
            reports.append(await bench(tasks, recording, subject, settings, out=store.parent / f"run{concurrency}"))
    assert without_time(reports[0]) == without_time(reports[1])
    lines = [
        [(one.task, one.attempt, one.answer, one.calls) for one in RunFolder.load(store.parent / f"run{n}").rollouts()]
        for n in (1, 3)
    ]
    assert lines[0] == lines[1]
    assert any(held[3] for held in lines[0])


async def test_baselines_bound_the_scale(store: Path, tasks: list[Task]) -> None:
    reports = {}
    for name in ("oracle", "shortcut", "random"):
        with Recording(store) as recording:
            reports[name] = await bench(tasks, recording, subject_named(name, tasks), k=2)
    assert reports["oracle"]["pass^k"] == 1.0
    assert reports["oracle"]["misses"] == reports["oracle"]["failures"] == {}
    assert reports["oracle"]["by_match"] == {"exact": 2 * sum(len(task.plan) for task in tasks)}
    assert reports["shortcut"]["calls"]["total"] == 0
    assert reports["random"]["calls"]["total"] > 0
    assert reports["shortcut"]["pass@k"] == reports["random"]["pass@k"] == 0.0


async def test_killed_in_the_middle_and_resumed_it_ends_as_if_it_had_not_been(store: Path, tasks: list[Task]) -> None:
    """The endpoint kills the process that asks it, in the middle of an attempt."""
    file = store.parent / "tasks.jsonl"
    write_tasks(file, tasks)
    follow = plan_follower(tasks[0])
    asked = 0
    running: Process | None = None

    def reply(body: dict[str, Any]) -> web.Response:
        nonlocal asked
        asked += 1
        if running is not None and asked == 10:
            running.send_signal(signal.SIGKILL)
        return follow(body)

    async def run(out: str, url: str) -> int:
        nonlocal running
        command = [sys.executable, "-m", "firefly_mcp", "bench", "--store", str(store), "--tasks", str(file)]
        command += ["--model", "m", "--k", "2", "--concurrency", "1", "--out", str(store.parent / out)]
        env = {"PATH": "/usr/bin:/bin", "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-test"}
        running = await asyncio.create_subprocess_exec(*command, env=env, stdout=PIPE, stderr=PIPE)
        _, errors = await running.communicate()
        assert running.returncode in (0, -signal.SIGKILL), errors
        return int(running.returncode)

    async with endpoint(reply) as url:
        assert await run("killed", url) == -signal.SIGKILL
        before = RunFolder.load(store.parent / "killed").rollouts()
        assert 0 < len(before) < 2 * len(tasks)
        assert await run("killed", url) == 0
        assert await run("whole", url) == 0
    killed, whole = (load_report(store.parent / name) for name in ("killed", "whole"))
    assert without_time(killed) == without_time(whole)
    assert killed["rollouts"] == 2 * len(tasks)
    assert RunFolder.load(store.parent / "killed").rollouts()[: len(before)] == before, "what was done is not done again"


async def test_a_budget_of_the_whole_run_leaves_the_rest_for_later(
    store: Path, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = store.parent / "run"
    async with endpoint(plan_follower(tasks[0])) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        with Recording(store) as recording:
            some = BenchSettings(concurrency=1, max_tokens=1)
            first = await bench(tasks, recording, subject_named("m", tasks), some, out=out)
            rest = await bench(tasks, recording, subject_named("m", tasks), BenchSettings(), out=out)
    assert (first["tasks"], first["rollouts_left"]) == (1, 2)
    assert (rest["tasks"], rest["rollouts_left"]) == (3, 0)


class Breaking(Oracle):
    """The oracle on a line that breaks: at the first attempt once, at the second task for good."""

    def __init__(self, hopeless: str) -> None:
        self.hopeless, self.broken = hopeless, False

    async def solve(self, task: Task, desk: Desk, attempt: int) -> Solution:
        if task.id == self.hopeless or not self.broken:
            self.broken = True
            raise ConnectionResetError("the line broke")
        return await super().solve(task, desk, attempt)


async def test_a_broken_line_is_tried_again_and_takes_no_other_attempt_with_it(store: Path, tasks: list[Task]) -> None:
    out = store.parent / "run"
    with Recording(store) as recording:
        report = await bench(tasks, recording, Breaking(tasks[1].id), BenchSettings(concurrency=1), out=out)
    assert report["failures"] == {"proxy": 1}
    assert [one.reward for one in RunFolder.load(out).rollouts()] == [1.0, 0.0, 1.0]
    assert RunFolder.load(out).rollouts()[1].error == "ConnectionResetError: the line broke"


async def test_a_run_folder_takes_no_other_run(store: Path, tasks: list[Task]) -> None:
    out = store.parent / "run"
    with Recording(store) as recording:
        await bench(tasks[:1], recording, Oracle(), out=out)
        with pytest.raises(UsageError, match=r"holds another run \(k: 1 there, 2 now\)"):
            await bench(tasks[:1], recording, Oracle(), k=2, out=out)


async def test_stored_rollouts_are_graded_again_without_a_model(store: Path, tasks: list[Task]) -> None:
    out = store.parent / "run"
    with Recording(store) as recording:
        report = await bench(tasks, recording, Oracle(), out=out)
    write_results(RunFolder.load(out), report)
    again, changed = regrade(RunFolder.load(out))
    assert without_time(again) == {key: value for key, value in without_time(report).items() if key != "rollouts_left"}
    assert changed["changed"] == 0
    mended = [tasks[0].model_copy(update={"answer": {"share": 1.0}}), *tasks[1:]]
    again, changed = regrade(RunFolder.load(out), mended)
    assert changed["now_failed"] == 1
    assert again["pass@1"] == (len(tasks) - 1) / len(tasks)
    assert again["failures"] == {"answer": 1}
    assert load_report(out)["pass@1"] == again["pass@1"]
    assert main(["regrade", str(out)]) == 0


async def test_tasks_of_another_recording_and_missing_tools_are_refused_in_one_line(store: Path, tasks: list[Task]) -> None:
    foreign = store.parent / "other.db"
    with Recording(foreign, create=True) as recording:
        factory = RecordFactory(recording, SPECS, redactor=Redactor())
        async with running_http(factory) as url, Client(url, mode="legacy") as client:
            await client.list_tools()
            await client.call_tool("calc_add", {"a": 1, "b": 2})
        with pytest.raises(TaskError, match="was made from another recording"):
            await bench(tasks, recording, Oracle())
    lacking = tasks[0].model_copy(update={"tools": [*tasks[0].tools, "calc_root"]})
    with Recording(store) as recording, pytest.raises(TaskError, match=r"needs the tool 'calc_root', which this recording"):
        await bench([lacking], recording, Oracle())


def test_what_cannot_be_run_is_said_in_one_line(
    made: tuple[Path, list[Task]], store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(made[0] / "tasks.jsonl")
    assert main(["bench", "--store", str(store), "--tasks", file]) == 2
    assert "--model NAME is missing" in capsys.readouterr().err
    with pytest.raises(UsageError, match="no task is left with --split nowhere; it has the splits"):
        chosen_tasks(made[0] / "tasks.jsonl", split="nowhere")
    assert main(["bench", "--store", str(store), "--tasks", file, "--model", "oracle", "--suite", "mcpmark"]) == 2
    assert "--suite mcpmark cannot run offline: it needs the tasks of MCPMark" in capsys.readouterr().err
    with pytest.raises(FireflyError, match="not the folder of a benchmark run"):
        RunFolder.load(tmp_path)
    assert main(["bench", "leaderboard", str(tmp_path)]) == 2
    assert "no benchmark result there" in capsys.readouterr().err
