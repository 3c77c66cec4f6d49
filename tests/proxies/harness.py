"""Starting ``firefly`` commands and finding the test servers."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from firefly_mcp.servers.config import ServerSpec

SERVERS = Path(__file__).parent.parent / "servers"

Specs = Callable[..., ServerSpec]
Proxy = Callable[..., AbstractAsyncContextManager[str]]
Firefly = Callable[..., AbstractAsyncContextManager["Command"]]


class Command:
    """A running ``firefly`` command."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.errors = ""

    async def until(self, text: str) -> str:
        """Read standard error until a line holds ``text``; gives that line."""
        assert self.process.stderr is not None
        async with asyncio.timeout(30):
            while line := (await self.process.stderr.readline()).decode():
                self.errors += line
                if text in line:
                    return line.strip()
        raise AssertionError(f"{text!r} never came; standard error: {self.errors}")

    async def send(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        await self.process.stdin.drain()

    async def receive(self) -> bytes:
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            return await self.process.stdout.readline()

    async def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        async with asyncio.timeout(20):
            await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode

    async def finish(self) -> tuple[int, str, str]:
        """Close its input and wait for its end: exit code, standard output, standard error."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(30):
            out, errors = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), self.errors + errors.decode()


@asynccontextmanager
async def running_firefly(*args: str, **settings: Any) -> AsyncIterator[Command]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "firefly_mcp",
        *args,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        **settings,
    )
    try:
        yield Command(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def stored_bytes(store: Path) -> bytes:
    """Everything that the files of a recording hold."""
    return b"".join(path.read_bytes() for path in store.parent.glob(f"{store.name}*"))


def alive(pid: int) -> bool:
    """Whether a process runs, and is not a zombie."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


async def gone(pids: Iterable[int], *, within: float = 5.0) -> None:
    """Wait until none of the processes runs: a signal that cannot be ignored still takes the kernel a moment."""
    waiting = list(pids)
    with anyio.fail_after(within):
        while any(alive(pid) for pid in waiting):  # noqa: ASYNC110 - no event tells of a process that is not a child
            await anyio.sleep(0.01)
