"""The replay proxy of a run: started as a child that serves the recording, or found where the user says it is."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from mcp import Client

from firefly_mcp.errors import ServerError, TaskError
from firefly_train.children import Children

ANY_HOST = "0.0.0.0"
START_SECONDS = 120.0
_READY = re.compile(rb"listening on (\S+)")


def start_proxy(store: Path, children: Children, log: Path, host: str = "127.0.0.1") -> str:
    """Start ``firefly replay`` on a free port of this machine and wait until it listens; gives its URL, as other machines
    reach it where it listens on any address.

    Raises:
        ServerError: it ended before it listened, or did not listen in time.
    """
    command = [sys.executable, "-m", "firefly_mcp", "replay", "--store", str(store), "--http", f"{host}:0"]
    if host == ANY_HOST:
        command += ["--allow-host", socket.gethostname()]
    process = children.start(command, environment=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    found: list[str] = []
    ready = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        with log.open("ab", buffering=0) as copy, process.stderr as lines:
            for line in lines:
                copy.write(line)
                match = _READY.search(line)
                if match and not found:
                    found.append(match[1].decode())
                    ready.set()
        ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    children.afterwards(reader.join)
    if not ready.wait(START_SECONDS):
        raise ServerError(f"the replay proxy did not listen within {START_SECONDS:.0f} s; see {log}")
    if not found:
        last = log.read_text(errors="replace").strip().splitlines()
        raise ServerError(f"the replay proxy did not start: {last[-1] if last else 'it said nothing'}")
    return found[0].replace(ANY_HOST, socket.gethostname()) if host == ANY_HOST else found[0]


def check_proxy(url: str, wanted: Iterable[str]) -> None:
    """List the proxy's tools as any client would, and look for those that the tasks offer.

    Raises:
        ServerError: the proxy cannot be reached.
        TaskError: it lacks a tool.
    """

    async def names() -> set[str]:
        async with asyncio.timeout(30), Client(url, mode="legacy") as client:
            return {tool.name for tool in (await client.list_tools()).tools}

    try:
        there = asyncio.run(names())
    except (Exception, asyncio.CancelledError) as error:
        raise ServerError(f"no replay proxy answers at {url} ({_heart(error)})") from error
    missing = sorted(set(wanted) - there)
    if missing:
        raise TaskError(f"the proxy at {url} lacks {len(missing)} tools that the tasks offer, as {missing[0]!r}")


def _heart(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
