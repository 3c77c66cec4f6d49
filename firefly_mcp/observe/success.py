"""Whether a call did what was asked. Many servers tell an error as a normal text result; that is read here."""

from __future__ import annotations

import re
from typing import Any

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.observe.view import result_text, result_view
from firefly_mcp.types import Call, CallStatus

_BAD_STATUS = frozenset({"failed", "failure", "fail", "invalid_request", "not_found", "unauthorized", "forbidden"})
_ERROR_KEYS = frozenset({"error", "errors", "message", "detail", "details", "code", "status", "success", "hint", "type", "ok"})
_LEAD = re.compile(r"\A[\s*_#>`~\-–—\[\]()!\"']*(?:[\u274c\u26a0\u2757\u26d4\U0001F6AB\U0001F534]\ufe0f?[\s*_#]*)?", re.UNICODE)
_NO_ERROR = frozenset({"success", "ok", "none", "no error", "null"})
_CODE_WORD = re.compile(r"\A\s*\[[A-Z]+(?:_[A-Z]+)+\]")  # [INPUT_FIXABLE] Unknown airport …
_CROSS = re.compile(r"\A[\s*_#>`]*[\u274c\u26d4\U0001F6AB]")
_OPENING = re.compile(
    r"""(?ix)
    (?:an?\s+)?(?:(?:validation|value|type|runtime|internal|unexpected|api|http|server|database|sql|sqlite|syntax|parse|
      parsing|execution|tool|fatal|critical|query|connection|network|configuration|usage|unknown|python)\s+)?
      error \s* (?:[:!\]\[(*–—]|-\s|$|\n|\d{3}\b)                                     # Error: …, Validation error: …
  | (?:an?\s+)?(?:internal\s+|unexpected\s+)?error\s+(?:executing|calling|while|when|in|during|reading|writing|fetching|
      processing|parsing|occurred|getting|creating|loading|opening|accessing|searching|connecting|from|running|evaluating|
      computing|converting|calculating|generating|finding|listing|updating|deleting|adding|code)\b
  | [a-z_.]*(?:error|exception)(?:\s*[:(]|\s+\w+=)                                   # ValueError: …, ToolError tool=…
  | (?:invalid|unsupported)\s+[\w\s]{1,30}?[.(:] | unknown\s+[\w\s]{1,30}?['"‘“] | must\s+(?:provide|specify|be|have)\b
  | exception\b | traceback\s+\(most\s+recent
  | (?:failed|unable)\s+to\b | (?:failed|failure|fatal|invalid\s+[\w\s]{1,30}?)\s*:
  | (?:could\s+not|couldn't|cannot|can't|can\s+not)\b
  | (?:unknown|no\s+such|unsupported|missing|invalid)\s+(?:tool|file|directory|table|column|method|parameter|argument|command|
      required|input|value|key|option|request|operation|unit|format|id)\b
  | (?:access|permission)\s+denied\b | unauthori[sz]ed\b | forbidden\b | bad\s+request\b | http\s+(?:error|[45]\d\d)\b
  | [45]\d\d\s+(?:not\s+found|bad\s+request|internal|unauthori|forbidden|client|server)
  | input\s+validation\b | \d+\s+validation\s+errors?\b | mcp\s+error\b | operation\s+failed\b | command\s+failed\b
    """
)
_ENDING = re.compile(
    r"(?i)\b(?:(?:was |were |is )?not found(?: in [\w ]{2,30}| ?\([^()]*\))?|does(?: not|n't) exist|is required|are required"
    r"|is not (?:a )?valid\b.*|not supported|is not allowed|already exists|timed out)[\s.!'\"]*\Z"
)
_LAST = re.compile(r"\s*Error:\s")
"""The last line of a short report of what was tried."""
_SENTENCE = re.compile(r"(?<=[\w)'\"])\.\s+(?=[(A-Z])")
_NOTHING = re.compile(r"(?i)\A(?:no|0|zero)\s")


def told_error(result: JsonObject | None) -> bool:
    """Whether a result is an error: flagged, told in its data or told in its text; no result at all is one as well."""
    if result is None or result.get("isError"):
        return True
    view = result_view(result)
    if view.kind == "text":
        return text_tells_error(view.value)
    if view.kind == "empty":
        return False
    if data_tells_error(view.value):
        return True
    # Some servers answer with the empty shape of a success and say in the text what went wrong.
    return view.kind == "structured" and not _has_data(view.value) and text_tells_error(result_text(result))


def is_success(call: Call) -> bool:
    """Whether a call was answered, and neither the protocol nor the text of the answer tells an error."""
    return call.status == CallStatus.DONE and call.error is None and not call.is_error and not told_error(call.result)


def data_tells_error(value: Any) -> bool:
    """Whether JSON data is the report of an error: ``{"error": "..."}``, ``{"success": false}``, ``{"status": "failed"}``."""
    if isinstance(value, str):
        return text_tells_error(value)
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, dict) and data_tells_error(item) for item in value)
    if not isinstance(value, dict):
        return False
    folded = {key.lower() if isinstance(key, str) else key: item for key, item in value.items()}
    error = folded.get("error", folded.get("error_message"))
    if error is True or (isinstance(error, str | dict | list) and error and not _says_none(error)):
        return True
    if any(folded.get(flag) is False for flag in ("success", "succeeded", "ok")) or folded.get("iserror") is True:
        return True
    status = folded.get("status")
    told = status.strip().lower() if isinstance(status, str) else ""
    if told == "error":
        return True
    # "failed" may be the state of the payment that was asked for: an error only where nothing else is told.
    if folded.keys() <= _ERROR_KEYS and (told in _BAD_STATUS or folded.get("errors")):
        return True
    if len(folded) == 1:
        key, inner = next(iter(folded.items()))
        if key in ("result", "data", "output", "response", "content", "message", "text"):
            return data_tells_error(inner)
    return False


def _says_none(error: Any) -> bool:
    """Whether what stands under ``error`` says that there is none: ``{"code": 0, "msg": "success"}``."""
    if isinstance(error, dict):
        code = error.get("code", error.get("errcode"))
        said = error.get("msg", error.get("message", "ok" if code is not None else None))
        return code in (0, "0", 200, "ok", None) and isinstance(said, str) and said.strip().lower() in _NO_ERROR
    return isinstance(error, str) and error.strip().lower() in _NO_ERROR


def text_tells_error(text: str) -> bool:
    """Whether prose opens like an error message, or is one short sentence that ends like one."""
    head = text.strip()[:400]
    if not head:
        return False
    if _CROSS.match(head) or _CODE_WORD.match(head):
        return True
    if _OPENING.match(_LEAD.sub("", head, count=1)):
        return True
    first, *rest = [line for line in head.split("\n") if line.strip()]
    if rest:
        return len(text) < len(head) + 20 and _LAST.match(rest[-1]) is not None
    if len(first) > 200 or _NOTHING.match(first):
        return False
    return any(_ENDING.search(part) for part in (first, _SENTENCE.split(first, maxsplit=1)[0]))


def _has_data(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_data(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_data(item) for item in value)
    return value not in (None, "", False, 0)
