"""Is what replay answers what the server answers? Values in which two live runs differ say nothing, and are masked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from benchmarks.pool import differences

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")


def bare(answer: Any) -> Any:
    """An answer without what the proxy adds, its texts taken apart: as JSON where they are JSON, else as words."""
    if not isinstance(answer, dict) or not isinstance(answer.get("result"), dict):
        return answer
    result = {key: value for key, value in answer["result"].items() if key not in ("_meta", "resultType")}
    meta = {key: value for key, value in (answer["result"].get("_meta") or {}).items() if not key.startswith("firefly/")}
    content = [_apart(part) for part in result.get("content") or []]
    return {**result, **({"content": content} if content else {}), **({"_meta": meta} if meta else {})}


def _apart(part: Any) -> Any:
    if not isinstance(part, dict) or not isinstance(part.get("text"), str):
        return part
    try:
        return {**part, "text": json.loads(part["text"])}
    except ValueError:
        return {**part, "text": _TOKEN.findall(part["text"])}


def match_kind(answer: Any) -> str:
    """How replay says that it found an answer; a JSON-RPC error of its own is a miss, a recorded one counts as exact."""
    if not isinstance(answer, dict):
        return "miss"
    if "error" in answer:
        return "miss" if str(answer["error"].get("message", "")).startswith("firefly replay:") else "exact"
    return str((answer["result"].get("_meta") or {}).get("firefly/match", "miss"))


def wrong_places(replayed: Any, one: Any, other: Any) -> Iterator[str]:
    """Where a replayed answer differs from both live ones, in what these agree on."""
    one, other, replayed = bare(one), bare(other), bare(replayed)
    masked = list(differences(one, other))
    for path in differences(one, replayed):
        if not any(path == mask or path.startswith(f"{mask}/") or mask.startswith(f"{path}/") for mask in masked):
            yield path
