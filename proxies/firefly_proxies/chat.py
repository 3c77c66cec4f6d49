"""A model behind an endpoint that speaks the chat completions of OpenAI, over plain HTTP."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import aiohttp

from firefly_mcp.errors import ModelError
from firefly_mcp.jsonio import JsonObject, dumps, loads
from firefly_proxies.http_checks import LOOPBACK

VENDOR_URL = "https://api.openai.com/v1"
REPLY_LIMIT = 4 * 1024 * 1024
"""Bytes of one reply; a longer one is trouble."""
REPLY_SECONDS = 120.0


class ChatModel:
    """One model at one endpoint."""

    def __init__(self, name: str, *, url: str = VENDOR_URL, key: str = "", seconds: float = REPLY_SECONDS) -> None:
        """Prepare; nothing is asked yet.

        Args:
            name: as the endpoint knows the model.
            url: up to and without ``/chat/completions``.
            key: the bearer token; empty for an endpoint that wants none.
            seconds: how long a reply may take.
        """
        self.name = name
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._key = key
        self._seconds = seconds
        self._beyond = (urlsplit(url).hostname or "") not in LOOPBACK
        self._http: aiohttp.ClientSession | None = None

    @classmethod
    def from_environment(cls, name: str, variables: Mapping[str, str] = os.environ) -> ChatModel:
        """The model ``name`` at ``OPENAI_BASE_URL`` (by default the vendor's own endpoint), with ``OPENAI_API_KEY``.

        Raises:
            ModelError: neither is set.
        """
        key, url = variables.get("OPENAI_API_KEY", ""), variables.get("OPENAI_BASE_URL", "")
        if not key and not url:
            raise ModelError(
                f"the model {name} needs OPENAI_API_KEY (and OPENAI_BASE_URL for another endpoint than the vendor's)"
            )
        return cls(name, url=url or VENDOR_URL, key=key)

    async def complete(self, messages: Sequence[JsonObject]) -> str:
        """The text that the model answers to a conversation.

        Args:
            messages: ``{"role": …, "content": …}`` each.

        Raises:
            ModelError: no reply, a refusal, or one that is no chat completion; the line names the model, never the key.
        """
        try:
            async with asyncio.timeout(self._seconds):
                return self._text(*await self._post(dumps({"model": self.name, "messages": list(messages)})))
        except TimeoutError:
            raise ModelError(f"model {self.name}: no reply within {self._seconds:g} s") from None
        except (aiohttp.ClientError, OSError) as trouble:
            raise ModelError(f"model {self.name}: {type(trouble).__name__}: {trouble}") from trouble

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        if self._http is None:
            self._http = aiohttp.ClientSession(trust_env=self._beyond)  # a proxy is for hosts beyond this one
        async with self._http.post(self._url, data=body, headers=self._headers, allow_redirects=False) as reply:
            received = await reply.content.read(REPLY_LIMIT)
            while len(received) < REPLY_LIMIT and (more := await reply.content.read(REPLY_LIMIT - len(received))):
                received += more
            return reply.status, received

    def _text(self, status: int, body: bytes) -> str:
        if status != 200:
            raise ModelError(f"model {self.name}: the endpoint answered {status}: {self._shown(body)}")
        try:
            text = loads(body)["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError, RecursionError):
            text = None
        if not isinstance(text, str):
            raise ModelError(f"model {self.name}: the endpoint's reply is not a chat completion: {self._shown(body)}")
        return text

    def _shown(self, body: bytes) -> str:
        """The beginning of a reply for an error line; some endpoints repeat the key that they refuse."""
        told = body.decode(errors="replace")
        if self._key:
            told = told.replace(self._key, "[redacted]")
        return " ".join(told[:200].split())
