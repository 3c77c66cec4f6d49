"""Several processes that serve one port: started together, stopped together, none without the others."""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.connection
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from firefly_mcp.errors import FireflyError, ServerError
from firefly_proxies.conversation import ConversationFactory
from firefly_proxies.serve import DRAIN_SECONDS, listen, run, running_http
from firefly_proxies.worker_desk import Desk

_STOP_SECONDS = DRAIN_SECONDS + 5.0

Make = Callable[[], AbstractContextManager[ConversationFactory]]
"""Opens in a worker what it serves. It is sent to other processes, so it must be a picklable object."""


@dataclass
class _Place:
    """What a worker is given."""

    number: int
    host: str
    listener: socket.socket
    inbox: socket.socket
    outboxes: list[socket.socket]
    token: str | None
    allowed_hosts: tuple[str, ...]


def serve_workers(
    make: Make,
    workers: int,
    host: str,
    port: int,
    *,
    token: str | None = None,
    allowed_hosts: Sequence[str] = (),
    on_ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve streamable HTTP with several processes until SIGTERM or SIGINT.

    Args:
        make: opens what each worker serves.
        workers: how many.
        host: the address to listen on.
        port: the port, 0 for any free one.
        token: the bearer token that clients must send, or None.
        allowed_hosts: host names that clients may use beside the loopback names.
        on_ready: called with the endpoint's URL once all answer.

    Raises:
        UsageError: the port is in use or the address is not ours.
        FireflyError: a worker could not begin.
        ServerError: a worker ended by itself.
    """
    listener = listen(host, port)
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(workers)]
    for pair in pairs:
        for end in pair:
            end.setblocking(False)
    context = multiprocessing.get_context("spawn")
    processes = []
    pipes: list[Connection] = []
    stopping = threading.Event()
    with _signals(stopping):
        try:
            for number in range(workers):
                ours, theirs = context.Pipe()
                place = _Place(number, host, listener, pairs[number][0], [out for _, out in pairs], token, tuple(allowed_hosts))
                process = context.Process(target=_work, args=(make, place, theirs), name=f"firefly worker {number}")
                process.start()
                theirs.close()
                processes.append(process)
                pipes.append(ours)
            urls = [_ready(pipe, process.pid or 0) for pipe, process in zip(pipes, processes, strict=True)]
            on_ready(urls[0])
            while not stopping.is_set():
                ended = multiprocessing.connection.wait([process.sentinel for process in processes], timeout=0.5)
                if ended and not stopping.is_set():
                    raise ServerError("a replay worker ended by itself, and its sessions with it; the others are stopped")
        finally:
            for pipe in pipes:
                pipe.close()  # which tells a worker to stop
            for process in processes:
                process.join(_STOP_SECONDS)
                if process.is_alive():
                    process.kill()
                    process.join()
            listener.close()
            for pair in pairs:
                for end in pair:
                    end.close()


def _ready(pipe: Connection, pid: int) -> str:
    try:
        said = pipe.recv()
    except EOFError:
        raise ServerError(f"a replay worker (process {pid}) ended before it was ready") from None
    if isinstance(said, FireflyError):
        raise said
    return str(said)


def _work(make: Make, place: _Place, pipe: Connection) -> None:
    """Be a worker."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent is told too, and closes the pipe
    try:
        with make() as factory:
            run(_serve(factory, place, pipe))
    except FireflyError as trouble:
        try:
            pipe.send(trouble)
        except OSError:
            print(f"firefly: worker {place.number}: {trouble}", file=sys.stderr)
        sys.exit(trouble.exit_code)


async def _serve(factory: ConversationFactory, place: _Place, pipe: Connection) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(pipe.fileno(), stopped.set)  # nothing is ever sent to a worker: it is closed, or its parent is gone
    desk = Desk(place.number, place.inbox, place.outboxes)
    try:
        async with running_http(
            factory, place.host, token=place.token, allowed_hosts=place.allowed_hosts, listener=place.listener, desk=desk
        ) as url:
            pipe.send(url)
            await stopped.wait()
    finally:
        loop.remove_reader(pipe.fileno())


class _signals:  # noqa: N801  used like a function
    """Sets an event on SIGTERM and SIGINT for the length of a block."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __enter__(self) -> None:
        self._before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        for number in self._before:
            signal.signal(number, lambda *_: self._event.set())

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
