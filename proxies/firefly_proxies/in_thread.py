"""A proxy served over HTTP from a thread of its own, for programs that have no event loop to spare: tests above all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from firefly_mcp.errors import ServerError

_Result = TypeVar("_Result")
_PATIENCE = 60.0
"""Seconds that starting, stopping or asking may take."""


class ServedInThread:
    """Serves for as long as the thread runs. Use as a context manager; what is given is opened and closed in the thread."""

    def __init__(self, serving: Callable[[], AbstractAsyncContextManager[str]]) -> None:
        """Prepare; ``serving`` gives the endpoint's URL while it is open."""
        self._serving = serving
        self._thread = threading.Thread(target=self._run, name="firefly", daemon=True)
        self._started = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._trouble: BaseException | None = None
        self.url = ""

    def __enter__(self) -> ServedInThread:
        self._thread.start()
        if not self._started.wait(_PATIENCE):
            raise ServerError("the proxy did not start in time")
        self._raise()
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_PATIENCE)
        self._raise()

    def ask(self, what: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
        """Run a coroutine in the thread and give its result."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(what(), self._loop).result(_PATIENCE)

    def _raise(self) -> None:
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise trouble

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as trouble:
            self._trouble = trouble
        finally:
            self._loop = None
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with self._serving() as url:
            self.url = url
            self._started.set()
            await self._stop.wait()
