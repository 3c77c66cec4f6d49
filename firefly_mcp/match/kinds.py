"""Argument kinds: is a value *identifying* (another value means another thing), and how is it compared, or *free text*?

Decided from the schema, the name, the format, what the recording holds (:mod:`firefly_mcp.match.observe`) and the value itself.
When in doubt a value is identifying: the worst that comes of it is an honest miss, while free text wrongly assumed can come to
a wrong answer.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Any

from firefly_mcp.jsonio import JsonObject
from firefly_mcp.schemas import single, types_of


class ArgumentKind(StrEnum):
    """What a difference in a value means. All but ``free_text`` identify; the finer ones name a comparer."""

    IDENTIFYING = "identifying"
    NUMBER = "number"
    BOOLEAN = "boolean"
    ENUM = "enum"
    DATE = "date"
    DATE_TIME = "date_time"
    TIME = "time"
    PATH = "path"
    URL = "url"
    UUID = "uuid"
    CODE = "code"
    FREE_TEXT = "free_text"

    @property
    def identifying(self) -> bool:
        """Whether another value means another thing."""
        return self is not ArgumentKind.FREE_TEXT


_FORMATS = {
    "date": ArgumentKind.DATE,
    "date-time": ArgumentKind.DATE_TIME,
    "time": ArgumentKind.TIME,
    "uri": ArgumentKind.URL,
    "url": ArgumentKind.URL,
    "uri-reference": ArgumentKind.URL,
    "iri": ArgumentKind.URL,
    "uuid": ArgumentKind.UUID,
    "path": ArgumentKind.PATH,
    "file-path": ArgumentKind.PATH,
    "directory-path": ArgumentKind.PATH,
}
_TEXT_NAMES = frozenset(
    "body caption comment content description details explanation feedback instructions message note notes prompt query"
    " question reason remark review search summary text thought topic".split()
)
_CODE_NAMES = frozenset("id ids key code name email uuid slug sku iso lang locale timezone unit sql token hash ref".split())
_PATH_NAMES = frozenset("path paths file files filename filepath filepaths dir directory folder cwd".split())
_URL_NAMES = frozenset("url urls uri uris href link links endpoint".split())
_DATE_NAMES = frozenset("date dates day birthday birthdate dob deadline".split())
_TIME_NAMES = frozenset("time times".split())
_MOMENT_NAMES = frozenset("datetime timestamp".split())
_DATE_TOLD = re.compile(r"YYYY-MM-DD|ISO(?:[ -]8601)? date\b", re.IGNORECASE)
_MOMENT_TOLD = re.compile(r"YYYY-MM-DD[T ]HH:?MM", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SPLIT = re.compile(r"[^a-z0-9]+")
_WORD = re.compile(r"[\"'“(]?[^\W\d_]+(?:[-'’][^\W\d_]+)*[\"'”).,;:!?]*")

TEXT_NAMED = "text"
"""The name says text: a single word, or a value with a space, is free text."""
UNDECIDED = "undecided"
"""Neither schema nor name says: only a value of four words or more is free text."""


@lru_cache(maxsize=4096)
def words_of_name(name: str) -> tuple[str, ...]:
    """The words of an argument's name: ``pickUpDate`` and ``pick_up_date`` alike."""
    return tuple(word for word in _SPLIT.split(_CAMEL.sub("_", name).lower()) if word) or ("",)


def declared_kind(name: str, schema: JsonObject, root: JsonObject) -> ArgumentKind | str:
    """The kind that schema and name decide, else :data:`TEXT_NAMED` or :data:`UNDECIDED`: then the value decides."""
    own = single(schema, root)
    if own.get("enum") or own.get("const") is not None:
        return ArgumentKind.ENUM
    types = types_of(schema, root)
    if types and "string" not in types:
        if types <= {"integer", "number"}:
            return ArgumentKind.NUMBER
        return ArgumentKind.BOOLEAN if types == {"boolean"} else ArgumentKind.IDENTIFYING
    form = own.get("format")
    if form:
        return _FORMATS.get(str(form), ArgumentKind.IDENTIFYING)
    if own.get("pattern"):
        return ArgumentKind.CODE
    return _named_kind(name, str(own.get("description") or ""))


def _named_kind(name: str, description: str) -> ArgumentKind | str:
    words = words_of_name(name)
    head = words[-1]  # a "search type" is a type, a "search query" a query
    for names, kind in (
        (_URL_NAMES, ArgumentKind.URL),
        (_PATH_NAMES, ArgumentKind.PATH),
        (_CODE_NAMES, ArgumentKind.CODE),
        (_MOMENT_NAMES, ArgumentKind.DATE_TIME),
        (_DATE_NAMES, ArgumentKind.DATE),
        (_TIME_NAMES, ArgumentKind.TIME),
    ):
        if not names.isdisjoint(words):
            return kind
    if _MOMENT_TOLD.search(description):
        return ArgumentKind.DATE_TIME
    if _DATE_TOLD.search(description) and head not in _TEXT_NAMES:
        return ArgumentKind.DATE
    return TEXT_NAMED if head in _TEXT_NAMES else UNDECIDED


def kind_of_value(declared: ArgumentKind | str, value: Any) -> ArgumentKind:
    """The kind of one value (a leaf: string, number, boolean or null), given what schema and name decided."""
    if isinstance(value, bool):
        return ArgumentKind.BOOLEAN
    if isinstance(value, int | float):
        return ArgumentKind.NUMBER
    if not isinstance(value, str):
        return ArgumentKind.IDENTIFYING
    if isinstance(declared, ArgumentKind):
        return declared
    text = value.strip()
    spaces = text.count(" ")
    if declared == UNDECIDED:
        return ArgumentKind.FREE_TEXT if spaces >= 3 else ArgumentKind.CODE
    return ArgumentKind.FREE_TEXT if spaces >= 1 or _WORD.fullmatch(text) else ArgumentKind.CODE


def argument_kind(name: str, schema: JsonObject, value: Any, root: JsonObject | None = None) -> ArgumentKind:
    """The kind of one argument value, from schema, name and value alone."""
    return kind_of_value(declared_kind(name, schema, root or {}), value)
