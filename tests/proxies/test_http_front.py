"""The HTTP front, spoken to in raw HTTP: what is let in, what is refused, and in which form answers come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from firefly_mcp.errors import ServerError, UsageError
from firefly_mcp.jsonio import JsonObject
from firefly_proxies.conversation import Conversation, Emit, Opening
from firefly_proxies.messages import error, notification, params_of, request, response
from firefly_proxies.serve import listen, parse_address, running_http

HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Parrot:
    """Answers every request with what it was asked; some methods talk first, wait, or fail."""

    def __init__(self, house: Aviary, opening: Opening, emit: Emit) -> None:
        self.house = house
        self.opening = opening
        self.emit = emit
        self.closed = False

    async def request(self, message: JsonObject) -> JsonObject:
        method, request_id = message["method"], message["id"]
        if method == "talk":
            for number in range(2):
                told = {"progressToken": params_of(message)["_meta"]["progressToken"], "progress": number}
                await self.emit(notification("notifications/progress", told), request_id)
        elif method == "announce":
            await self.emit(notification("notifications/tools/list_changed"), None)
        elif method == "ask":
            self.house.asked = asyncio.get_running_loop().create_future()
            self.house.asking.set()
            await self.emit(request("question", "roots/list"), None)
            return response(request_id, {"answered": await self.house.asked})
        elif method == "wait":
            self.house.waiting.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.house.cancelled.set()
                raise
        elif method == "hold":
            self.house.held += 1
            self.house.waiting.set()
            if self.house.held == 2:
                self.house.two_held.set()
            await self.house.release.wait()
        elif method == "crash":
            raise RuntimeError("the parrot is dead")
        elif method == "tools/unknown":
            return error(request_id, -32601, "Method not found")
        return response(request_id, {"echo": message, "session": self.opening.session_id, "query": dict(self.opening.query)})

    async def notify(self, message: JsonObject) -> None:
        self.house.told.append(message)
        if message.get("method") == "notifications/cancelled":
            self.house.release.set()
        if "result" in message:
            self.house.asked.set_result(message["result"])

    async def close(self) -> None:
        assert not self.closed, "closed twice"
        self.closed = True
        self.house.parted.set()


class Aviary:
    def __init__(self) -> None:
        self.parrots: list[Parrot] = []
        self.told: list[JsonObject] = []
        self.waiting, self.cancelled, self.release = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.asking, self.two_held, self.parted = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.asked: asyncio.Future[Any]
        self.held = 0
        self.closed = False

    async def open(self, opening: Opening, emit: Emit) -> Conversation:
        if opening.query.get("full"):
            raise ServerError("no room")
        self.parrots.append(Parrot(self, opening, emit))
        return self.parrots[-1]

    async def close(self) -> None:
        self.closed = True


class Raw:
    """A client that speaks HTTP and nothing more."""

    def __init__(self, http: aiohttp.ClientSession, url: str, house: Aviary) -> None:
        self.http, self.url, self.house = http, url, house

    async def post(self, message: Any, headers: dict[str, str] | None = None, url: str | None = None) -> tuple[int, Any, Any]:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        async with self.http.post(url or self.url, data=data, headers={**HEADERS, **(headers or {})}) as reply:
            body = await reply.read()
            if reply.content_type == "application/json":
                return reply.status, json.loads(body), reply.headers
            return reply.status, body, reply.headers

    async def begin(self, url: str | None = None, params: JsonObject | None = None) -> dict[str, str]:
        status, _, headers = await self.post(request(0, "initialize", params or {}), url=url)
        assert status == 200
        return {"Mcp-Session-Id": headers["Mcp-Session-Id"]}

    async def modern(self, method: str, params: JsonObject | None = None, **headers: str) -> tuple[int, Any, Any]:
        message = request(1, method, {**(params or {}), "_meta": {**ENVELOPE, **(params or {}).get("_meta", {})}})
        return await self.post(message, {"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": method, **headers})


@asynccontextmanager
async def raw(**settings: Any) -> AsyncIterator[Raw]:
    house = Aviary()
    async with running_http(house, **settings) as url, aiohttp.ClientSession() as http:
        yield Raw(http, url, house)
    assert house.closed
    assert all(parrot.closed for parrot in house.parrots)


def events(body: bytes) -> list[Any]:
    return [json.loads(line[6:]) for line in body.decode().splitlines() if line.startswith("data: ")]


async def test_a_plain_request_is_answered_as_json_with_its_own_id() -> None:
    async with raw() as client:
        session = await client.begin()
        for request_id in (7, "seven", 2**53):
            status, answer, headers = await client.post(request(request_id, "echo", {"a": [1, None]}), session)
            assert (status, headers["Content-Type"]) == (200, "application/json")
            assert answer["id"] == request_id
            assert answer["result"]["echo"]["params"] == {"a": [1, None]}


async def test_what_is_said_before_the_answer_makes_it_a_stream_in_order() -> None:
    async with raw() as client:
        session = await client.begin()
        _, body, headers = await client.post(request(1, "talk", {"_meta": {"progressToken": "t"}}), session)
        assert headers["Content-Type"] == "text/event-stream"
        *said, answer = events(body)
        assert [message["params"]["progress"] for message in said] == [0, 1]
        assert answer["id"] == 1


async def test_unrelated_messages_wait_for_the_get_stream() -> None:
    async with raw() as client:
        session = await client.begin()
        for request_id in (1, 2):
            await client.post(request(request_id, "announce"), session)
        async with client.http.get(client.url, headers={**session, "Accept": "text/event-stream"}) as stream:
            assert stream.status == 200
            seen = b""
            while seen.count(b"list_changed") < 2:
                seen += await stream.content.readany()


async def test_a_question_of_the_server_travels_on_the_open_request_and_its_answer_comes_back() -> None:
    async with raw() as client:
        session = await client.begin()

        async def answer() -> None:
            await client.house.asking.wait()
            await client.post(response("question", {"roots": [1]}), session)

        (_, body, _), _ = await asyncio.gather(client.post(request(1, "ask"), session), answer())
        question, result = events(body)
        assert question["method"] == "roots/list"
        assert result["result"] == {"answered": {"roots": [1]}}


async def test_notifications_and_responses_are_accepted_without_a_body() -> None:
    async with raw() as client:
        session = await client.begin()
        status, body, _ = await client.post(notification("notifications/initialized"), session)
        assert (status, body) == (202, b"")
        assert client.house.told == [notification("notifications/initialized")]


async def test_a_session_ends_with_delete_and_is_unknown_afterwards() -> None:
    async with raw() as client:
        session = await client.begin()
        async with client.http.delete(client.url, headers=session) as reply:
            assert reply.status == 200
        assert client.house.parrots[0].closed
        status, answer, _ = await client.post(request(1, "echo"), session)
        assert (status, answer["error"]["code"]) == (404, -32600)


@pytest.mark.parametrize(
    ("message", "headers", "status", "code"),
    [
        (request(1, "echo"), {}, 400, -32600),  # no session
        (request(1, "echo"), {"Mcp-Session-Id": "none"}, 404, -32600),
        (b"{nonsense", {}, 400, -32700),
        (b"\xff\xfe", {}, 400, -32700),
        (b"[" * 100_000, {}, 400, -32700),
        ([request(1, "initialize")], {}, 400, -32600),  # a batch
        ({"jsonrpc": "2.0", "id": None, "method": "x"}, {}, 400, -32600),
        ({"jsonrpc": "2.0", "id": True, "method": "x"}, {}, 400, -32600),
        (b"7", {}, 400, -32600),
        (request(1, "initialize"), {"Content-Type": "text/plain"}, 415, -32600),
        (request(1, "initialize"), {"Accept": "application/json"}, 406, -32600),
        (request(1, "initialize"), {"Accept": "text/html"}, 406, -32600),
        (request(1, "initialize"), {"Host": "evil.example"}, 421, -32600),
        (request(1, "initialize"), {"Origin": "http://evil.example"}, 403, -32600),
        (request(1, "initialize"), {"Origin": "null"}, 403, -32600),
        (request(1, "initialize", {"big": "x" * 5000}), {}, 413, -32600),
    ],
)
async def test_what_is_not_mcp_is_refused_with_its_status(message: Any, headers: Any, status: int, code: int) -> None:
    async with raw(body_limit=200_000 if message == b"[" * 100_000 else 4096) as client:
        got, answer, _ = await client.post(message, headers)
        assert (got, answer["error"]["code"], answer["id"]) == (status, code, None)
        assert client.house.parrots == []


async def test_a_body_without_a_declared_length_is_limited_too() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    async with raw(body_limit=4096) as client, client.http.post(client.url, data=chunks(), headers=HEADERS) as reply:
        assert reply.status == 413


@pytest.mark.parametrize("accept", ["*/*", "application/json, text/event-stream;q=0.5", "text/*, application/*"])
async def test_wildcards_are_acceptable(accept: str) -> None:
    async with raw() as client:
        assert (await client.post(request(1, "initialize"), {"Accept": accept}))[0] == 200


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:80", "LOCALHOST:9"])
async def test_loopback_names_are_let_in_with_any_port(host: str) -> None:
    async with raw() as client:
        assert (await client.post(request(1, "initialize"), {"Host": host, "Origin": f"http://{host}"}))[0] == 200


async def test_an_allowed_host_is_let_in_and_others_are_not() -> None:
    async with raw(allowed_hosts=["proxy.example"]) as client:
        assert (await client.post(request(1, "initialize"), {"Host": "proxy.example:8443"}))[0] == 200
        assert (await client.post(request(1, "initialize"), {"Host": "proxy.example.evil"}))[0] == 421


async def test_a_token_is_demanded_and_is_not_passed_on() -> None:
    async with raw(token="s3cret") as client:
        for wrong in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "s3cret"}):
            status, _, headers = await client.post(request(1, "initialize"), wrong)
            assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
        assert (await client.post(request(1, "initialize"), {"Authorization": "Bearer s3cret"}))[0] == 200
        assert "authorization" not in client.house.parrots[0].opening.headers


async def test_other_paths_and_methods_are_refused() -> None:
    async with raw() as client:
        assert (await client.post(request(1, "initialize"), url=client.url + "/x"))[0] == 404
        async with client.http.put(client.url) as reply:
            assert (reply.status, reply.headers["Allow"]) == (405, "GET, POST, DELETE")
        async with client.http.get(client.url, headers={"Accept": "text/event-stream"}) as reply:
            assert reply.status == 400


async def test_a_failing_conversation_is_told_and_harms_nobody_else() -> None:
    async with raw() as client:
        session = await client.begin()
        _, answer, _ = await client.post(request(1, "crash"), session)
        assert answer["error"]["code"] == -32603
        assert "dead" in answer["error"]["message"]
        assert (await client.post(request(2, "echo"), session))[0] == 200


async def test_a_factory_that_refuses_is_told_to_the_client() -> None:
    async with raw() as client:
        status, answer, headers = await client.post(request(1, "initialize"), url=client.url + "?full=1")
        assert (status, answer["error"]["message"]) == (200, "no room")
        assert "Mcp-Session-Id" not in headers


async def test_a_session_is_named_by_meta_then_by_query_then_by_its_own_id() -> None:
    async with raw() as client:
        await client.begin(client.url + "?session=query", {"_meta": {"firefly/session": "meta"}})
        await client.begin(client.url + "?session=query&x=1")
        third = await client.begin()
        openings = [parrot.opening for parrot in client.house.parrots]
        assert [opening.session_id for opening in openings] == ["meta", "query", third["Mcp-Session-Id"]]
        assert openings[1].query == {"session": "query", "x": "1"}


async def test_clients_that_name_one_session_share_a_conversation_until_the_last_leaves() -> None:
    async with raw() as client:
        first = await client.begin(client.url + "?session=s")
        second = await client.begin(client.url + "?session=s")
        assert first != second
        (parrot,) = client.house.parrots
        for session, closed in ((first, False), (second, True)):
            async with client.http.delete(client.url, headers=session):
                assert parrot.closed is closed


async def test_equal_ids_of_clients_that_share_a_conversation_do_not_clash() -> None:
    async with raw() as client:
        sessions = [await client.begin(client.url + "?session=s") for _ in range(2)]
        meta = {"_meta": {"progressToken": 1}}
        calls = [asyncio.create_task(client.post(request(1, "hold", meta), session)) for session in sessions]
        await client.house.two_held.wait()
        client.house.release.set()
        answers = [(await call)[1] for call in calls]
        assert [answer["id"] for answer in answers] == [1, 1]
        seen = [answer["result"]["echo"] for answer in answers]
        assert seen[0]["id"] != seen[1]["id"]
        assert seen[0]["params"]["_meta"]["progressToken"] != seen[1]["params"]["_meta"]["progressToken"]


async def test_a_request_may_name_another_session_over_the_same_connection() -> None:
    async with raw() as client:
        session = await client.begin()
        for name in ("one", "two", "one"):
            _, answer, _ = await client.post(request(1, "echo", {"_meta": {"firefly/session": name}}), session)
            assert answer["result"]["session"] == name
        assert len(client.house.parrots) == 3  # its own and two named ones, each introduced with its handshake
        assert client.house.told == [notification("notifications/initialized")] * 2


async def test_a_cancelled_request_is_answered_as_cancelled_in_the_handshake_era() -> None:
    async with raw() as client:
        session = await client.begin()
        call = asyncio.create_task(client.post(request(5, "hold"), session))
        await client.house.waiting.wait()
        await client.post(notification("notifications/cancelled", {"requestId": 5}), session)
        assert (await call)[1]["error"]["code"] == -32800


async def test_a_dropped_connection_does_not_cancel_in_the_handshake_era() -> None:
    async with raw() as client:
        session = await client.begin()
        call = asyncio.create_task(client.post(request(5, "hold"), session))
        await client.house.waiting.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await client.post(notification("notifications/cancelled", {"requestId": 99}), session)
        assert not client.house.cancelled.is_set()


async def test_a_dropped_connection_cancels_in_the_stateless_era() -> None:
    async with raw() as client:
        call = asyncio.create_task(client.modern("wait"))
        await client.house.waiting.wait()
        call.cancel()
        async with asyncio.timeout(10):
            await client.house.cancelled.wait()


async def test_a_stateless_request_needs_no_session_and_gets_one_of_its_own() -> None:
    async with raw() as client:
        for _ in range(2):
            status, answer, headers = await client.modern("tools/list")
            assert status == 200
            assert "Mcp-Session-Id" not in headers
            assert answer["result"]["session"] is None
        assert len(client.house.parrots) == 2


async def test_a_named_stateless_session_is_one_conversation() -> None:
    async with raw() as client:
        for _ in range(2):
            await client.modern("echo", {"_meta": {"firefly/session": "s"}})
        assert len(client.house.parrots) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Mcp-Method": "tools/call"}, -32020),
        ({"Mcp-Protocol-Version": "2099-01-01"}, -32020),
        ({"Mcp-Name": "other"}, -32020),
    ],
)
async def test_stateless_headers_must_agree_with_the_body(change: dict[str, str], code: int) -> None:
    async with raw() as client:
        params = {"name": "mine", "_meta": ENVELOPE}
        headers = {"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "prompts/get", "Mcp-Name": "mine", **change}
        status, answer, _ = await client.post(request(1, "prompts/get", params), headers)
        assert (status, answer["error"]["code"], answer["id"]) == (400, code, 1)


async def test_names_beyond_ascii_are_compared_in_their_header_form() -> None:
    async with raw() as client:
        status, _, _ = await client.modern("tools/call", {"name": "größe"}, **{"Mcp-Name": "=?base64?Z3LDtsOfZQ==?="})
        assert status == 200


async def test_a_stateless_request_without_its_envelope_or_of_an_unknown_version_is_refused() -> None:
    async with raw() as client:
        headers = {"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"}
        status, answer, _ = await client.post(request(1, "tools/list"), headers)
        assert (status, answer["error"]["code"]) == (400, -32602)
        envelope = {**ENVELOPE, "io.modelcontextprotocol/protocolVersion": "2099-01-01"}
        headers["Mcp-Protocol-Version"] = "2099-01-01"
        status, answer, _ = await client.post(request(1, "tools/list", {"_meta": envelope}), headers)
        assert (status, answer["error"]["code"]) == (400, -32022)
        assert answer["error"]["data"] == {"supported": ["2026-07-28"], "requested": "2099-01-01"}


async def test_an_unknown_method_is_404_in_the_stateless_era() -> None:
    async with raw() as client:
        status, answer, _ = await client.modern("tools/unknown")
        assert (status, answer["error"]["code"]) == (404, -32601)


async def test_stateless_notifications_are_accepted_and_dropped() -> None:
    async with raw() as client:
        headers = {"Mcp-Protocol-Version": "2026-07-28"}
        assert (await client.post(notification("notifications/cancelled"), headers))[0] == 202
        assert client.house.told == []


async def test_idle_sessions_are_closed() -> None:
    async with raw(idle_seconds=0.05) as client:
        session = await client.begin()
        async with asyncio.timeout(10):
            await client.house.parted.wait()
        assert (await client.post(request(1, "echo"), session))[0] == 404


def test_a_port_in_use_is_one_clear_error() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            listen("127.0.0.1", port)


def test_addresses() -> None:
    assert parse_address("8080") == ("127.0.0.1", 8080)
    assert parse_address("0.0.0.0:1") == ("0.0.0.0", 1)
    assert parse_address("[::1]:99") == ("::1", 99)
    for wrong in ("", "x", "host:", "99999", "h:p"):
        with pytest.raises(UsageError):
            parse_address(wrong)
