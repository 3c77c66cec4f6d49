"""Several servers behind one endpoint."""

from __future__ import annotations

from typing import Any

import mcp.types as types
import pytest
from mcp import Client, MCPError

from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from tests.proxies.harness import Proxy, Specs


async def test_a_gateway_merges_lists_and_routes_every_kind_of_request(
    proxy: Proxy, spec: Specs, recording: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    specs = [spec("notes"), spec("paged", called="Paged Tools!"), spec("bad", "exits", called="broken")]
    async with proxy(*specs) as url, Client(url, mode="legacy") as client:
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert "server 'broken' is left out: firefly: server 'broken' exited with code 7; it said: bad: no license found" in err
        assert client.server_capabilities.completions is not None
        assert client.instructions == "notes: Keeps short notes."
        listed = await client.list_tools()
        names = [tool.name for tool in listed.tools]
        assert names[:2] == ["notes_add_note", "notes_get_note"]
        assert names[5:] == [f"Paged-Tools_tool_{number}" for number in range(7)]
        assert listed.next_cursor is None
        added = await client.call_tool("notes_add_note", {"title": "milk", "text": "cold"})
        paged = await client.call_tool("Paged-Tools_tool_3", {"cursor": "4"})
        assert paged.structured_content == {"items": [4, 5], "next": None}
        assert [str(resource.uri) for resource in (await client.list_resources()).resources] == ["notes://all"]
        assert len((await client.list_resource_templates()).resource_templates) == 1
        note_id = added.structured_content["id"]
        read = await client.read_resource(f"notes://note/{note_id}")
        assert read.contents[0].text == "cold"  # type: ignore[union-attr]
        prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
        assert prompts == ["notes_summarize"]
        assert "milk" in (await client.get_prompt("notes_summarize")).messages[0].content.text  # type: ignore[union-attr]
        completion = await client.complete(types.PromptReference(name="notes_summarize"), {"name": "style", "value": "l"})
        assert completion.completion.values == ["long"]
        with pytest.raises(MCPError, match="Unknown tool: notes_nothing"):
            await client.session.call_tool("notes_nothing", {})
    recorded = [(call.server, call.tool) for call in queries.calls(recording, method="tools/call")]
    assert recorded == [("notes", "add_note"), ("Paged Tools!", "tool_3")]
    assert {connection.server for connection in queries.connections(recording)} == {"notes", "Paged Tools!"}
    assert {tool.key.server for tool in queries.tools(recording)} == {"notes", "Paged Tools!"}
    assert len(queries.sessions(recording)) == 1


async def test_questions_of_two_servers_with_equal_ids_get_their_own_answers(proxy: Proxy, spec: Specs) -> None:
    import asyncio

    async def sample(context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        text = params.messages[0].content.text  # type: ignore[union-attr]
        return types.CreateMessageResult(role="assistant", content=types.TextContent(text=f"about {text}"), model="m")

    async with (
        proxy(spec("chatty", called="a"), spec("chatty", called="b")) as url,
        Client(url, mode="legacy", sampling_callback=sample) as client,
    ):
        await client.list_tools()
        answers = await asyncio.gather(*(client.call_tool(f"{name}_ask_model", {"question": name}) for name in ("a", "b")))
        said = [answer.content[0].text for answer in answers]  # type: ignore[union-attr]
        assert said == ["the model says: about a", "the model says: about b"]


async def test_a_stateless_client_uses_a_gateway(proxy: Proxy, spec: Specs, recording: Recording) -> None:
    async with proxy(spec("bad", "fine"), spec("bad", "fine", called="other")) as url:
        async with Client(url, mode="2026-07-28") as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["bad_go", "other_go"]
            assert not (await client.call_tool("other_go", {})).is_error
        async with Client(f"{url}?session=named", mode="auto") as client:
            assert client.protocol_version == "2026-07-28"
            assert not (await client.call_tool("bad_go", {})).is_error
    assert [call.server for call in queries.calls(recording)] == ["other", "bad"]


async def test_a_gateway_with_no_server_left_says_why(proxy: Proxy, spec: Specs) -> None:
    async with proxy(spec("bad", "exits"), spec("bad", "exits", called="b")) as url:
        with pytest.raises(BaseExceptionGroup) as raised:
            async with Client(url, mode="legacy"):
                pass
        assert raised.group_contains(MCPError, match=r"no server could be started: .*no license found.*no license found")


async def test_names_that_collide_are_refused(proxy: Proxy, spec: Specs) -> None:
    specs = spec("bad", "fine", called="x y"), spec("bad", "fine", called="x-y")
    async with proxy(*specs) as url, Client(url, mode="legacy") as client:
        with pytest.raises(MCPError, match="would both be called 'x-y_go'"):
            await client.list_tools()
