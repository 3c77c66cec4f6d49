"""Tools and a prompt of the stateless era that need the client's input before they can answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mcp.types as types

Result = types.CallToolResult | types.InputRequiredResult


def _form(message: str, **properties: str) -> types.ElicitRequest:
    """A form with one required field for each property, given with its JSON type."""
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": list(properties),
    }
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def _question(text: str, max_tokens: int = 100) -> types.CreateMessageRequest:
    """A question to the client's model."""
    message = types.SamplingMessage(role="user", content=types.TextContent(text=text))
    return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[message], max_tokens=max_tokens))


def _roots() -> types.ListRootsRequest:
    return types.ListRootsRequest()


_NAME = {"user_name": _form("What is your name?", name="string")}
_CONFIRM = {"confirm": _form("Please confirm", ok="boolean")}
_CONTEXT = {"user_context": _form("What context should the prompt use?", context="string")}

ASKING: dict[str, tuple[Mapping[str, types.InputRequest], str | None]] = {
    "test_input_required_result_elicitation": (_NAME, None),
    "test_input_required_result_sampling": ({"capital_question": _question("What is the capital of France?")}, None),
    "test_input_required_result_list_roots": ({"client_roots": _roots()}, None),
    "test_input_required_result_request_state": (_CONFIRM, "asked to confirm"),
    "test_input_required_result_tampered_state": (_CONFIRM, "asked to confirm"),
    "test_input_required_result_multiple_inputs": (
        {**_NAME, "greeting": _question("Generate a greeting", 50), "client_roots": _roots()},
        "asked for three things",
    ),
    "test_streaming_elicitation": (_NAME, None),
}
"""Tools that ask once: what they ask for, and the state that must come back with the answers (sealed by the server)."""

_STEPS = ("step1", "step2")
_MULTI: dict[str, types.ElicitRequest] = {
    "step1": _form("Step 1: What is your name?", name="string"),
    "step2": _form("Step 2: What is your favorite color?", color="string"),
}


def call(name: str, params: types.CallToolRequestParams, can: types.ClientCapabilities) -> Result | None:
    """Answer a call of a tool that asks; None for any other tool."""
    answers = params.input_responses or {}
    if name == "test_input_required_result_multi_round":
        return _in_steps(answers, params.request_state)
    if name == "test_input_required_result_capabilities":
        return _as_able(answers, can)
    if name not in ASKING:
        return None
    asked, state = ASKING[name]
    if not asked.keys() <= answers.keys():
        return types.InputRequiredResult(input_requests=dict(asked), request_state=state)
    if params.request_state != state:
        return _text("the answers came without the state that belongs to them", is_error=True)
    return _text("; ".join([*(f"{key}: {_said(answers[key])}" for key in asked), *(["state-ok"] if state else [])]))


def get_prompt(params: types.GetPromptRequestParams) -> types.GetPromptResult | types.InputRequiredResult:
    """The prompt that asks for its context."""
    answer = (params.input_responses or {}).get("user_context")
    if answer is None:
        return types.InputRequiredResult(input_requests=dict(_CONTEXT))
    content = types.TextContent(text=f"Use this context: {_said(answer)}")
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])


def _in_steps(answers: Mapping[str, Any], state: str | None) -> Result:
    """Two rounds of questions; the state says how many were answered, and with what."""
    given = state.split("\n") if state else []
    waiting_for = _STEPS[len(given)]
    if waiting_for in answers:
        given.append(_said(answers[waiting_for]))
        if len(given) == len(_STEPS):
            return _text(f"{given[0]} likes {given[1]}")
        waiting_for = _STEPS[len(given)]
    return types.InputRequiredResult(input_requests={waiting_for: _MULTI[waiting_for]}, request_state="\n".join(given))


def _as_able(answers: Mapping[str, Any], can: types.ClientCapabilities) -> Result:
    """Ask for what the client can do, and for nothing else."""
    asked: dict[str, types.InputRequest] = {}
    if can.sampling is not None:
        asked["capital_question"] = _question("What is the capital of France?")
    if can.elicitation is not None:
        asked |= _NAME
    if asked and not asked.keys() <= answers.keys():
        return types.InputRequiredResult(input_requests=asked)
    return _text("; ".join(f"{key}: {_said(answers[key])}" for key in asked) or "this client can do nothing")


def _said(answer: Any) -> str:
    """What a client answered, in words."""
    if isinstance(answer, types.ElicitResult):
        return ", ".join(str(value) for value in (answer.content or {}).values()) or answer.action
    if isinstance(answer, types.ListRootsResult):
        return ", ".join(str(root.uri) for root in answer.roots)
    content = getattr(answer, "content", None)
    return content.text if isinstance(content, types.TextContent) else "something else"


def _text(text: str, *, is_error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=is_error)
