"""The fixture of the conformance suite: everything that the suite's server scenarios ask of a server, in both eras.

``python -m tests.conformance.server`` speaks stdio; with ``--http PORT`` it serves streamable HTTP at ``/mcp``.
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import anyio
import mcp.types as types
import uvicorn
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError

from tests.conformance import content, rounds
from tests.conformance.events import Events
from tests.conformance.tools import TOOLS, Context, said

NAME = "firefly-conformance"
_TRIGGERS = {"test_trigger_tool_change": "tools", "test_trigger_prompt_change": "prompts"}
_ASKING = (*rounds.ASKING, "test_input_required_result_multi_round", "test_input_required_result_capabilities")
_RETRY_MS = 100


class Fixture:
    """The server's handlers, and its little state: which of the two lists that can change has changed."""

    def __init__(self) -> None:
        self.bus = InMemorySubscriptionBus()
        self.added = {"tools": False, "prompts": False}
        self.watched: set[str] = set()

    async def list_tools(self, ctx: Context, params: Any) -> types.ListToolsResult:
        empty: dict[str, Any] = {"type": "object", "properties": {}}
        schemas = {name: schema for name, (schema, _) in TOOLS.items()}
        schemas |= dict.fromkeys((*_ASKING, *_TRIGGERS), empty)
        if self.added["tools"]:
            schemas["test_added_tool"] = empty
        tools = [
            types.Tool(
                name=name,
                description=f"Fixture of the conformance suite: {name}.",
                input_schema=schema,
                annotations=types.ToolAnnotations(read_only_hint=name not in _TRIGGERS),
            )
            for name, schema in schemas.items()
        ]
        return types.ListToolsResult(tools=tools)

    async def call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> rounds.Result:
        name = params.name
        if name in _TRIGGERS:
            return await self._change(ctx, _TRIGGERS[name])
        if name in TOOLS:
            return await TOOLS[name][1](ctx, params.arguments or {})
        result = rounds.call(name, params, ctx.session.client_capabilities or types.ClientCapabilities())
        if result is None:
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {name}")
        return result

    async def _change(self, ctx: Context, which: str) -> types.CallToolResult:
        """Add to a list, or take away again what was added, and tell it in the way of the client's era."""
        self.added[which] = not self.added[which]
        if which == "tools":
            await self.bus.publish(ToolsListChanged())
            await ctx.session.send_tool_list_changed()
        else:
            await self.bus.publish(PromptsListChanged())
            await ctx.session.send_prompt_list_changed()
        return said(f"the list of {which} has changed")

    async def list_prompts(self, ctx: Context, params: Any) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=content.prompts(with_added=self.added["prompts"]))

    async def get_prompt(
        self, ctx: Context, params: types.GetPromptRequestParams
    ) -> types.GetPromptResult | types.InputRequiredResult:
        if params.name == "test_input_required_result_prompt":
            return rounds.get_prompt(params)
        return content.prompt_messages(params.name, params.arguments or {})

    async def list_resources(self, ctx: Context, params: Any) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=content.RESOURCES)

    async def list_templates(self, ctx: Context, params: Any) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=content.TEMPLATES)

    async def read(self, ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        return content.read(str(params.uri))

    async def subscribe(self, ctx: Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
        self.watched.add(str(params.uri))
        return types.EmptyResult()

    async def unsubscribe(self, ctx: Context, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
        self.watched.discard(str(params.uri))
        return types.EmptyResult()

    async def complete(self, ctx: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        words = [word for word in ("paris", "park", "party", "test") if word.startswith(params.argument.value)]
        return types.CompleteResult(completion=types.Completion(values=words, total=len(words), has_more=False))

    async def set_level(self, ctx: Context, params: types.SetLevelRequestParams) -> types.EmptyResult:
        return types.EmptyResult()


def make_server() -> Server[Any]:
    """The fixture as a server."""
    fixture = Fixture()
    server: Server[Any] = Server(
        NAME,
        version="1",
        on_list_tools=fixture.list_tools,
        on_call_tool=fixture.call_tool,
        on_list_prompts=fixture.list_prompts,
        on_get_prompt=fixture.get_prompt,
        on_list_resources=fixture.list_resources,
        on_list_resource_templates=fixture.list_templates,
        on_read_resource=fixture.read,
        on_subscribe_resource=fixture.subscribe,
        on_unsubscribe_resource=fixture.unsubscribe,
        on_subscriptions_listen=ListenHandler(fixture.bus),
        on_completion=fixture.complete,
    )
    server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, fixture.set_level)
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=NAME))
    return server


async def serve_stdio(server: Server[Any]) -> None:
    """Speak on the standard streams until the input ends."""
    changes = NotificationOptions(prompts_changed=True, tools_changed=True)
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options(changes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http", type=int, metavar="PORT", help="serve streamable HTTP on this port of 127.0.0.1")
    port = parser.parse_args().http
    warnings.simplefilter("ignore", MCPDeprecationWarning)  # the suite tests what this warns of
    server = make_server()
    if port is None:
        anyio.run(serve_stdio, server)
        return
    app = server.streamable_http_app(event_store=Events(), retry_interval=_RETRY_MS)
    # h11 strips the whitespace around header values, as RFC 9110 has it; httptools leaves it in
    uvicorn.run(app, host="127.0.0.1", port=port, http="h11", log_level="warning")


if __name__ == "__main__":
    main()
