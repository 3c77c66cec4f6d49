"""Tasks as environments of other trainers, each against the real package; what is not installed is skipped.

pip install trl==1.16.0          pip install verifiers==0.2.0 (it needs an environment without openai-agents)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task
from firefly_proxies.in_thread import ServedInThread
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http
from firefly_train.demonstrations import Demonstration, demonstrate
from firefly_train.environment import Attempts


@pytest.fixture
def url(recording: Recording) -> Iterator[str]:
    """A replay proxy of the shop, in a thread."""
    with ServedInThread(lambda: running_http(ReplayFactory(recording, log=False))) as served:
        yield served.url


def calls(shown: Demonstration) -> list[JsonObject]:
    return [message["tool_calls"][0]["function"] for message in shown.messages if message.get("tool_calls")]


def test_an_attempt_that_follows_the_plan_is_right_and_one_that_guesses_is_not(
    tasks: list[Task], recording: Recording, url: str
) -> None:
    shown = demonstrate(tasks, recording)[0]
    attempts = Attempts(url)
    try:
        right, wrong = attempts.begin(shown.task), attempts.begin(shown.task)
        said = [attempts.call(right, call["name"], call["arguments"]) for call in calls(shown)]
        assert said[:-1] == [message["content"] for message in shown.messages if message["role"] == "tool"]
        assert (right.reward, right.over, right.trajectory.kinds) == (1.0, True, {"exact": 2})
        assert "no tool 'rm'" in attempts.call(wrong, "rm", {})
        attempts.call(wrong, "submit_answer", {"answer": {"total": 0}})
        assert (wrong.reward, wrong.over, wrong.trajectory.refused) == (0.0, True, 1)
    finally:
        attempts.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")  # TRL's own, and those of what it imports
def test_trl_trains_a_step_on_environments_of_recorded_tasks(
    tasks: list[Task], recording: Recording, url: str, tmp_path: Path
) -> None:
    pytest.importorskip("trl", reason="trl is not installed")
    import torch
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from firefly_train import tiny_model
    from firefly_train.trl_environment import TrlTasks

    shown = demonstrate(tasks, recording)
    told = TrlTasks(tasks, recording, url)
    try:
        (name, make), *others = told.factories().items()
        assert others == []
        environment = make()
        environment.reset(task_id=shown[0].task.id)
        for call in calls(shown[0]):
            getattr(environment, call["name"])(**call["arguments"])
        assert environment.get_reward() == 1.0
        rows = told.rows("train")
        assert {row["environment"] for row in rows} == {name}
        tokenizer = tiny_model.build_tokenizer(shown, 512)
        model = tiny_model.build_model(tokenizer, tiny_model.TinySize(hidden=80, layers=2, heads=2), 1)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        trainer = GRPOTrainer(
            model=model,
            args=GRPOConfig(
                output_dir=str(tmp_path / "trl"),
                max_steps=1,
                per_device_train_batch_size=2,
                num_generations=2,
                max_completion_length=16,
                use_cpu=True,
                report_to=[],
                bf16=False,
            ),
            train_dataset=Dataset.from_list(rows),
            environment_factory=told.factories(),
            processing_class=tokenizer,
        )
        assert {tool.__name__ for tool in trainer.tools} == {entry["function"]["name"] for entry in shown[0].tools}
        trainer.train()
        assert trainer.state.global_step == 1
        assert all(torch.isfinite(value).all() for value in trainer.model.state_dict().values())
        assert set(before) <= set(trainer.model.state_dict())
    finally:
        told.close()


class FollowsPlans:
    """An endpoint that speaks chat completions and, of every task, makes the next call of its plan."""

    def __init__(self, shown: list[Demonstration]) -> None:
        self._plans = {one.task.request: calls(one) for one in shown}

    async def complete(self, request: web.Request) -> web.Response:
        body: dict[str, Any] = await request.json()
        asked = next(message["content"] for message in body["messages"] if message["role"] == "user")
        made = sum(message["role"] == "assistant" for message in body["messages"])
        call = self._plans[asked if isinstance(asked, str) else asked[0]["text"]][made]
        assert call["name"] in {tool["function"]["name"] for tool in body["tools"]}
        function = {"name": call["name"], "arguments": json.dumps(call["arguments"])}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": f"c{made}", "type": "function", "function": function}],
        }
        choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return web.json_response(
            {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
        )


async def test_verifiers_evaluates_on_recorded_tasks(
    tasks: list[Task], tasks_file: Path, store: Path, recording: Recording, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("verifiers", reason="verifiers is not installed")
    from verifiers.types import ClientConfig

    from firefly_train.verifiers_environment import load_environment

    shown = demonstrate(tasks, recording)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", FollowsPlans(shown).complete)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    monkeypatch.setenv("FIREFLY_TEST_KEY", "none")
    try:
        environment = load_environment(str(tasks_file), str(store), url)
        client = ClientConfig(api_base_url=f"http://127.0.0.1:{runner.addresses[0][1]}/v1", api_key_var="FIREFLY_TEST_KEY")
        told = await environment.evaluate(client, "m", rollouts_per_example=2)
    finally:
        await runner.cleanup()
    assert [output["reward"] for output in told["outputs"]] == [1.0, 1.0]
