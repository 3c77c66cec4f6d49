"""Tasks as MCP servers, on fastmcp: a task's request as a prompt and a resource, its tools, and the channel for the answer.

One fastmcp server stands for all tasks; which session a request belongs to, and so what is listed and who answers, is for
:mod:`firefly_proxies.task_http` to say, or there is one session only: on standard streams.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastmcp import FastMCP
from fastmcp.prompts.base import Prompt
from fastmcp.resources.base import Resource
from fastmcp.server.dependencies import get_context
from fastmcp.server.providers import Provider
from fastmcp.tools.base import Tool, ToolResult
from fastmcp.utilities.components import FastMCPComponent
from fastmcp.utilities.versions import VersionSpec
from mcp_types import CallToolResult
from mcp_types import Tool as McpTool
from pydantic import AnyUrl, PrivateAttr, ValidationError

from firefly_mcp import __version__
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.tasks.answering import ANSWER_TOOL
from firefly_proxies.task_desk import TaskDesk
from firefly_proxies.task_session import TaskSession

PROMPT = "task"
RESOURCE = "task://request"
ACKNOWLEDGED = "The answer was taken."
INSTRUCTIONS = (
    f"This server holds one task. Read it in the prompt {PROMPT!r} (the resource {RESOURCE} holds the same text), solve it with"
    f" the tools, and call {ANSWER_TOOL} once with the answer."
)

Current = Callable[[], Awaitable[TaskSession]]
"""Gives the session that the request being answered belongs to."""


def task_server(current: Current, *, blind: bool = False) -> FastMCP[Any]:
    """A fastmcp server that offers whatever the current session's task offers.

    Args:
        current: tells the session.
        blind: submissions are only acknowledged; else their reward is told.
    """
    return FastMCP(
        "firefly-tasks",
        INSTRUCTIONS,
        version=__version__,
        providers=[TaskProvider(current, blind=blind)],
        dereference_schemas=False,  # tools are offered as they were recorded
    )


def open_once(desk: TaskDesk, task_id: str) -> Current:
    """The one session of a process that serves one task, opened when it is first needed."""
    opened: list[TaskSession] = []

    async def current() -> TaskSession:
        if not opened:
            opened.append(await desk.open(task_id))
        return opened[0]

    return current


class TaskProvider(Provider):
    """Looks the current session's task up for everything that fastmcp is asked for."""

    def __init__(self, current: Current, *, blind: bool) -> None:
        super().__init__()
        self._current = current
        self._blind = blind

    async def get_tasks(self) -> Sequence[FastMCPComponent]:
        """None: fastmcp's background tasks are another thing, and are asked for outside any session."""
        return []

    async def _list_tools(self) -> Sequence[Tool]:
        session = await self._current()
        return [_Offered.of(definition, session, self._blind) for definition in session.tools]

    async def _get_tool(self, name: str, version: VersionSpec | None = None) -> Tool | None:
        session = await self._current()
        found = next((definition for definition in session.tools if definition["name"] == name), None)
        # What is not offered is called all the same: the session says what there is, and counts it.
        return _Offered.of(found or {"name": name, "inputSchema": {"type": "object"}}, session, self._blind)

    async def _list_prompts(self) -> Sequence[Prompt]:
        return [_Briefing.of(await self._current())]

    async def _get_prompt(self, name: str, version: VersionSpec | None = None) -> Prompt | None:
        return _Briefing.of(await self._current()) if name == PROMPT else None

    async def _list_resources(self) -> Sequence[Resource]:
        return [_Request.of(await self._current())]

    async def _get_resource(self, uri: str, version: VersionSpec | None = None) -> Resource | None:
        return _Request.of(await self._current()) if uri == RESOURCE else None


class _Offered(Tool):
    """A recorded tool in one session."""

    _definition: JsonObject = PrivateAttr()
    _session: TaskSession = PrivateAttr()
    _blind: bool = PrivateAttr(default=False)

    @classmethod
    def of(cls, definition: JsonObject, session: TaskSession, blind: bool) -> _Offered:
        # Not the output schema: fastmcp would rewrite results by it, and they are sent as they were recorded.
        tool = cls(
            name=definition["name"],
            description=definition.get("description"),
            parameters=definition.get("inputSchema") or {"type": "object"},
        )
        tool._definition, tool._session, tool._blind = definition, session, blind
        return tool

    def to_mcp_tool(self, **overrides: Any) -> McpTool:
        """The recorded definition, with nothing of fastmcp's own."""
        return McpTool.model_validate(self._definition)

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        """Call it in the session."""
        if not self._session.client:
            self._session.client = _client()
        result = await self._session.call(self.name, arguments)
        if self._blind and self.name == ANSWER_TOOL and not result.get("isError"):
            result = {"content": [{"type": "text", "text": ACKNOWLEDGED}], "structuredContent": {"accepted": True}}
        try:
            return ToolResult.from_mcp_result(CallToolResult.model_validate(result))
        except ValidationError as error:
            said = f"the recorded result of {self.name} is not a result that MCP knows: {error.errors()[0]['msg']}"
            return ToolResult(content=said, is_error=True)


class _Briefing(Prompt):
    """The task's request as a prompt."""

    _text: str = PrivateAttr()

    @classmethod
    def of(cls, session: TaskSession) -> _Briefing:
        prompt = cls(name=PROMPT, title="The task", description="What is to be done, and how to answer.", arguments=[])
        prompt._text = session.briefing
        return prompt

    async def render(self, arguments: dict[str, Any] | None = None) -> str:
        """The request."""
        return self._text


class _Request(Resource):
    """The same text as a resource."""

    _text: str = PrivateAttr()

    @classmethod
    def of(cls, session: TaskSession) -> _Request:
        resource = cls(uri=AnyUrl(RESOURCE), name=PROMPT, title="The task", mime_type="text/plain")
        resource._text = session.briefing
        return resource

    async def read(self) -> str:
        """The request."""
        return self._text


def _client() -> JsonObject:
    """Who the subject says that it is."""
    params = get_context().session.client_params
    if params is None or params.client_info is None:
        return {}
    told: JsonObject = params.client_info.model_dump(mode="json", by_alias=True, exclude_none=True)
    return told
