from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest

from firefly_mcp.errors import UsageError
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task
from firefly_train import checks
from firefly_train.demonstrations import demonstrate
from tests.train.words import Words


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


def test_a_limit_that_would_cut_evidence_is_refused(tasks: list[Task], recording: Recording) -> None:
    demonstrations = demonstrate(tasks, recording)
    longest = max(shown.longest_result for shown in demonstrations)
    checks.check_result_length(demonstrations, longest)
    with pytest.raises(UsageError, match=f"would cut a result of {longest} characters"):
        checks.check_result_length(demonstrations, longest - 1)
