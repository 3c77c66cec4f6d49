"""Start the task server on a transport, until the process is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from firefly_proxies.http_checks import Access
from firefly_proxies.serve import DRAIN_SECONDS, listen, stop_signals
from firefly_proxies.task_control import control_app
from firefly_proxies.task_desk import TaskDesk
from firefly_proxies.task_http import task_app
from firefly_proxies.task_server import open_once, task_server

_CHUNK = 65536


@dataclass(frozen=True)
class Addresses:
    """Where a task server listens, and who is let in.

    Attributes:
        subjects: host and port of the tasks.
        control: host and port of the control endpoint.
        allowed_hosts: host names that subjects may use beside the loopback names.
        token: the bearer token of subjects, or None.
        control_token: the bearer token of the control endpoint.
    """

    subjects: tuple[str, int]
    control: tuple[str, int]
    allowed_hosts: tuple[str, ...]
    token: str | None
    control_token: str


async def serve_tasks_http(
    desk: TaskDesk,
    addresses: Addresses,
    *,
    blind: bool = False,
    on_ready: Callable[[str, str], None] = lambda url, control: None,
) -> None:
    """Serve all tasks until SIGTERM or SIGINT, then end all sessions.

    Args:
        desk: hands out the tasks; closed at the end.
        addresses: where to listen.
        blind: submissions are only acknowledged.
        on_ready: called with the URL of the index and that of the control endpoint once both answer.

    Raises:
        UsageError: a port is in use, or an address is not ours.
    """
    _quiet()
    host, port = addresses.subjects
    control_host, control_port = addresses.control
    access = Access(bound_to=host, allowed_hosts=addresses.allowed_hosts, token=addresses.token)
    app, sessions = task_app(desk, blind=blind, access=access)
    control = control_app(sessions, addresses.control_token, bound_to=control_host)
    stopped = asyncio.Event()
    try:
        with stop_signals(stopped.set):
            async with running_app(control, control_host, control_port) as control_url, running_app(app, host, port) as url:
                on_ready(url, control_url)
                await stopped.wait()
    finally:
        await desk.close()


async def serve_task_stdio(desk: TaskDesk, task_id: str, *, blind: bool = False) -> None:
    """Serve one task to the client on the standard streams until its input ends or the process is told to stop."""
    _quiet()
    server = task_server(open_once(desk, task_id), blind=blind)
    end_input = _input_that_ends()
    why = "closed"

    def stop() -> None:
        nonlocal why
        why = "stopped"
        end_input()

    try:
        with stop_signals(stop):
            await server.run_stdio_async(show_banner=False)
    finally:
        for session in list(desk.sessions.values()):
            await session.close(why)
        await desk.close()


def _input_that_ends() -> Callable[[], None]:
    """Put a pipe in the place of standard input, and give what ends it: the SDK's read of it cannot be called off."""
    source = os.dup(0)
    outlet, inlet = os.pipe()
    os.dup2(outlet, 0)
    os.close(outlet)
    sink = os.fdopen(inlet, "wb", buffering=0)

    def end() -> None:
        with contextlib.suppress(OSError):
            sink.close()

    def pass_on() -> None:
        with contextlib.suppress(OSError, ValueError):  # it was ended, or nobody reads any more
            while data := os.read(source, _CHUNK):
                sink.write(data)
        end()

    threading.Thread(target=pass_on, name="stdin", daemon=True).start()
    return end


@asynccontextmanager
async def running_app(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve an ASGI application, its lifespan too, for as long as the block lasts; yields its URL without a path.

    Raises:
        UsageError: the port is in use or the address is not ours.
    """
    sock = listen(host, port)
    bound_host, bound_port = sock.getsockname()[:2]
    config = uvicorn.Config(
        app,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[sock])
    name = f"[{bound_host}]" if ":" in bound_host else bound_host
    try:
        yield f"http://{name}:{bound_port}"
    finally:
        for listening in server.servers:
            listening.close()
        await server.shutdown()
        sock.close()


def _quiet() -> None:
    """Keep fastmcp's and the SDK's notes of every session off standard error; warnings are shown."""
    for name in ("fastmcp", "mcp"):
        logging.getLogger(name).setLevel(logging.WARNING)
