"""Tasks as Python objects: sessions answered by replay, scored, bounded, and refused where task and recording do not fit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.errors import TaskError, UsageError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.replay import ReplayPolicy
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Source, Task
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.task_desk import TaskDesk
from firefly_proxies.task_session import Limits, TaskSession
from tests.proxies import noted


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "notes.db"
    noted.record(path)
    return path


@asynccontextmanager
async def opened(store: Path, **settings: Any) -> AsyncIterator[TaskDesk]:
    with Recording(store) as recording:
        desk = TaskDesk(ReplayFactory(recording), noted.tasks(recording), **settings)
        try:
            yield desk
        finally:
            await desk.close()


async def solve(session: TaskSession) -> JsonObject:
    """Do what the task's plan says; gives the answer."""
    added = await session.call("notes_add_note", session.task.plan[0].arguments)
    listed = await session.call("notes_list_notes")
    note_id = added["structuredContent"]["id"]
    await session.call("notes_get_note", {"note_id": note_id})
    return {"count": listed["structuredContent"]["count"], "note_id": note_id}


async def test_the_right_answer_is_worth_one_and_its_way_there_is_kept(store: Path) -> None:
    async with opened(store) as desk:
        session = await desk.open(next(iter(desk.tasks)))
        outcome = await session.submit(await solve(session))
        assert (outcome.accepted, outcome.reward, session.ended) == (True, 1.0, "answered")
        (result,) = desk.results
    assert [step["tool"] for step in result["trajectory"]] == ["add_note", "list_notes", "get_note"]
    assert result["by_match"] == {"exact": 3}
    assert result["manifest"]["recording"]["hash"].startswith("blake2b:")
    assert "_meta" not in result["trajectory"][0]["result"]


async def test_a_wrong_answer_is_worth_nothing_and_ends_the_session(store: Path) -> None:
    async with opened(store) as desk:
        session = await desk.open(next(iter(desk.tasks)))
        outcome = await session.submit({"count": 7, "note_id": "note-0"})
        assert (outcome.accepted, outcome.reward) == (True, 0.0)
        said = await session.call("notes_list_notes")
        assert said["isError"]
        assert "its answer was taken" in said["content"][0]["text"]
        assert not (await session.submit(session.task.answer)).accepted
        assert session.reward == 0.0


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ({"count": "one", "note_id": "x"}, "answer.count"),
        ({"count": 1}, "'note_id' is a required property"),
        ({"count": 1, "note_id": "x", "more": 1}, "'more' was unexpected"),
        ("1", "is not of type 'object'"),
        (None, "is not of type 'object'"),
    ],
)
async def test_an_answer_that_does_not_fit_its_schema_is_refused_by_name_and_can_be_given_again(
    store: Path, answer: Any, named: str
) -> None:
    async with opened(store) as desk:
        session = await desk.open(next(iter(desk.tasks)))
        refused = await session.call("submit_answer", {"answer": answer})
        assert refused["isError"]
        assert named in refused["content"][0]["text"]
        assert session.ended is None
        assert (await session.submit(session.task.answer)).reward == 1.0


async def test_a_flat_answer_is_told_where_it_belongs(store: Path) -> None:
    async with opened(store) as desk:
        session = await desk.open(next(iter(desk.tasks)))
        refused = await session.call("submit_answer", {"count": 1, "note_id": "x"})
        assert "takes one argument, 'answer'" in refused["content"][0]["text"]


async def test_calls_are_bounded_and_the_answer_is_still_taken(store: Path) -> None:
    async with opened(store, limits=Limits(calls=3)) as desk:
        session = await desk.open(next(iter(desk.tasks)))
        answer = await solve(session)
        refused = await session.call("notes_list_notes")
        assert "3 calls of this session are spent" in refused["content"][0]["text"]
        assert (await session.submit(answer)).reward == 1.0


async def test_answers_that_do_not_fit_end_the_session_when_its_calls_are_spent(store: Path) -> None:
    async with opened(store, limits=Limits(calls=2)) as desk:
        session = await desk.open(next(iter(desk.tasks)))
        for _ in range(3):
            await session.submit({})
        assert (session.ended, desk.results[0]["reward"]) == ("calls", 0.0)


async def test_a_session_ends_by_itself_when_its_time_is_up(store: Path) -> None:
    ended = asyncio.Event()
    async with opened(store, limits=Limits(seconds=0.05), keep=lambda result: ended.set()) as desk:
        session = await desk.open(next(iter(desk.tasks)))
        await session.call("notes_list_notes")
        async with asyncio.timeout(20):
            await ended.wait()
        assert session.ended == "seconds"
        assert "time is up" in (await session.call("notes_list_notes"))["content"][0]["text"]
        assert not desk.sessions


