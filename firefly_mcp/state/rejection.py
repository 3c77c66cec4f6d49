"""Did the server reject the arguments before doing anything? Only then is a failed call sure to have had no effect."""

from __future__ import annotations

import re

from firefly_mcp.jsonio import JsonObject

INVALID_PARAMS = -32602
METHOD_NOT_FOUND = -32601

_MARKS = re.compile(
    r"validation error|input validation|invalid (?:params|arguments?|input)|is a required property|field required"
    r"|missing required|unexpected keyword|is not of type|invalid_type|unknown tool|tool .{0,60} not found",
    re.IGNORECASE,
)


def rejected(result: JsonObject | None, error: JsonObject | None) -> bool:
    """Whether an answer says that the arguments (or the tool's name) were refused."""
    if error is not None:
        return error.get("code") in (INVALID_PARAMS, METHOD_NOT_FOUND)
    if not result or not result.get("isError"):
        return False
    texts = [str(item.get("text", "")) for item in result.get("content") or [] if isinstance(item, dict)]
    return any(_MARKS.search(text[:2000]) for text in texts)
