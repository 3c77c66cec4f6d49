"""A model in a folder on this machine (transformers), as a model of the Agents SDK. Needs ``torch`` and ``transformers``.

Tool calls are read in the forms in which open models write them: ``<tool_call>{"name", "arguments"}</tool_call>`` (Hermes,
Qwen, SmolLM), ``[TOOL_CALLS][…]`` (Mistral), or a bare JSON object that names an offered tool (Llama).
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio
from agents.agent_output import AgentOutputSchemaBase
from agents.handoffs import Handoff
from agents.items import TResponseInputItem, TResponseOutputItem, TResponseStreamEvent
from agents.models.chatcmpl_converter import Converter
from agents.models.fake_id import FAKE_RESPONSES_ID
from agents.models.interface import ModelTracing
from agents.tool import Tool as AgentTool
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText
from openai.types.responses.response_prompt_param import ResponsePromptParam

from agents import Model, ModelResponse, ModelSettings, Usage
from firefly_mcp.errors import ModelError
from firefly_mcp.jsonio import JsonObject, text

_TAGGED = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)
_LISTED = re.compile(r"\[TOOL_CALLS\]\s*(\[.*\])", re.DOTALL)
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)


class LocalModel:
    """A folder's tokenizer and weights, loaded once; makes the model of each attempt."""

    def __init__(self, folder: Path, *, temperature: float = 0.0, seed: int = 0, max_new_tokens: int = 512) -> None:
        """Load a folder.

        Raises:
            ModelError: torch or transformers are not installed, or the folder is no model with a chat template.
        """
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as error:
            raise ModelError(f"--model {folder}: a local model needs {error.name}: pip install torch transformers") from error
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder)
            self._model = AutoModelForCausalLM.from_pretrained(folder).eval()
        except (OSError, ValueError, KeyError, ImportError) as error:
            said = " ".join(str(error).split())[:300]
            raise ModelError(f"--model {folder}: not a folder that transformers can load: {said}") from error
        if not self._tokenizer.chat_template:
            raise ModelError(f"--model {folder}: its tokenizer has no chat template, so nobody knows how to speak to it")
        self._model.to("cuda" if torch.cuda.is_available() else "cpu")
        self.name = folder.name
        self._temperature = temperature
        self._seed = seed
        self._most = max_new_tokens
        self._one = anyio.Lock()

    def describe(self) -> JsonObject:
        """Its settings, for the manifest."""
        return {"temperature": self._temperature, "seed": self._seed, "max_new_tokens": self._most}

    def at(self, attempt: int) -> LocalAttempt:
        """The model of one attempt."""
        return LocalAttempt(self, attempt)

    async def generate(
        self, messages: Sequence[JsonObject], tools: Sequence[JsonObject], seed: tuple[int, int]
    ) -> tuple[str, int, int]:
        """The next turn, greedy at temperature 0; with the tokens of the prompt and of the turn. One at a time."""
        async with self._one:
            return await anyio.to_thread.run_sync(self._generate, messages, tools, seed)

    def _generate(
        self, messages: Sequence[JsonObject], tools: Sequence[JsonObject], seed: tuple[int, int]
    ) -> tuple[str, int, int]:
        import torch

        attempt, turn = seed
        torch.manual_seed(self._seed + 1000 * attempt + turn)
        prompt = self._tokenizer.apply_chat_template(
            list(messages), tools=list(tools) or None, add_generation_prompt=True, tokenize=False
        )
        given = self._tokenizer(prompt, return_tensors="pt", add_special_tokens=False).to(self._model.device)
        count = int(given["input_ids"].shape[1])
        room = getattr(self._model.config, "max_position_embeddings", None)
        if room is not None and count + 1 > room:
            raise ModelError(f"the conversation has {count} tokens, and the model takes {room}")
        most = self._most if room is None else min(self._most, room - count)
        sampling: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if self._temperature > 0:
            sampling = {"do_sample": True, "temperature": self._temperature}
        with torch.no_grad():
            out = self._model.generate(
                input_ids=given["input_ids"],
                attention_mask=given["attention_mask"],
                max_new_tokens=most,
                pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id,
                **sampling,
            )
        made = out[0, count:]
        ends = set(self._tokenizer.all_special_tokens) - {"<tool_call>", "</tool_call>"}
        said = self._tokenizer.decode(made, skip_special_tokens=False)
        for mark in ends:
            said = said.replace(mark, "")
        return said, count, int(made.shape[0])


