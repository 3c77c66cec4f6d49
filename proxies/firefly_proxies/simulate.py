"""The rung ``simulated``: a model writes the answer to a call that was never recorded, and the answer stands for ever.

It is checked before it is served: JSON, the form of a tool's result, the tool's output schema. What fails twice is a miss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import mcp.types
import pydantic

from firefly_mcp.errors import FireflyError, ModelError
from firefly_mcp.jsonio import JSON, JsonObject, loads, text
from firefly_mcp.replay.misses import schema_problem
from firefly_mcp.store import queries, simulated
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.simulated import SimulatedAnswer, SimulatedCall
from firefly_mcp.types import Call, Tool
from firefly_proxies.chat import ChatModel

EXAMPLES = 5
EARLIER = 10
_SHOWN = 4000
"""Characters of one recorded result that the model is shown."""
_TRIES = 2
_KNOWN = ("content", "structuredContent", "isError")


class UnusableError(FireflyError):
    """What a model wrote cannot be served."""


@dataclass(frozen=True, slots=True)
class Question:
    """A call to be answered by a model.

    Attributes:
        asked: the call, its state, and the model.
        arguments: as they may be written down.
        nearest: ids of the recorded calls that are nearest.
        earlier: what the session was answered on this server before, oldest first.
    """

    asked: SimulatedCall
    arguments: JsonObject
    nearest: Sequence[int] = ()
    earlier: Sequence[Call] = ()


class Simulator:
    """Asks a model, and keeps what it wrote."""

    def __init__(self, recording: Recording, chat: ChatModel) -> None:
        """Answers are looked up in, and written into, ``recording``."""
        self._recording = recording
        self._chat = chat
        self._prompt = files("firefly_proxies").joinpath("prompts/simulate.md").read_text(encoding="utf-8")
        self._asking: dict[SimulatedCall, asyncio.Future[SimulatedAnswer]] = {}

    @property
    def model(self) -> str:
        """The model's name."""
        return self._chat.name

    async def answer(self, question: Question, tool: Tool) -> SimulatedAnswer:
        """The answer that stands: kept from an earlier time, or written now.

        Args:
            question: the call.
            tool: its definition.

        Raises:
            ModelError: the model could not be asked.
            UnusableError: what it wrote could not be used, twice.
            StoreError: the answer cannot be kept.
        """
        kept = simulated.find(self._recording, question.asked)
        if kept is not None:
            return kept
        asking = self._asking.get(question.asked)
        if asking is None:  # sessions that ask the same at once are answered by one reply
            asking = self._asking[question.asked] = asyncio.ensure_future(self._write(question, tool))
            asking.add_done_callback(lambda done: self._asked(question.asked, done))
        return await asyncio.shield(asking)

    async def close(self) -> None:
        """Give up what is being asked, and close the connections."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await self._chat.close()

    def _asked(self, asked: SimulatedCall, done: asyncio.Future[SimulatedAnswer]) -> None:
        self._asking.pop(asked, None)
        if not done.cancelled():
            done.exception()  # looked at here too: everyone who waited may be gone

    async def _write(self, question: Question, tool: Tool) -> SimulatedAnswer:
        examples = [call for number in question.nearest[:EXAMPLES] if (call := queries.call(self._recording, number))]
        messages = [
            {"role": "system", "content": self._prompt},
            {"role": "user", "content": _data(question, tool, examples)},
        ]
        trouble: FireflyError = ModelError("")
        for _ in range(_TRIES):
            try:
                written = await self._chat.complete(messages)
            except ModelError as unreachable:
                trouble = unreachable
                continue
            try:
                result = checked(written, tool)
            except UnusableError as unusable:
                trouble = unusable
                messages += [
                    {"role": "assistant", "content": written},
                    {
                        "role": "user",
                        "content": f"That cannot be used: {unusable}. Write the one JSON object again, right this time.",
                    },
                ]
                continue
            return simulated.keep(self._recording, question.asked, result, [call.id for call in examples])
        raise trouble


def checked(written: str, tool: Tool) -> JsonObject:
    """The result that a model wrote, as a tool's result.

    Args:
        written: the model's text.
        tool: whose result it is to be.

    Raises:
        UnusableError: it is none; the message says why.
    """
    document = _document(written)
    if not isinstance(document, dict):
        raise UnusableError("it is not one JSON object")
    unknown = [key for key in document if key not in _KNOWN]
    if unknown:
        raise UnusableError(f"the key {unknown[0]!r} is not part of a tool's result; known are {', '.join(_KNOWN)}")
    structured = document.get("structuredContent")
    if structured is None:
        document.pop("structuredContent", None)
    elif not isinstance(structured, dict):
        raise UnusableError("structuredContent is not an object")
    if "content" not in document and structured is not None:
        document["content"] = [{"type": "text", "text": text(structured)}]
    content = document.get("content")
    if not isinstance(content, list) or not content:
        raise UnusableError("content is not a list of texts")
    if any(not isinstance(item, dict) or item.get("type") != "text" for item in content):
        raise UnusableError("content holds something that is not of type text")
    document.setdefault("isError", False)
    try:
        mcp.types.CallToolResult.model_validate(document, strict=True)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise UnusableError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if tool.output_schema is not None and not document["isError"]:
        if structured is None:
            raise UnusableError("structuredContent is missing, and the tool has an output schema")
        problem = schema_problem(structured, tool.output_schema)
        if problem:
            raise UnusableError(f"structuredContent does not satisfy the output schema: {problem}")
    return document


def _document(written: str) -> JSON:
    """The JSON in a model's text; a code fence around it is taken off."""
    stripped = written.strip()
    if stripped.startswith("```") and stripped.endswith("```") and "\n" in stripped:
        stripped = stripped.partition("\n")[2].removesuffix("```")
    try:
        return loads(stripped.strip())
    except (ValueError, RecursionError):
        return None


def _data(question: Question, tool: Tool, examples: Sequence[Call]) -> str:
    """What the model is shown, as JSON that cannot end the data by what it says."""
    definition = {key: value for key, value in tool.definition.items() if key not in ("_meta", "icons")}
    shown = {
        "tool": {"server": tool.server, **definition},
        "recorded_calls": [_told(call) for call in examples],
        "earlier_in_this_session": [_told(call) for call in question.earlier[-EARLIER:]],
        "call_to_answer": {"tool": tool.name, "arguments": question.arguments},
    }
    data = text(shown).replace("DATA ENDS", "DATA\\u0020ENDS")
    return f"DATA BEGINS\n{data}\nDATA ENDS\n\nWrite the result of call_to_answer."


def _told(call: Call) -> JsonObject:
    answer: JSON = call.result if call.error is None else {"error": call.error}
    told = text(answer)
    shown = answer if len(told) <= _SHOWN else f"{told[:_SHOWN]} … (cut)"
    return {"tool": call.tool or call.method, "arguments": call.arguments, "result": shown}
