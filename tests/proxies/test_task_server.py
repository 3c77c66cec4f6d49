"""The task server over HTTP, met by real clients: what they are offered, that they share nothing, and what they may not see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import fastmcp
import pytest
from httpx2 import AsyncClient
from mcp import Client

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task
from firefly_proxies.http_checks import Access
from firefly_proxies.plans import execute_plan, label_of, plain_http, session_client
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.task_control import control_app
from firefly_proxies.task_desk import TaskDesk
from firefly_proxies.task_http import task_app
from firefly_proxies.task_results import ResultsFile, read_results
from firefly_proxies.task_serving import running_app
from tests.proxies import noted

TOKEN = "for-control-only"
ACCEPT = {"accept": "application/json, text/event-stream"}
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}},
}


class Serving:
    """A running task server and what is behind it."""

    def __init__(self, url: str, control: str, desk: TaskDesk, http: AsyncClient) -> None:
        self.url = url
        self.control = control
        self.desk = desk
        self.http = http
        self.task: Task = next(iter(desk.tasks.values()))
        self.endpoint = f"{url}/tasks/{self.task.id}/mcp"

    async def get(self, path: str) -> Any:
        return (await self.http.get(self.url + path)).json()

    async def named(self, task: Task | None = None) -> str:
        """The URL of a session that the index opens."""
        answer = await self.http.post(f"{self.url}/sessions", json={"task": (task or self.task).id})
        assert answer.status_code == 201
        return str(answer.json()["url"])

    async def ask(self, method: str, path: str, **body: Any) -> Any:
        """Ask the control endpoint."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        return (await self.http.request(method, self.control + path, headers=headers, json=body or None)).json()


@asynccontextmanager
async def serving(
    folder: Path, *, blind: bool = False, access: Access | None = None, called: str | None = None, **settings: Any
) -> AsyncIterator[Serving]:
    store = folder / "notes.db"
    noted.record(store)
    with Recording(store) as recording, ResultsFile(folder / "results.jsonl") as results:
        tasks = noted.tasks(recording)
        if called is not None:
            tasks[0] = tasks[0].model_copy(update={"id": called})
        desk = TaskDesk(ReplayFactory(recording), tasks, keep=results.keep, **settings)
        app, sessions = task_app(desk, blind=blind, access=access)
        async with (
            running_app(app) as url,
            running_app(control_app(sessions, TOKEN)) as control,
            plain_http() as http,
        ):
            yield Serving(url, control, desk, http)
        await desk.close()


async def solve(client: Client, task: Task) -> JsonObject:
    """Follow the plan and submit what it gives; the submission's structured result."""
    answer = label_of(task, await execute_plan(task, client))
    submitted = await client.call_tool("submit_answer", {"answer": answer})
    assert not submitted.is_error, submitted
    return submitted.structured_content or {}


async def test_a_client_finds_the_request_the_recorded_tools_and_the_answer_channel(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, session_client(server.endpoint, server.http) as client:
        (prompt,) = (await client.list_prompts()).prompts
        told = (await client.get_prompt(prompt.name)).messages[0].content
        (resource,) = (await client.list_resources()).resources
        read = (await client.read_resource(str(resource.uri))).contents[0]
        listed = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in (await client.list_tools()).tools]
    assert server.task.request in getattr(told, "text", "")
    assert getattr(read, "text", None) == getattr(told, "text", "")
    recorded = {tool["name"]: tool for tool in server.desk.factory.tool_definitions()}
    assert {tool["name"] for tool in listed} == {*server.task.tools, "submit_answer"}
    assert all(tool == recorded[tool["name"]] for tool in listed[:-1])
    assert listed[-1]["inputSchema"]["properties"]["answer"] == server.task.answer_schema


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_sdks_client_solves_a_task_whichever_era_it_prefers(tmp_path: Path, mode: str) -> None:
    async with serving(tmp_path) as server:
        async with Client(server.endpoint, mode=mode) as client:
            assert await solve(client, server.task) == {"accepted": True, "reward": 1.0}
        (result,) = server.desk.results
    assert result["client"]["name"] == "mcp"
    assert read_results(tmp_path / "results.jsonl") == [result]


