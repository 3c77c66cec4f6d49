from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest

from firefly_mcp.errors import TaskError, UsageError
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task
from firefly_train import checks
from firefly_train.demonstrations import demonstrate


class Words:
    """A tokenizer whose tokens are words; its template can leave the tools out."""

    def __init__(self, *, tools: bool = True) -> None:
        self.chat_template = "words"
        self._tools = tools

    def __call__(self, text: str) -> dict[str, list[str]]:
        return {"input_ids": text.split()}

    def apply_chat_template(self, messages: Any, *, tools: Any = None, tokenize: bool = True, **_: Any) -> Any:
        said = " ".join(str(message) for message in messages)
        rendered = f"{tools} {said}" if tools and self._tools else said
        return {"input_ids": rendered.split()} if tokenize else rendered


def test_a_missing_package_is_named_with_what_to_install() -> None:
    def installed(name: str) -> str:
        if name == "torch":
            raise PackageNotFoundError(name)
        return {"verl": "0.9.1"}.get(name, "1")

    with pytest.raises(UsageError, match=r"training needs torch, which is not installed: pip install"):
        checks.check_installed(installed)


def test_another_version_of_verl_is_refused() -> None:
    with pytest.raises(UsageError, match=r"needs verl 0\.9\.1; 0\.7\.1 is installed"):
        checks.check_installed(lambda name: "2.13.0+cpu" if name == "torch" else "0.7.1")


def test_a_torch_that_is_too_old_is_refused() -> None:
    with pytest.raises(UsageError, match=r"needs torch 2\.6 or newer; 2\.5\.1 is installed: pip install torch"):
        checks.check_installed(lambda name: "2.5.1" if name == "torch" else "0.9.1")


def test_versions_are_given_when_all_is_there() -> None:
    found = checks.check_installed(lambda name: "2.13.0" if name == "torch" else "0.9.1")
    assert set(checks.NEEDED) < set(found)


def test_a_template_that_leaves_the_tools_out_is_refused(tasks: list[Task], recording: Recording) -> None:
    shown = demonstrate(tasks, recording)[0]
    checks.check_template(Words(), shown)
    with pytest.raises(UsageError, match="leaves the tools out"):
        checks.check_template(Words(tools=False), shown)


class Hermes:
    """A tokenizer whose template writes calls in Hermes' form, or in another, or shortens names."""

    def __init__(self, form: str = "<tool_call>{}</tool_call>", most: int = 64) -> None:
        self._form = form
        self._most = most

    def apply_chat_template(self, messages: Any, **_: Any) -> str:
        function = messages[-1]["tool_calls"][0]["function"]
        return self._form.format(json.dumps({"name": function["name"][: self._most], "arguments": function["arguments"]}))


def test_a_template_must_carry_every_tool_s_name(tasks: list[Task], recording: Recording) -> None:
    shown = demonstrate(tasks, recording)
    checks.check_names(Hermes(), shown)
    with pytest.raises(UsageError, match="cannot carry a call of the tool 'find_customer'"):
        checks.check_names(Hermes(most=8), shown)


def test_a_template_that_writes_calls_in_another_form_is_told(tasks: list[Task], recording: Recording) -> None:
    with pytest.raises(UsageError, match=r"multi_turn\.format=FORM"):
        checks.check_names(Hermes("[CALL] {}"), demonstrate(tasks, recording))


def test_tasks_longer_than_the_budget_are_left_out(tasks: list[Task], recording: Recording) -> None:
    demonstrations = demonstrate(tasks, recording)
    short = demonstrate([tasks[0].model_copy(update={"tools": ["find_customer", "list_orders"]})], recording)
    prompt, response = checks.lengths(Words(), short[0])
    fit = checks.fitting(Words(), [*demonstrations, *short], prompt, response + 1000)
    assert fit.demonstrations == short
    assert (fit.left_out, fit.prompt_tokens, fit.response_tokens) == (4, prompt, response)


def test_a_plan_with_a_longer_turn_than_may_be_said_is_left_out(tasks: list[Task], recording: Recording) -> None:
    demonstrations = demonstrate(tasks, recording)
    turn = max(checks.longest_turn(Words(), shown) for shown in demonstrations)
    assert checks.fitting(Words(), demonstrations, 10_000, 10_000, turn).left_out == 0
    with pytest.raises(TaskError, match="no task fits"):
        checks.fitting(Words(), demonstrations, 10_000, 10_000, min(turn, 5))


def test_the_shortest_tasks_of_each_split_are_kept(tasks: list[Task], recording: Recording) -> None:
    demonstrations = demonstrate(tasks, recording)
    assert [shown.task.split for shown in checks.shortest(demonstrations, 1)] == ["train", "test"]
    assert checks.shortest(demonstrations, 0) == demonstrations


def test_when_no_task_fits_the_shortest_is_told(tasks: list[Task], recording: Recording) -> None:
    with pytest.raises(TaskError, match=r"no task fits 3 prompt and 4 response tokens; the shortest needs \(\d+, \d+\)"):
        checks.fitting(Words(), demonstrate(tasks, recording), 3, 4)


def test_a_limit_that_would_cut_evidence_is_refused(tasks: list[Task], recording: Recording) -> None:
    demonstrations = demonstrate(tasks, recording)
    longest = max(shown.longest_result for shown in demonstrations)
    checks.check_result_length(demonstrations, longest)
    with pytest.raises(UsageError, match=f"would cut a result of {longest} characters"):
        checks.check_result_length(demonstrations, longest - 1)
