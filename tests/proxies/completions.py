"""A small model endpoint: a real HTTP server that speaks chat completions and answers what a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Reply = str | int | None | Callable[[dict[str, Any]], str]
"""A text of the model; an HTTP status; None for no reply at all; or what makes a text of the request."""


class Completions:
    """Gives its replies in turn, the last one again and again, and keeps what it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.url = ""
        self._gone = asyncio.Event()

    async def _complete(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body)
        self.keys.append(request.headers.get("Authorization"))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply is None:
            await self._gone.wait()
            return web.Response(status=503)
        if isinstance(reply, int):
            return web.Response(status=reply, text=f"the key {request.headers.get('Authorization')} made this fail")
        text = reply if isinstance(reply, str) else reply(body)
        return web.json_response({"choices": [{"message": {"role": "assistant", "content": text}}]})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Completions]:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._complete)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert runner.addresses
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        try:
            yield self
        finally:
            self._gone.set()
            await runner.cleanup()
