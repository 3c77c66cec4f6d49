"""Did the server reject the arguments before doing anything? Only then is a failed call sure to have had no effect."""

from __future__ import annotations

import re

from firefly_mcp.jsonio import JsonObject

INVALID_PARAMS = -32602
METHOD_NOT_FOUND = -32601

_MARKS = re.compile(
    r"\A\W*(?:Error(?: executing tool| calling tool)?(?: ['\"]?[\w./-]+['\"]?)?\s*:\s*)?(?:MCP error -3260[12]:?\s*)?(?:"
    r"input validation error|invalid arguments?(?: for tool|:)|unknown tool\b|tool ['\"]?[\w./ -]{1,80}['\"]? (?:is )?not found"
    r"|no such tool\b|\d+ validation errors? for (?:call\[|\w*Arguments\b|\w+DictModel\b)"
    r"|['\"]?[\w.]+['\"]? is a required property|missing required (?:argument|parameter|propert)"
    r"|[\w.]+\(\) (?:got an unexpected keyword|missing \d+ required)"
    r")",
    re.IGNORECASE,
)
"""What the libraries that servers are written with say before the server's own code runs; found at the head of the text only.
A server's own "invalid input" may come from the middle of its work."""


def rejected(result: JsonObject | None, error: JsonObject | None) -> bool:
    """Whether an answer says that the arguments (or the tool's name) were refused."""
    if error is not None:
        return error.get("code") in (INVALID_PARAMS, METHOD_NOT_FOUND)
    if not result or not result.get("isError"):
        return False
    texts = [str(item.get("text", "")) for item in result.get("content") or [] if isinstance(item, dict)]
    return bool(texts) and _MARKS.search(texts[0][:2000]) is not None
