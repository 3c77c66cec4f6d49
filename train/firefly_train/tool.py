"""verl's tools: one for each tool of the recording, answered by the replay proxy over MCP, and the answer channel.

verl has had no MCP tool of its own since 0.8. Its ``create`` and ``release`` are called around every single call, so what
belongs to a trajectory (its replay session, its counts) hangs on ``agent_data``, where the agent loop puts it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, REQUEST_TIMEOUT
from verl.tools.base_tool import BaseTool
from verl.tools.schemas import ToolResponse

from firefly_mcp.jsonio import JsonObject, loads
from firefly_train.connection import ReplayConnection
from firefly_train.function_schema import FunctionSchema
from firefly_train.results import shown
from firefly_train.trajectory import Trajectory

_TROUBLE = (CONNECTION_CLOSED, REQUEST_TIMEOUT, INTERNAL_ERROR)
"""Error codes with which the proxy or the way to it failed."""
Executed = tuple[ToolResponse, float, dict[str, Any]]


class _Entry(BaseTool):  # type: ignore[misc]
    """A tool whose schema is an entry of the run's ``tools.json``."""

    def __init__(self, config: JsonObject, tool_schema: object = None) -> None:
        """Read the entry.

        Args:
            config: ``tools`` (the file) and ``name`` (the entry).
            tool_schema: verl's own schema of the tool; not used, since it drops most of JSON Schema.
        """
        # Not super().__init__: it prints every schema.
        self.config = config
        self.tool_schema = FunctionSchema.model_validate(_entries(str(config["tools"]))[config["name"]])
        self.name = self.tool_schema.function.name


class ReplayTool(_Entry):
    """A tool of the recording."""

    async def execute(self, instance_id: str, parameters: Any, **kwargs: Any) -> Executed:
        """Call the tool in the trajectory's replay session."""
        trajectory: Trajectory = kwargs["agent_data"].trajectory
        connection: ReplayConnection = kwargs["agent_data"].connection
        if not isinstance(parameters, dict):
            trajectory.refused += 1
            return ToolResponse(text="error: the arguments must be a JSON object"), 0.0, {}
        begun = time.time()
        try:
            result = await connection.call(self.name, parameters, trajectory.session)
        except MCPError as error:
            if error.code in _TROUBLE:
                trajectory.failures.append(f"{self.name}: {error}")
            else:
                # A JSON-RPC error that was recorded is an answer like any other.
                trajectory.kinds["error"] += 1
            return ToolResponse(text=f"error: {error}"), 0.0, {}
        except Exception as error:
            trajectory.failures.append(f"{self.name}: {type(error).__name__}: {error}")
            raise
        finally:
            trajectory.waits.append((begun, time.time()))
        trajectory.note(result.get("_meta") or {})
        answer = shown(result)
        trajectory.exchange(self.name, parameters, answer)
        return ToolResponse(text=answer), 0.0, {}


class SilentTool(_Entry):
    """A tool that is switched off: a counter-check that a policy needs what tools answer."""

    async def execute(self, instance_id: str, parameters: Any, **kwargs: Any) -> Executed:
        """Answer nothing."""
        return ToolResponse(text="error: the tools are switched off"), 0.0, {}


class AnswerTool(_Entry):
    """The answer channel."""

    async def execute(self, instance_id: str, parameters: Any, **kwargs: Any) -> Executed:
        """Take the answer; the agent loop then ends the trajectory."""
        kwargs["agent_data"].trajectory.submit(parameters.get("answer") if isinstance(parameters, dict) else None)
        return ToolResponse(text="The answer was taken."), 0.0, {}


_read: dict[str, dict[str, JsonObject]] = {}


def _entries(path: str) -> dict[str, JsonObject]:
    if path not in _read:
        _read[path] = {entry["function"]["name"]: entry for entry in loads(Path(path).read_bytes())}
    return _read[path]
