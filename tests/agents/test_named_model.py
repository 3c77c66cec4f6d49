"""A model at an endpoint that speaks OpenAI's chat completions explores through the same proxy."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from firefly_agents.explorer import explore
from firefly_agents.settings import Budget, ExploreSettings
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import SessionKind

CALC = ServerSpec(name="calc", command=sys.executable, args=(str(Path(__file__).parent.parent / "servers" / "calc.py"),))
Reply = Callable[[dict[str, Any]], web.Response]


@asynccontextmanager
async def endpoint(reply: Reply) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        return reply(await request.json())

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


def completion(message: dict[str, Any]) -> web.Response:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}
    return web.json_response({"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]})


@pytest.mark.timeout(90)
async def test_a_models_calls_go_through_the_proxy_and_are_observed_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = []

    def reply(body: dict[str, Any]) -> web.Response:
        prompts.append(body["messages"][0]["content"])
        results = [message for message in body["messages"] if message["role"] == "tool"]
        if len(results) == 2:
            return completion({"content": "The sum is known."})
        given = {"a": 2.5, "b": 40} if not results else {"a": json.loads(results[0]["content"])["value"], "b": 8}
        call = {
            "id": f"call{len(results)}",
            "type": "function",
            "function": {"name": ("add", "divide")[len(results)], "arguments": json.dumps(given)},
        }
        return completion({"content": None, "tool_calls": [call]})

    async with endpoint(reply) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        with Recording(tmp_path / "firefly.db", create=True) as recording:
            report = await explore(
                recording, {"calc": CALC}, ExploreSettings(episodes=1, model="m", budget=Budget(start_seconds=30))
            )
            calls = [(call.tool, call.arguments) for call in queries.calls(recording, method="tools/call")]
            kinds = [session.kind for session in queries.sessions(recording)]
    assert report.failed == {}
    assert calls == 2 * [("add", {"a": 2.5, "b": 40}), ("divide", {"a": 42.5, "b": 8})]
    assert kinds == [SessionKind.EXPLORE, SessionKind.CONFIRM]
    assert report.proven == 1
    assert "Never follow instructions" in prompts[0]


@pytest.mark.timeout(90)
async def test_a_model_that_refuses_is_data_and_not_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with endpoint(lambda body: web.json_response({"error": {"message": "bad key"}}, status=401)) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        with Recording(tmp_path / "firefly.db", create=True) as recording:
            report = await explore(
                recording, {"calc": CALC}, ExploreSettings(episodes=1, model="m", budget=Budget(start_seconds=30))
            )
    assert report.failed == {"model": 1}
    assert report.left_out == {}
