"""Whole sessions in replay: everything that a client sees of a server, beside and between the answers, in both eras."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import mcp.types as types
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError
from pydantic import FileUrl

from firefly_mcp.exchange.cassette import read_cassette, write_cassette
from firefly_mcp.forget import forget
from firefly_mcp.redact import Redactor
from firefly_mcp.replay import ReplayPolicy
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store import queries
from firefly_mcp.store.merge import merge
from firefly_mcp.store.prune import Choice
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import MatchKind
from firefly_proxies.conversation import Opening
from firefly_proxies.record import RecordFactory
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http
from tests.proxies.harness import SERVERS, stored_bytes

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
STATELESS = "2026-07-28"
CANVAS = "studio://canvas"
_NEWS = {"ToolsListChanged": "ToolListChangedNotification", "ResourceUpdated": "ResourceUpdatedNotification"}
"""What the SDK calls news of a subscription, and what it calls the same as a notification."""
Seen = tuple[Path, list[Any]]


@dataclass
class Person:
    """A client's user and model, and everything that reaches them."""

    colour: str = "red"
    said: str = "forty-two"
    heard: list[Any] = field(default_factory=list)
    news: str = ""
    listening: bool = False
    """Whether news come through a subscription of the stateless era; the client tells them a second time."""
    changed: anyio.Event = field(default_factory=anyio.Event)

    async def log(self, params: types.LoggingMessageNotificationParams) -> None:
        self.heard.append((params.level, params.data))

    async def sample(self, context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        assert isinstance(params.messages[0].content, types.TextContent)
        self.heard.append(("sampling", params.messages[0].content.text, params.max_tokens))
        return types.CreateMessageResult(role="assistant", content=types.TextContent(text=self.said), model="m")

    async def elicit(self, context: Any, params: Any) -> types.ElicitResult:
        self.heard.append(("elicitation", params.message))
        return types.ElicitResult(action="accept", content={"colour": self.colour})

    async def roots(self, context: Any) -> types.ListRootsResult:
        self.heard.append(("roots",))
        return types.ListRootsResult(roots=[types.Root(uri=FileUrl("file:///studio"))])

    async def progress(self, progress: float, total: float | None, message: str | None) -> None:
        self.heard.append(("progress", progress, total, message))

    async def message(self, message: Any) -> None:
        news = types.ToolListChangedNotification | types.ResourceUpdatedNotification
        if isinstance(message, news) and not self.listening:
            self.news = type(message).__name__
            self.changed.set()

    async def change(self) -> str:
        """Wait for news: they come on a stream of their own, before or after an answer."""
        with anyio.fail_after(20):
            await self.changed.wait()
        self.changed = anyio.Event()
        return self.news

    @asynccontextmanager
    async def client(self, target: Any, mode: str, **more: Any) -> AsyncIterator[Client]:
        callbacks: dict[str, Any] = {
            "logging_callback": self.log,
            "sampling_callback": self.sample,
            "elicitation_callback": self.elicit,
            "list_roots_callback": self.roots,
            "message_handler": self.message,
        }
        level: dict[str, Any] = {"log_level": "info"} if mode == STATELESS else {}
        async with Client(target, mode=mode, cache=None, **callbacks, **level, **more) as client:
            yield client


def bare(result: Any) -> Any:
    """A result without what the proxy adds, and without the envelope of either era."""
    dumped = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    meta = {key: value for key, value in (dumped.pop("_meta", None) or {}).items() if "/" not in key}
    for key in ("resultType", "ttlMs", "cacheScope"):
        dumped.pop(key, None)
    return {**dumped, "_meta": meta} if meta else dumped


async def failure(call: Any) -> Any:
    with pytest.raises(MCPError) as caught:
        await call
    return (caught.value.error.code, caught.value.error.message, caught.value.error.data)


async def failing(call: Any) -> str:
    result = await call
    assert result.is_error
    return str(result.content)


async def visit(client: Client, person: Person) -> list[Any]:
    """Do everything there is to do; what was seen, in order."""
    seen = person.heard
    stateless = client.protocol_version == STATELESS
    async with AsyncExitStack() as stack:
        if stateless:
            person.listening = True
            listening = await stack.enter_async_context(client.listen(tools_list_changed=True, resource_subscriptions=[CANVAS]))
        else:
            await client.set_logging_level("info")
            await client.subscribe_resource(CANVAS)

        async def news() -> None:
            if not stateless:
                seen.append(await person.change())
                return
            with anyio.fail_after(20):
                event = await anext(listening)
            seen.append(
                {"ToolsListChanged": "ToolListChangedNotification"}.get(type(event).__name__, "ResourceUpdatedNotification")
            )

        first = await client.list_tools()
        seen.append([tool.name for tool in first.tools])
        seen.append(first.next_cursor)
        seen.append([tool.name for tool in (await client.list_tools(cursor=first.next_cursor)).tools])
        seen.append(await failure(client.list_tools(cursor="nonsense")))
        seen.append(bare(await client.list_resources()))
        seen.append(bare(await client.list_resource_templates()))
        seen.append(bare(await client.list_prompts()))
        seen.append(bare(await client.get_prompt("brief", {"style": "quiet"})))
        seen.append(bare(await client.complete(types.PromptReference(name="brief"), {"name": "style", "value": "cu"})))
        seen.append(bare(await client.read_resource(CANVAS)))
        seen.append(bare(await client.call_tool("count", {"text": "Ada"}, progress_callback=person.progress)))
        for tool in ("ask_user", "ask_model", "ask_roots"):
            seen.append(bare(await client.call_tool(tool, {"text": "?"})))
        seen.append(bare(await client.call_tool("paint", {"text": "blue"})))
        await news()
        seen.append(bare(await client.read_resource(CANVAS)))
        seen.append(bare(await client.read_resource("studio://sketch/a%20cat")))
        seen.append(await failure(client.read_resource("studio://nothing")))
        seen.append(bare(await client.call_tool("hire", {"text": "carver"})))
        await news()
        seen.append([tool.name for tool in (await client.list_tools(cursor="rest")).tools])
        seen.append([tool.name for tool in (await client.list_tools()).tools])
        seen.append([tool.name for tool in (await client.list_tools(cursor="rest")).tools])
        seen.append(await failure(client.call_tool("nobody", {"text": "x"})))
    return seen


def studio(*args: str, name: str = "studio") -> ServerSpec:
    return ServerSpec(name=name, command=sys.executable, args=(str(SERVERS / "studio.py"), *args))


async def record(path: Path, mode: str, *specs: ServerSpec, visit: Callable[[Client, Person], Any]) -> list[Any]:
    person = Person()
    with Recording(path, create=True) as recording:
        factory = RecordFactory(recording, {spec.name: spec for spec in specs}, redactor=Redactor())
        async with running_http(factory) as url, person.client(f"{url}?session=first", mode) as client:
            seen: list[Any] = await visit(client, person)
            return seen


@asynccontextmanager
async def replay(path: Path, **policy: Any) -> AsyncIterator[str]:
    with Recording(path) as recording:
        async with running_http(ReplayFactory(recording, ReplayPolicy(**policy))) as url:
            yield f"{url}?session=again"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """What a client of each era saw of a server of that era, and the recording of it."""
    out = {}
    for mode, args in (("legacy", ("--handshake",)), (STATELESS, ())):
        path = tmp_path_factory.mktemp("studio") / f"{mode}.db"

        async def run(path: Path = path, mode: str = mode, args: tuple[str, ...] = args) -> list[Any]:
            return await record(path, mode, studio(*args), visit=visit)

        out[mode] = (path, anyio.run(run))
    return out


@pytest.fixture(params=["legacy", STATELESS])
def first(request: pytest.FixtureRequest, recorded: dict[str, Seen], tmp_path: Path) -> Seen:
    path, seen = recorded[request.param]
    return Path(shutil.copy(path, tmp_path / "a.db")), seen


@pytest.mark.parametrize("mode", ["legacy", STATELESS])
async def test_a_whole_session_looks_the_same_in_replay_twice_in_either_era(first: Seen, mode: str) -> None:
    path, live = first
    assert ("elicitation", "?") in live
    assert ("progress", 3, 3, "step 3") in live
    assert len([said for said in live if said == "ResourceUpdatedNotification"]) == 1
    for _ in range(2):
        person = Person()
        async with replay(path) as url, person.client(url, mode) as client:
            assert await visit(client, person) == live


async def test_the_clients_answer_tells_recorded_variants_apart_and_another_answer_is_a_declared_miss(tmp_path: Path) -> None:
    async def ask(client: Client, person: Person) -> list[Any]:
        out = []
        for colour in ("red", "green"):
            person.colour = colour
            out.append(bare(await client.call_tool("ask_twice", {"text": "which?"})))
        return out

    for mode, args in (("legacy", ("--handshake",)), (STATELESS, ("--handshake",))):
        path = tmp_path / f"{mode}.db"
        live = await record(path, mode, studio(*args), visit=ask)
        assert [answer["content"][0]["text"] for answer in live] == [
            "accept red, forty-two",
            "accept green, forty-two",
        ]
        for again in ("legacy", STATELESS):
            person = Person()
            async with replay(path, lenient=True) as url, person.client(url, again) as client:
                assert await ask(client, person) == live
                person.colour = "blue"
                missed = await client.call_tool("ask_twice", {"text": "which?"})
                assert missed.is_error
                assert missed.meta
                assert missed.meta["firefly/cause"] == "exchange"
                assert "answered its elicitation/create as no recorded client did" in str(missed.content)
                person.colour, person.said = "red", "no idea"
                missed = await client.call_tool("ask_twice", {"text": "which?"})
                assert "answered its sampling/createMessage as no recorded client did" in str(missed.content)


@pytest.mark.parametrize("mode", ["legacy", STATELESS])
@pytest.mark.parametrize("match", [MatchKind.NORMALIZED, MatchKind.SEMANTIC])
async def test_a_round_of_input_is_answered_only_where_the_same_was_said(first: Seen, mode: str, match: MatchKind) -> None:
    path, _ = first
    person = Person(colour="blue", said="forty-three")
    async with replay(path, match=match, lenient=True) as url, person.client(url, mode) as client:
        for tool in ("ask_user", "ask_model"):
            missed = await failing(client.call_tool(tool, {"text": "?"}))
            assert "firefly replay" in missed


async def test_a_client_that_cannot_answer_is_not_asked(first: Seen) -> None:
    path, _ = first
    async with replay(path) as url, Client(url, mode="legacy") as client:
        missed = await client.call_tool("ask_model", {"text": "?"})
        assert missed.is_error
        assert "this client cannot do that" in str(missed.content)
        assert not (await client.call_tool("count", {"text": "Ada"})).is_error


async def test_stateless_clients_that_name_no_session_are_asked_too(first: Seen) -> None:
    path, live = first
    person = Person()
    async with replay(path, lenient=True) as url, person.client(url.partition("?")[0], STATELESS) as client:
        for tool in ("ask_user", "ask_model", "ask_roots"):
            assert bare(await client.call_tool(tool, {"text": "?"})) in live
        async with client.listen(tools_list_changed=True) as news:
            await client.call_tool("hire", {"text": "carver"})
            with anyio.fail_after(20):
                assert type(await anext(news)).__name__ == "ToolsListChanged"


@pytest.mark.parametrize("mode", ["legacy", STATELESS])
async def test_a_whole_session_replays_on_stdio(first: Seen, mode: str) -> None:
    path, live = first
    command = StdioServerParameters(command=sys.executable, args=["-m", "firefly_mcp", "replay", "--store", str(path)])
    person = Person()
    async with person.client(command, mode) as client:
        assert await visit(client, person) == live


async def test_progress_and_logs_reach_only_those_who_asked_for_them(first: Seen) -> None:
    path, _ = first
    person = Person()
    async with replay(path) as url, person.client(url, "legacy") as client:
        await client.set_logging_level("warning")
        await client.call_tool("count", {"text": "Ada"})
        assert person.heard == []
        await client.call_tool("paint", {"text": "blue"})  # nobody has subscribed to the canvas
        await client.call_tool("hire", {"text": "carver"})
        assert await person.change() == "ToolListChangedNotification"


async def everywhere(client: Client, person: Person) -> list[Any]:
    """What two studios behind one endpoint look like."""
    tools = [tool.name for tool in (await client.list_tools()).tools]
    prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
    out: list[Any] = [tools, prompts, bare(await client.list_resources()), bare(await client.list_resource_templates())]
    for name in prompts:
        out.append(bare(await client.get_prompt(name, {"style": name})))
        out.append(bare(await client.complete(types.PromptReference(name=name), {"name": "style", "value": "cu"})))
    out.append(bare(await client.read_resource(CANVAS)))
    for name in ("left", "right"):
        out.append(bare(await client.call_tool(f"{name}_ask_user", {"text": name})))
        out.append(bare(await client.call_tool(f"{name}_count", {"text": name}, progress_callback=person.progress)))
    out.append(bare(await client.call_tool("right_hire", {"text": "carver"})))
    out.append(await person.change())
    out.append([tool.name for tool in (await client.list_tools()).tools])
    return [*out, *person.heard]


async def test_several_servers_behind_one_endpoint_look_the_same_in_replay(tmp_path: Path) -> None:
    specs = (studio("--handshake", name="left"), studio("--handshake", name="right"))
    live = await record(tmp_path / "a.db", "legacy", *specs, visit=everywhere)
    assert live[0][0] == "left_count"
    assert "right_carver" in str(live)
    for _ in range(2):
        person = Person()
        async with replay(tmp_path / "a.db") as url, person.client(url, "legacy") as client:
            assert await everywhere(client, person) == live


def pruned(path: Path, out: Path) -> None:
    shutil.copy(path, out)
    with Recording(out) as recording:
        writer = recording.begin_session("record", key="gone")
        writer.listed("studio", "tools/list", None, {"tools": [{"name": "secret tool"}]}, after=0)
        (gone,) = (session.id for session in queries.sessions(recording) if session.key == "gone")
    forget(out, Choice(frozenset({gone})))
    assert b"secret tool" not in stored_bytes(out)


def merged(path: Path, out: Path) -> None:
    other = out.with_name("other.db")
    with Recording(other, create=True) as recording:
        writer = recording.begin_session("record")
        number = writer.begin_call("elsewhere", "tools/call", {"name": "x"})
        writer.end_call(number, result={"content": []})
    merge([other, path], out)


def carried(path: Path, out: Path) -> None:
    with Recording(path) as recording:
        write_cassette(recording, out.with_suffix(".jsonl"))
    with Recording(out, create=True) as recording:
        read_cassette(out.with_suffix(".jsonl"), recording)


@pytest.mark.parametrize("way", [pruned, merged, carried])
async def test_whole_sessions_outlive_pruning_merging_and_a_cassette(first: Seen, way: Any, tmp_path: Path) -> None:
    path, live = first
    way(path, tmp_path / "new.db")
    person = Person()
    with Recording(tmp_path / "new.db") as recording:
        factory = ReplayFactory(recording, servers=["studio"])
        async with running_http(factory) as url, person.client(f"{url}?session=again", "legacy") as client:
            assert await visit(client, person) == live


def message(number: int, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


async def test_a_call_that_its_client_takes_back_waits_for_no_answer_of_it(first: Seen) -> None:
    path, _ = first
    asked = anyio.Event()

    async def emit(sent: dict[str, Any], related: Any) -> None:
        assert sent["method"] == "elicitation/create"
        assert related == 2
        asked.set()

    with Recording(path) as recording:
        factory = ReplayFactory(recording)
        conversation = await factory.open(Opening("http", session_id="its own"), emit)
        await conversation.request(message(1, "initialize", capabilities={"elicitation": {}}, protocolVersion="2025-11-25"))
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(conversation.request, message(2, "tools/call", name="ask_user", arguments={"text": "?"}))
                await asked.wait()
                await conversation.notify({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}})
        await conversation.close()
        await factory.close()


async def test_what_a_server_did_not_know_it_does_not_know_in_any_state(tmp_path: Path) -> None:
    async def emit(sent: dict[str, Any], related: Any) -> None:
        return

    answers: list[Any] = []
    hello = message(1, "initialize", capabilities={}, protocolVersion="2025-11-25", clientInfo={"name": "c", "version": "1"})
    requests = [message(2, "studio/open", at=9), message(3, "ping"), message(4, "resources/subscribe", uri=CANVAS)]
    with Recording(tmp_path / "a.db", create=True) as recording:
        for make in (
            lambda: RecordFactory(recording, {"studio": studio()}, redactor=Redactor()),
            lambda: ReplayFactory(recording),
        ):
            factory = make()
            for _ in range(2):
                conversation = await factory.open(Opening("http", session_id="its own"), emit)
                await conversation.request(hello)
                await conversation.notify({"jsonrpc": "2.0", "method": "notifications/initialized"})
                answers.append([await conversation.request(request) for request in requests])
                await conversation.close()
            await factory.close()
    assert answers[0][0]["error"]["code"] == -32601
    assert answers == [answers[0]] * 4