async def test_fastmcps_client_solves_a_task(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, fastmcp.Client(server.endpoint) as client:
        results: dict[str, JsonObject] = {}
        for node in server.task.plan:
            arguments = {**node.arguments, **({"note_id": results["n1"]["id"]} if node.bindings else {})}
            results[node.id] = (await client.call_tool(node.exposed_name, arguments)).structured_content or {}
        answer = {"count": results["n2"]["count"], "note_id": results["n3"]["id"]}
        assert (await client.call_tool("submit_answer", {"answer": answer})).structured_content == {
            "accepted": True,
            "reward": 1.0,
        }


async def test_blind_submissions_are_only_acknowledged_and_their_reward_is_in_the_results(tmp_path: Path) -> None:
    async with serving(tmp_path, blind=True) as server, session_client(server.endpoint, server.http) as client:
        right = await solve(client, server.task)
        async with session_client(server.endpoint, server.http) as other:
            wrong = await other.call_tool("submit_answer", {"answer": {"count": 9, "note_id": "x"}})
        assert right == wrong.structured_content == {"accepted": True}
        assert "eward" not in str(wrong.content)
        assert [result["reward"] for result in server.desk.results] == [1.0, 0.0]


async def test_how_calls_were_answered_is_not_shown_to_a_subject_unless_wanted(tmp_path: Path) -> None:
    for shown in (False, True):
        folder = tmp_path / str(shown)
        folder.mkdir()
        async with serving(folder, provenance=shown) as server, session_client(server.endpoint, server.http) as client:
            result = await client.call_tool("notes_list_notes", {})
            assert ("firefly/match" in (result.meta or {})) == shown


async def test_whoever_connects_again_begins_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        async with session_client(server.endpoint, server.http) as client:
            await client.call_tool("notes_add_note", {"title": "winter rye"})
        async with session_client(server.endpoint, server.http) as client:
            assert (await solve(client, server.task))["reward"] == 1.0
        assert [result["ended"] for result in server.desk.results] == ["closed", "answered"]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_session_that_the_index_opened_is_reached_in_either_era(tmp_path: Path, mode: str) -> None:
    async with serving(tmp_path) as server, Client(await server.named(), mode=mode) as client:
        assert (await solve(client, server.task))["reward"] == 1.0
        assert (client.protocol_version == "2026-07-28") == (mode == "auto")


async def test_connecting_to_a_named_session_again_resets_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        url = await server.named()
        async with session_client(url, server.http) as first, session_client(url, server.http) as second:
            await second.call_tool("notes_add_note", {"title": "winter rye"})
            late = await first.call_tool("notes_list_notes", {})
            assert late.is_error
            async with session_client(url, server.http) as third:
                assert (await solve(third, server.task))["reward"] == 1.0
        assert [result["ended"] for result in server.desk.results] == ["reset", "answered"]


@pytest.mark.timeout(240)
async def test_64_subjects_at_once_share_nothing_and_meet_no_error(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        tasks = list(server.desk.tasks.values())

        async def subject(number: int) -> float:
            task = tasks[number % len(tasks)]
            async with session_client(f"{server.url}/tasks/{task.id}/mcp", server.http) as client:
                return float((await solve(client, task))["reward"])

        rewards = await asyncio.gather(*(subject(number) for number in range(64)))
        assert rewards == [1.0] * 64
        assert not server.desk.sessions
        results = server.desk.results
    assert {result["ended"] for result in results} == {"answered"}
    assert {str(result["by_match"]) for result in results} == {"{'exact': 3}"}
    assert len({result["session"] for result in results}) == 64


async def test_a_session_of_one_task_is_not_found_under_another(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        url = await server.named()
        other = list(server.desk.tasks.values())[1]
        query = url.partition("?")[2]
        answer = await server.http.post(f"{server.url}/tasks/{other.id}/mcp?{query}", json=HELLO, headers=ACCEPT)
        assert (answer.status_code, "no session" in answer.text) == (404, True)
        begun = await server.http.post(server.endpoint, json=HELLO, headers=ACCEPT)
        headers = {**ACCEPT, "mcp-session-id": begun.headers["mcp-session-id"]}
        ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        there = await server.http.post(server.endpoint, json=ping, headers=headers)
        elsewhere = await server.http.post(f"{server.url}/tasks/{other.id}/mcp", json=ping, headers=headers)
        assert (there.status_code, elsewhere.status_code) == (200, 404)


async def test_an_unknown_task_is_not_found_and_the_index_is_named(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        hello = await server.http.post(f"{server.url}/tasks/t-0/mcp", json=HELLO, headers=ACCEPT)
        assert (hello.status_code, hello.json()["error"]["message"].startswith("There is no task 't-0'")) == (404, True)
        opened = await server.http.post(f"{server.url}/sessions", json={"task": "t-0"})
        assert (opened.status_code, "There is no task 't-0'" in opened.text) == (404, True)
        assert (await server.http.get(f"{server.url}/tasks/t-0")).status_code == 404
        assert (await server.http.post(f"{server.url}/sessions", json=["t-0"])).status_code == 400


async def test_a_task_whose_id_is_no_plain_word_has_an_endpoint_too(tmp_path: Path) -> None:
    async with serving(tmp_path, called="suite/task é 1") as server:
        (listed, *_) = await server.get("/tasks")
        assert (await server.http.get(listed["url"].removesuffix("/mcp"))).json()["id"] == "suite/task é 1"
        async with session_client(listed["url"], server.http) as client:
            assert (await solve(client, server.task))["reward"] == 1.0


async def test_the_index_lists_tasks_without_their_plans_and_answers(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        listed = await server.get("/tasks")
        assert [entry["id"] for entry in listed] == list(server.desk.tasks)
        assert await server.get("/tasks?difficulty=easy") == []
        assert len(await server.get("/tasks?server=notes&split=train")) == 3
        one = await server.get(f"/tasks/{server.task.id}")
        assert one["request"] == server.task.request
        shown = str([listed, one, await server.get("/")])
    assert not any(secret in shown for secret in ("note-8e3a7392", "notes_add_note", "evidence", "n1"))


async def test_tasks_are_handed_out_in_the_order_that_the_seed_draws(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:

        async def handed() -> list[str]:
            return [(await server.http.post(f"{server.url}/sessions")).json()["task"] for _ in range(3)]

        orders = []
        for seed in (1, 2, 1):
            assert (await server.ask("POST", "/seed", seed=seed))["seed"] == seed
            orders.append(await handed())
        assert orders[0] == orders[2] != orders[1]
        assert (await server.ask("GET", "/manifest"))["seed"] == 1


async def test_control_is_for_the_token_alone_and_on_a_port_of_its_own(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        for path in ("/results", "/sessions", "/manifest"):
            assert (await server.http.get(server.control + path)).status_code == 401
            assert (await server.http.get(server.url + path)).status_code in (404, 405)
        wrong = await server.http.post(f"{server.control}/reset", headers={"authorization": "Bearer guess"})
        assert wrong.status_code == 401


async def test_control_shows_results_and_resets_sessions(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        url = await server.named()
        async with Client(url, mode="auto") as client:
            await client.call_tool("notes_add_note", {"title": "winter rye"})
            (going_on,) = await server.ask("GET", "/sessions")
            assert (going_on["task"], going_on["calls"]) == (server.task.id, 1)
            assert await server.ask("POST", "/reset", session=url.partition("session=")[2]) == {"reset": 1}
            assert (await solve(client, server.task))["reward"] == 1.0
        told = await server.ask("GET", "/results")
        assert await server.ask("POST", "/reset") == {"reset": 0}
    assert told["manifest"] == server.desk.manifest
    assert told["summary"]["by_ending"] == {"reset": 1, "answered": 1}
    assert told["summary"]["reward"] == 0.5
    assert [len(result["trajectory"]) for result in told["results"]] == [1, 3]


async def test_subjects_need_the_token_and_the_host_that_were_asked_for(tmp_path: Path) -> None:
    async with serving(tmp_path, access=Access(token="for-subjects")) as server:
        assert (await server.http.get(f"{server.url}/tasks")).status_code == 401
        assert (await server.http.post(server.endpoint, json=HELLO, headers=ACCEPT)).status_code == 401
        headers = {"authorization": "Bearer for-subjects"}
        assert (await server.http.get(f"{server.url}/tasks", headers=headers)).status_code == 200
        rebound = await server.http.get(f"{server.url}/tasks", headers={**headers, "host": "evil.example"})
        assert rebound.status_code == 421
