"""A studio that does everything a server may do besides answering, in both eras: questions, progress, logs, changing lists.

In the handshake era its questions are requests to the client, in the stateless era input-required results.
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import anyio
import mcp.types as types
import uvicorn
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated, ToolsListChanged
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError

CANVAS = "studio://canvas"
_FORM = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
Result = types.CallToolResult | types.InputRequiredResult
_READ = types.ToolAnnotations(read_only_hint=True)
_TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}


def _asks(text: str) -> dict[str, types.InputRequest]:
    """What each tool that asks puts to the client, in the stateless era's form."""
    message = types.SamplingMessage(role="user", content=types.TextContent(text=text))
    return {
        "ask_model": types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[message], max_tokens=9)),
        "ask_user": types.ElicitRequest(params=types.ElicitRequestFormParams(message=text, requested_schema=_FORM)),
        "ask_roots": types.ListRootsRequest(),
    }


def _words(answer: Any) -> str:
    if isinstance(answer, types.ListRootsResult):
        return ", ".join(str(root.uri) for root in answer.roots)
    if isinstance(answer, types.ElicitResult):
        return f"{answer.action} {(answer.content or {}).get('colour', '')}"
    return answer.content.text if isinstance(answer.content, types.TextContent) else "something"


class Studio:
    """The handlers, and what has been painted and hired."""

    def __init__(self) -> None:
        self.bus = InMemorySubscriptionBus()
        self.canvas = "white"
        self.hired: list[str] = []
        self.talkative = True

    async def list_tools(self, ctx: Any, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        """Two pages; the second one grows."""
        tools = [types.Tool(name=name, input_schema=_TEXT, annotations=_READ) for name in ("count", *_asks(""))]
        if params is None or not params.cursor:
            return types.ListToolsResult(tools=tools, next_cursor="rest")
        if params.cursor != "rest":
            raise MCPError(types.INVALID_PARAMS, "no such cursor", {"cursor": params.cursor})
        rest = [types.Tool(name=name, input_schema=_TEXT) for name in ("paint", "hire", "ask_twice", *self.hired)]
        return types.ListToolsResult(tools=rest)

    async def call_tool(
        self, ctx: Any, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        text = str((params.arguments or {}).get("text", ""))
        stateless = ctx.session.protocol_version >= "2026"
        if params.name == "count":
            for step in (1, 2, 3):
                await ctx.session.report_progress(step, 3, f"step {step}")
                await ctx.session.send_log_message("info", f"at {step}", related_request_id=ctx.request_id)
            if self.talkative:
                await ctx.session.send_log_message("debug", "barely worth saying", related_request_id=ctx.request_id)
            return _said(f"counted for {text}")
        if params.name == "paint":
            self.canvas = text
            if stateless:
                await self.bus.publish(ResourceUpdated(CANVAS))
            else:
                await ctx.session.send_resource_updated(CANVAS)
            return _said(f"painted {text}")
        if params.name == "hire":
            self.hired.append(text)
            if stateless:
                await self.bus.publish(ToolsListChanged())
            else:
                await ctx.session.send_tool_list_changed()
            return _said(f"hired {text}")
        if params.name == "ask_twice":
            return _said(f"{await self._asked(ctx, 'ask_user', text)}, {await self._asked(ctx, 'ask_model', text)}")
        if params.name in _asks(""):
            if not stateless:
                return _said(await self._asked(ctx, params.name, text))
            answer = (params.input_responses or {}).get("it")
            if answer is None:
                return types.InputRequiredResult(input_requests={"it": _asks(text)[params.name]}, request_state=f"of {text}")
            return _said(f"{_words(answer)} ({params.request_state})")
        raise MCPError(types.INVALID_PARAMS, f"nobody here is called {params.name}", {"hired": self.hired})

    async def _asked(self, ctx: Any, name: str, text: str) -> str:
        """What the client answers to a request in the middle of a call."""
        if name == "ask_user":
            return _words(await ctx.session.elicit_form(text, _FORM, ctx.request_id))
        if name == "ask_roots":
            return _words(await ctx.session.list_roots())
        message = types.SamplingMessage(role="user", content=types.TextContent(text=text))
        return _words(await ctx.session.create_message([message], max_tokens=9, related_request_id=ctx.request_id))

    async def list_resources(self, ctx: Any, params: Any) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=[types.Resource(uri=CANVAS, name="canvas")])

    async def list_templates(self, ctx: Any, params: Any) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(
            resource_templates=[types.ResourceTemplate(uri_template="studio://sketch/{name}", name="sketch")]
        )

    async def read(self, ctx: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        uri = str(params.uri)
        if uri == CANVAS:
            text = self.canvas
        elif uri.startswith("studio://sketch/"):
            text = f"a sketch of {uri.rpartition('/')[2]}"
        else:
            raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": uri})
        return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type="text/plain", text=text)])

    async def subscribe(self, ctx: Any, params: types.SubscribeRequestParams) -> types.EmptyResult:
        return types.EmptyResult()

    async def unsubscribe(self, ctx: Any, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
        return types.EmptyResult()

    async def list_prompts(self, ctx: Any, params: Any) -> types.ListPromptsResult:
        wanted = [types.PromptArgument(name="style", required=True)]
        return types.ListPromptsResult(prompts=[types.Prompt(name="brief", arguments=wanted)])

    async def get_prompt(self, ctx: Any, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        content = types.TextContent(text=f"Paint something {(params.arguments or {}).get('style')}.")
        return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])

    async def complete(self, ctx: Any, params: types.CompleteRequestParams) -> types.CompleteResult:
        words = [word for word in ("cubist", "curved", "abstract") if word.startswith(params.argument.value)]
        return types.CompleteResult(completion=types.Completion(values=words))

    async def set_level(self, ctx: Any, params: types.SetLevelRequestParams) -> types.EmptyResult:
        if params.level not in ("debug", "info"):
            raise MCPError(types.INVALID_PARAMS, "the studio is never that quiet", {"level": params.level})
        self.talkative = params.level == "debug"
        return types.EmptyResult()


def _said(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)])


def make_server() -> Server[Any]:
    studio = Studio()
    server: Server[Any] = Server(
        "studio",
        version="1",
        instructions="Ask before you paint.",
        on_list_tools=studio.list_tools,
        on_call_tool=studio.call_tool,
        on_list_prompts=studio.list_prompts,
        on_get_prompt=studio.get_prompt,
        on_list_resources=studio.list_resources,
        on_list_resource_templates=studio.list_templates,
        on_read_resource=studio.read,
        on_subscribe_resource=studio.subscribe,
        on_unsubscribe_resource=studio.unsubscribe,
        on_subscriptions_listen=ListenHandler(studio.bus),
        on_completion=studio.complete,
    )
    server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, studio.set_level)
    return server


async def main(handshake: bool) -> None:
    server = make_server()
    if handshake:

        async def refuse(ctx: Any, call_next: Any) -> Any:
            if ctx.method == "server/discover":
                raise MCPError(types.METHOD_NOT_FOUND, "Method not found")
            return await call_next(ctx)

        server.middleware.append(refuse)
    changes = NotificationOptions(resources_changed=True, tools_changed=True)
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options(changes))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int)
    parser.add_argument("--handshake", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    if options.http is None:
        anyio.run(main, options.handshake)
    else:
        uvicorn.run(make_server().streamable_http_app(), host="127.0.0.1", port=options.http, log_level="error")
