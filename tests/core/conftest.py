from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from firefly_mcp.types import Call, params_of

MakeCall = Callable[..., Call]


@pytest.fixture
def make_call() -> MakeCall:
    """Calls with ids in the order in which they are made."""
    made = 0

    def make(tool: str, arguments: dict[str, Any], answer: Any = None, **changes: Any) -> Call:
        nonlocal made
        made += 1
        content = [] if answer is None or not isinstance(answer, str) else [{"type": "text", "text": answer}]
        result: dict[str, Any] = {"content": content}
        if answer is not None and not isinstance(answer, str):
            result["structuredContent"] = answer
        values: dict[str, Any] = {
            "id": made,
            "session": 1,
            "seq": made,
            "server": "shop",
            "method": "tools/call",
            "tool": tool,
            "params": params_of(tool, arguments),
            "args_hash": "",
            "result": result,
            "result_hash": None,
            "error": None,
            "is_error": False,
            "status": "done",
            "started_at": float(made),
            "duration_ms": 1.0,
            "overlaps": 0,
        }
        return Call(**{**values, **changes})

    return make
