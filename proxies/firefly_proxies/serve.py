"""Start a front on a transport: standard streams, a port, or a port inside this process for its own clients."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from firefly_mcp.errors import UsageError
from firefly_proxies.conversation import ConversationFactory
from firefly_proxies.http_checks import Access
from firefly_proxies.http_front import BODY_LIMIT, PATH, HttpFront
from firefly_proxies.http_shortcut import ShortcutProtocol
from firefly_proxies.stdio_front import speak_stdio
from firefly_proxies.worker_desk import Desk
from firefly_proxies.worker_protocol import receive, worker_protocol

DRAIN_SECONDS = 3
"""How long requests in flight may go on when the server is told to stop."""


def run(serving: Coroutine[Any, Any, None]) -> None:
    """Run to the end on uvloop where it is installed, else on asyncio's own loop."""
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        runner.run(serving)


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def serve_stdio(factory: ConversationFactory) -> None:
    """Serve one client on the standard streams until its input ends or the process is told to stop.

    Raises:
        FireflyError: the conversation could not begin.
    """
    serving = asyncio.ensure_future(speak_stdio(factory))
    with stop_signals(serving.cancel), contextlib.suppress(asyncio.CancelledError):
        await serving


async def serve_http(
    factory: ConversationFactory,
    host: str,
    port: int,
    *,
    token: str | None = None,
    allowed_hosts: Sequence[str] = (),
    on_ready: Callable[[str], None] = lambda url: None,
    listener: socket.socket | None = None,
) -> None:
    """Serve streamable HTTP until SIGTERM or SIGINT.

    Args:
        factory: opens a conversation for each client session; closed at the end.
        host: the address to listen on.
        port: the port, 0 for any free one.
        token: the bearer token that clients must send, or None.
        allowed_hosts: host names that clients may use beside the loopback names.
        on_ready: called with the endpoint's URL once it answers.
        listener: a socket that already listens, instead of ``host`` and ``port``.

    Raises:
        UsageError: the port is in use or the address is not ours.
    """
    stopped = asyncio.Event()
    with stop_signals(stopped.set):
        async with running_http(factory, host, port, token=token, allowed_hosts=allowed_hosts, listener=listener) as url:
            on_ready(url)
            await stopped.wait()


@asynccontextmanager
async def running_http(
    factory: ConversationFactory,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    token: str | None = None,
    allowed_hosts: Sequence[str] = (),
    listener: socket.socket | None = None,
    body_limit: int = BODY_LIMIT,
    idle_seconds: float = 1800.0,
    desk: Desk | None = None,
) -> AsyncIterator[str]:
    """Serve streamable HTTP inside the running event loop for as long as the block lasts; yields the endpoint's URL.

    ``desk``: this process is one of several that serve the port.

    Raises:
        UsageError: the port is in use or the address is not ours.
    """
    sock = listener or listen(host, port)
    bound_host, bound_port = sock.getsockname()[:2]
    access = Access(bound_to=host, allowed_hosts=allowed_hosts, token=token)
    prefix = "" if desk is None else desk.prefix
    front = HttpFront(factory, access=access, body_limit=body_limit, idle_seconds=idle_seconds, prefix=prefix)
    config = uvicorn.Config(
        front,
        http=ShortcutProtocol if desk is None else worker_protocol(desk, body_limit),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    # startup and shutdown, not serve(): that polls ten times a second and takes the process's signals
    await server.startup(sockets=[sock])
    if desk is not None:
        desk.guest_of = front.channels.told
        receive(desk, config, server, front.channels.adopt)
    name = f"[{bound_host}]" if ":" in bound_host else bound_host
    try:
        yield f"http://{name}:{bound_port}{PATH}"
    finally:
        if desk is not None:
            desk.close()
        for listening in server.servers:
            listening.close()  # no new connections; closing the socket itself first breaks asyncio's own loop
        await front.close()
        await server.shutdown()
        sock.close()


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket.

    Raises:
        UsageError: the port is in use or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(1024)
        sock.setblocking(False)
    except (OSError, OverflowError) as trouble:
        sock.close()
        reason = trouble.strerror if isinstance(trouble, OSError) and trouble.strerror else str(trouble)
        raise UsageError(f"cannot listen on {host}:{port}: {reason}") from None
    return sock


def parse_address(text: str) -> tuple[str, int]:
    """``PORT`` or ``HOST:PORT`` (IPv6 in brackets), the host loopback by default.

    Raises:
        UsageError: not of that form.
    """
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--http wants PORT or HOST:PORT, not {text!r}")
    return host.strip("[]") or "127.0.0.1", int(port)


@contextlib.contextmanager
def stop_signals(stop: Callable[[], object]) -> Iterator[None]:
    """Call ``stop`` on SIGTERM and SIGINT for as long as the block lasts, where the system lets us."""
    loop = asyncio.get_running_loop()
    taken = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not the main thread, or not Unix
            loop.add_signal_handler(number, stop)
            taken.append(number)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