class LocalAttempt(Model):
    """A local model within one attempt."""

    def __init__(self, local: LocalModel, attempt: int) -> None:
        """Speak for ``local``."""
        self._local = local
        self._attempt = attempt
        self._turns = itertools.count()

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],  # noqa: A002 - the interface's own name
        model_settings: ModelSettings,
        tools: list[AgentTool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None,
        conversation_id: str | None,
        prompt: ResponsePromptParam | None,
    ) -> ModelResponse:
        """One turn."""
        turn = next(self._turns)
        offered: list[JsonObject] = [dict(Converter.tool_to_openai(tool)) for tool in tools]
        names = {str(tool["function"]["name"]) for tool in offered}
        messages = [for_template(dict(message)) for message in Converter.items_to_messages(input)]
        if system_instructions:
            messages.insert(0, {"role": "system", "content": system_instructions})
        said, given, made = await self._local.generate(messages, offered, (self._attempt, turn))
        usage = Usage(requests=1, input_tokens=given, output_tokens=made, total_tokens=given + made)
        return ModelResponse(output=turn_items(said, names, f"call_{turn}"), usage=usage, response_id=None)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        """Not offered: a benchmark waits for whole turns."""
        raise NotImplementedError


def for_template(message: JsonObject) -> JsonObject:
    """A message as chat templates want it: text as a string, arguments as an object."""
    content = message.get("content")
    if isinstance(content, list):
        content = "\n".join(str(part.get("text", "")) for part in content)
    out = {**message, "content": content or ""}
    if message.get("tool_calls"):
        out["tool_calls"] = [
            {**call, "function": {**call["function"], "arguments": _object(call["function"]["arguments"])}}
            for call in message["tool_calls"]
        ]
    return out


def turn_items(said: str, names: set[str], call_id: str) -> list[TResponseOutputItem]:
    """The output items of a turn: its tool calls, or else its message."""
    calls = called(said, names)
    if calls:
        return [
            ResponseFunctionToolCall(
                id=FAKE_RESPONSES_ID,
                call_id=f"{call_id}_{place}",
                name=name,
                arguments=text(arguments),
                type="function_call",
            )
            for place, (name, arguments) in enumerate(calls)
        ]
    content = [ResponseOutputText(text=said.strip(), type="output_text", annotations=[])]
    return [
        ResponseOutputMessage(id=FAKE_RESPONSES_ID, content=list(content), role="assistant", status="completed", type="message")
    ]


def called(said: str, names: set[str]) -> list[tuple[str, Any]]:
    """The tool calls that a turn's text makes, with their arguments; what cannot be read makes none."""
    plain = _THOUGHT.sub("", said)
    tagged = _TAGGED.findall(plain)
    if tagged:
        parts = [_json(part) for part in tagged]
    elif (listed := _LISTED.search(plain)) is not None:
        found = _json(listed.group(1))
        parts = found if isinstance(found, list) else []
    else:
        found = _json(plain.strip())
        parts = [found] if isinstance(found, dict) and found.get("name") in names else []
    calls = []
    for part in parts:
        if isinstance(part, dict) and isinstance(part.get("name"), str):
            arguments = part.get("arguments", part.get("parameters", {}))
            calls.append((part["name"], _object(arguments) if isinstance(arguments, str) else arguments))
    return calls


def _json(said: str) -> Any:
    try:
        return json.loads(said)
    except (ValueError, RecursionError):
        return None


def _object(arguments: str) -> Any:
    found = _json(arguments)
    return found if isinstance(found, dict) else arguments
