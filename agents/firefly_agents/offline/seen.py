"""Values seen in results, each with where it stood: what later arguments are fed from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from firefly_agents.offline.words import telling
from firefly_mcp.jsonio import JSON, JsonObject, loads, text
from firefly_mcp.observe.leaves import leaves
from firefly_mcp.observe.success import data_tells_error, text_tells_error
from firefly_mcp.observe.values import informative
from firefly_mcp.observe.view import View, result_view
from firefly_mcp.types import ToolKey

_INDEX = re.compile(r"\[\d+\]")
_SPAN = re.compile(r"\b(?:[A-Z]{2,6}-\d{2,}|[A-Za-z]+_[A-Za-z0-9]{4,}|\d{4}-\d{2}-\d{2}|-?\d[\d,]*\.\d+|\d{4,})\b")
_NUMBERED = re.compile(r"\b([A-Za-z]{2,20}) #(\d{1,6})\b")  # ``Task #3 added``
_OFFERS = re.compile(r"(?i)(?:available|valid|allowed|supported|known|possible|options|choices|suggest|did_you_mean)")
_PLAIN_HOLDERS = frozenset(
    "data result item content parsed record row entry value list response payload output object field".split()
)
_MAX_LEAVES = 400


@dataclass(frozen=True, slots=True)
class Seen:
    """One scalar of a result.

    Attributes:
        value: the scalar.
        name: the nearest object key, or the empty string.
        group: its path with the indices left out: members of one list share it.
        parent: the path of the object that holds it.
        tool: the tool that returned it.
        call: the position of that call in its episode.
        weight: how unlikely it is to turn up by chance, from 0 to 1.
        echo: whether the caller had passed the value in itself.
    """

    value: Any
    name: str
    group: str
    parent: str
    tool: ToolKey
    call: int
    weight: float
    echo: bool = False

    @property
    def words(self) -> frozenset[str]:
        """The telling words of its own name."""
        return telling(self.name)

    @property
    def holder(self) -> frozenset[str]:
        """The telling words of what holds it, without those that every server uses (``data``, ``items``)."""
        return _holder_words(self.parent)

    @property
    def context(self) -> frozenset[str]:
        """The telling words of its path and of the tool that returned it."""
        return telling(self.group) | telling(self.tool.tool)


@lru_cache(maxsize=20_000)
def _holder_words(parent: str) -> frozenset[str]:
    # A key with a number in it is itself a value: ``payment_methods.credit_card_4421486.id``.
    keys = [key for key in re.split(r"[.\[\]*$']+", parent) if key and not re.search(r"\d{3}", key)]
    return telling(keys[-1]) - _PLAIN_HOLDERS if keys else frozenset()


def output_view(output: str) -> tuple[View, bool]:
    """A tool output as an agent gets it: its data, and whether it tells an error.

    An agent sees one text: the structured content as JSON, else the text of the content blocks.
    """
    try:
        data = loads(output)
    except ValueError:
        data = None
    if isinstance(data, dict) and data.keys() == {"type", "text"}:  # one text block, serialized by the SDK
        return output_view(str(data["text"]))
    result: JsonObject = (
        {"structuredContent": data} if isinstance(data, dict) else {"content": [{"type": "text", "text": output}]}
    )
    view = result_view(result)
    return view, (text_tells_error(view.value) if view.kind == "text" else data_tells_error(view.value))


def error_of(value: JSON) -> str:
    """The message in an error that was told as data, without the echo of the request that may stand beside it."""
    if isinstance(value, dict):
        offered = "".join(
            f"; available: {text(list(item))}"
            for key, item in value.items()
            if isinstance(item, list | dict) and _OFFERS.match(str(key)) and all(isinstance(one, str) for one in item)
        )
        for key in ("error", "message", "detail", "reason", "parsed_content", "error_message"):
            if isinstance(value.get(key), str | dict):
                return error_of(value[key]) + offered
    return value if isinstance(value, str) else text(value)


def seen_in(view: View, tool: ToolKey, call: int, echoed: Iterable[Any] = ()) -> list[Seen]:
    """The scalars of a result; numbers that the caller passed in itself are left out, its texts are marked as echoes."""
    own = {_plain(value) for value in echoed}
    if view.kind == "text":
        found = [(_prose_value(span), "", "", "") for span in dict.fromkeys(_SPAN.findall(view.value))]
        found += [
            (number, f"{word.lower()}_id", "", "") for word, number in dict.fromkeys(_NUMBERED.findall(view.value[:20_000]))
        ]
    elif view.kind == "empty":
        found = []
    else:
        found = [
            (leaf.value, leaf.name, group_of(leaf.path), _holder(leaf.path))
            for leaf in leaves(view.value, limit=_MAX_LEAVES)
            if leaf.value is not None
            and not isinstance(leaf.value, bool)
            and not (isinstance(leaf.value, str) and len(leaf.value) > 200)
        ]
    kept: dict[tuple[str, str], Seen] = {}
    for value, name, group, parent in found:
        echo = _plain(value) in own
        if not echo or isinstance(value, str):
            kept.setdefault((repr(value), group), Seen(value, name, group, parent, tool, call, informative(value), echo))
    return list(kept.values())


def group_of(path: str) -> str:
    """A path with its indices left out: one name for the same place in every item of a list."""
    return _INDEX.sub("[*]", path)


def _holder(path: str) -> str:
    """The path of what holds a leaf: ``$.items[0]`` for ``$.items[0].id`` and for ``$.items[0].tags[1]`` alike."""
    return re.sub(r"(?:\[\d+\])*\Z", "", path).rpartition(".")[0]


def is_empty(view: View) -> bool:
    """Whether a result has no content: an empty list, a count of none, ``found: false``."""
    value = view.value
    if view.kind in ("empty",) or value in ([], {}, "[]", ""):
        return True
    if isinstance(value, dict):
        if value.get("found") is False or value.get("count") == 0 or (value.get("total") == 0 and len(value) <= 3):
            return True
        lists = [item for item in value.values() if isinstance(item, list)]
        if lists and not any(lists) and all(isinstance(item, list | int | str | None.__class__) for item in value.values()):
            return not any(isinstance(item, float) for item in value.values())
    return False


def _plain(value: Any) -> str:
    """Equal for 78, 78.0 and for texts that differ in case alone."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip().lower()


def _prose_value(span: str) -> Any:
    plain = span.replace(",", "")
    if re.fullmatch(r"-?\d+\.\d+", plain):
        return float(plain)
    return int(plain) if re.fullmatch(r"-?[1-9]\d*", plain) else span
