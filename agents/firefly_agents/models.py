"""Models by name, at any endpoint that speaks the chat completions of OpenAI."""

from __future__ import annotations

import os

from openai import AsyncOpenAI

from agents import Model, OpenAIChatCompletionsModel
from firefly_mcp.errors import ModelError


class NamedModel(OpenAIChatCompletionsModel):
    """A model at an endpoint, with its own client."""

    def __init__(self, name: str, client: AsyncOpenAI) -> None:
        """Ask for ``name`` through ``client``."""
        super().__init__(model=name, openai_client=client)
        self._own = client

    async def close(self) -> None:
        """Close the client's connections."""
        await self._own.close()


def make_named_model(name: str) -> Model:
    """The model ``name`` at ``OPENAI_BASE_URL`` (by default the vendor's own endpoint), with ``OPENAI_API_KEY``.

    Raises:
        ModelError: no key is set.
    """
    key, url = os.environ.get("OPENAI_API_KEY"), os.environ.get("OPENAI_BASE_URL")
    if not key and not url:
        raise ModelError(
            f"--model {name} needs OPENAI_API_KEY (and OPENAI_BASE_URL for another endpoint); --model offline needs none"
        )
    client = AsyncOpenAI(api_key=key or "none", base_url=url or None, max_retries=4)
    return NamedModel(name, client)
