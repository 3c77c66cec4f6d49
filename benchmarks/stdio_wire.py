"""A raw MCP client over a process's standard streams: the same for a server and for a proxy before it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

START_SECONDS = 120.0
CALL_SECONDS = 30.0
_LINE_LIMIT = 64 * 2**20


class StdioSession:
    """One session with one process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count(1)

    async def request(self, method: str, params: dict[str, Any] | None = None, *, seconds: float = CALL_SECONDS) -> Any:
        """The answer without its id: its result or its error, and all else that is in it.

        Raises:
            TimeoutError: none came in time.
            EOFError: the process has ended.
        """
        number = next(self._ids)
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}
        await self._send(message)
        async with asyncio.timeout(seconds):
            while True:
                said = await self._receive()
                if said.get("id") == number and "method" not in said:
                    return {key: value for key, value in said.items() if key != "id"}
                if "method" in said and "id" in said:
                    await self._send({"jsonrpc": "2.0", "id": said["id"], **_own_answer(said["method"])})

    async def begin(self) -> Any:
        """Shake hands; gives the answer to ``initialize``."""
        client = {"name": "benchmark", "version": "1"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
        answer = await self.request("initialize", params, seconds=START_SECONDS)
        await self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    async def listed(self, method: str, key: str) -> Any:
        """All pages of a list, or the error."""
        items: list[Any] = []
        cursor = None
        for _ in range(50):
            answer = await self.request(method, {"cursor": cursor} if cursor else None)
            if "error" in answer or not isinstance(answer["result"].get(key), list):
                return answer
            items += answer["result"][key]
            cursor = answer["result"].get("nextCursor")
            if not cursor:
                break
        return items

    async def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(orjson.dumps(message) + b"\n")
        with contextlib.suppress(ConnectionError):
            await self._process.stdin.drain()

    async def _receive(self) -> Any:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            with contextlib.suppress(ValueError):
                said = orjson.loads(line)
                if isinstance(said, dict) and "jsonrpc" in said:
                    return said
        raise EOFError("the process has ended")


def _own_answer(method: str) -> dict[str, Any]:
    if method == "ping":
        return {"result": {}}
    return {"error": {"code": -32601, "message": f"Method not found: {method}"}}


@asynccontextmanager
async def stdio_session(argv: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path) -> AsyncIterator[StdioSession]:
    """Start a process, and end it and its group after the block."""
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=dict(env),
            cwd=cwd,
            limit=_LINE_LIMIT,
            start_new_session=True,
        )
    try:
        yield StdioSession(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
