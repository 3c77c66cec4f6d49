"""Where two JSON documents differ."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from firefly_mcp.canonical import canonical_json
from firefly_mcp.jsonio import JSON


def differences(left: JSON, right: JSON, *, limit: int = 20) -> list[str]:
    """JSON pointers to the innermost places that are not equal or are on one side only, at most ``limit``.

    Integers and integral floats are equal, and the order of keys counts for nothing. The whole document is the empty pointer.
    """
    return list(islice(_walk(left, right, ""), limit))


def _walk(left: Any, right: Any, at: str) -> Iterator[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        for key in dict.fromkeys((*left, *right)):
            below = f"{at}/{key.replace('~', '~0').replace('/', '~1')}"
            if key in left and key in right:
                yield from _walk(left[key], right[key], below)
            else:
                yield below
    elif isinstance(left, list) and isinstance(right, list):
        for index in range(max(len(left), len(right))):
            if index < min(len(left), len(right)):
                yield from _walk(left[index], right[index], f"{at}/{index}")
            else:
                yield f"{at}/{index}"
    elif canonical_json(left) != canonical_json(right):
        yield at