async def test_what_is_not_offered_is_refused_and_counted(store: Path) -> None:
    async with opened(store, limits=Limits(calls=1)) as desk:
        session = await desk.open(next(iter(desk.tasks)))
        refused = await session.call("notes_delete_note", {"note_id": "x"})
        assert "There is no tool 'notes_delete_note' here" in refused["content"][0]["text"]
        assert session.calls == 1


async def test_sessions_of_one_task_share_no_state(store: Path) -> None:
    async with opened(store) as desk:
        first, second = [await desk.open(next(iter(desk.tasks))) for _ in range(2)]
        await first.call("notes_add_note", first.task.plan[0].arguments)
        answer = await solve(second)
        assert answer["count"] == 1
        assert (await second.submit(answer)).reward == 1.0


async def test_a_miss_is_an_error_that_the_subject_can_read_and_is_counted_by_cause(store: Path) -> None:
    async with opened(store) as desk:
        session = await desk.open(next(iter(desk.tasks)))
        missed = await session.call("notes_add_note", {"title": "never heard of"})
        assert missed["isError"]
        await session.close()
        (result,) = desk.results
    assert (result["ended"], result["by_match"]) == ("closed", {"miss": 1})
    assert result["trajectory"][0]["cause"] == "never_recorded"


async def test_a_subject_that_only_looks_leaves_no_result(store: Path) -> None:
    async with opened(store) as desk:
        await (await desk.open(next(iter(desk.tasks)))).close()
        assert desk.results == []


async def test_the_same_seed_gives_the_same_run_to_the_last_digit(store: Path) -> None:
    runs = []
    for seed in (3, 3, 4):
        async with opened(store, seed=seed) as desk:
            for _ in range(len(desk.tasks)):
                session = await desk.open(desk.next_task().id)
                await session.submit(await solve(session))
            kept = ("task", "reward", "answer", "calls", "by_match", "manifest")
            steps = [[{k: v for k, v in step.items() if k != "seconds"} for step in r["trajectory"]] for r in desk.results]
            tools = [[tool["name"] for tool in desk.offered(task)] for task in desk.tasks.values()]
            runs.append(([{key: result[key] for key in kept} for result in desk.results], steps, tools))
    assert runs[0] == runs[1]
    assert runs[0][2] != runs[2][2]
    assert all(names[-1] == "submit_answer" for names in runs[0][2])


async def test_replayed_calls_do_not_change_the_recordings_hash(store: Path) -> None:
    hashes = set()
    for _ in range(2):
        async with opened(store) as desk:
            hashes.add(desk.manifest["recording"]["hash"])
            session = await desk.open(next(iter(desk.tasks)))
            await session.submit(await solve(session))
    assert len(hashes) == 1


def _changed(task: Task, **update: Any) -> Task:
    return Task.model_validate({**task.model_dump(mode="json", by_alias=True), **update})


SPOILED: list[tuple[Callable[[Task], Task], str]] = [
    (lambda task: _changed(task, recording=Source(id="x", digest="blake2b:0").model_dump()), "other answers than those"),
    (lambda task: _changed(task, tools=[*task.tools, "weather_today"]), "offers the tool 'weather_today'"),
    (lambda task: _changed(task, tools=["calc_add"]), "does not offer it so"),
    (lambda task: _changed(task, tools=[*task.tools, "submit_answer"]), "name of the answer channel"),
    (lambda task: _with_title(task, "autumn rye"), "use the recording that it was made from"),
]


def _with_title(task: Task, title: str) -> Task:
    plan = [node.model_dump(mode="json", by_alias=True) for node in task.plan]
    plan[0]["arguments"]["title"] = title
    return _changed(task, plan=plan)


@pytest.mark.parametrize(("spoil", "why"), SPOILED, ids=["answers", "tools", "plan", "channel", "calls"])
async def test_a_task_that_does_not_fit_the_recording_is_refused_in_one_line(
    store: Path, spoil: Callable[[Task], Task], why: str
) -> None:
    with Recording(store) as recording:
        factory = ReplayFactory(recording)
        with pytest.raises(TaskError, match=why) as raised:
            TaskDesk(factory, [spoil(noted.tasks(recording)[0])])
        assert "\n" not in str(raised.value)
        await factory.close()


async def test_a_desk_without_tasks_or_with_one_twice_is_refused(store: Path) -> None:
    with Recording(store) as recording:
        factory = ReplayFactory(recording)
        task = noted.tasks(recording)[0]
        with pytest.raises(UsageError, match="no tasks"):
            TaskDesk(factory, [])
        with pytest.raises(TaskError, match="twice"):
            TaskDesk(factory, [task, task])
        await factory.close()
        with pytest.raises(UsageError, match="provenance"):
            TaskDesk(ReplayFactory(recording, ReplayPolicy(provenance=False)), [task])
