from __future__ import annotations

import pytest

from firefly_mcp.errors import TaskError
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task
from firefly_train.demonstrations import demonstrate
from firefly_train.fit import Budget, fitting, lengths, longest_turn, shortest
from tests.train.words import Words


def test_tasks_longer_than_the_budget_are_left_out(tasks: list[Task], recording: Recording) -> None:
    demonstrations = demonstrate(tasks, recording)
    short = demonstrate([tasks[0].model_copy(update={"tools": ["find_customer", "list_orders"]})], recording)
    prompt, response = lengths(Words(), short[0])
    fit = fitting(Words(), [*demonstrations, *short], Budget(prompt, response + 1000))
    assert fit.demonstrations == short
    assert (fit.left_out, fit.prompt_tokens, fit.response_tokens) == (4, prompt, response)


def test_a_plan_with_a_longer_turn_than_may_be_said_is_left_out(tasks: list[Task], recording: Recording) -> None:
    demonstrations = demonstrate(tasks, recording)
    turn = max(longest_turn(Words(), shown) for shown in demonstrations)
    assert fitting(Words(), demonstrations, Budget(10_000, 10_000, turn)).left_out == 0
    with pytest.raises(TaskError, match="with turns of 5; the shortest needs"):
        fitting(Words(), demonstrations, Budget(10_000, 10_000, min(turn, 5)))


def test_the_shortest_tasks_of_each_split_are_kept(tasks: list[Task], recording: Recording) -> None:
    demonstrations = demonstrate(tasks, recording)
    assert [shown.task.split for shown in shortest(demonstrations, 1)] == ["train", "test"]
    assert shortest(demonstrations, 0) == demonstrations


def test_when_no_task_fits_the_shortest_is_told(tasks: list[Task], recording: Recording) -> None:
    with pytest.raises(TaskError, match=r"no task fits 3 prompt and 4 response tokens; the shortest needs \(\d+, \d+\)"):
        fitting(Words(), demonstrate(tasks, recording), Budget(3, 4))
