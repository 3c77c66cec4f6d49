"""What a result offers to ask for, and which plans cannot be told."""

from __future__ import annotations

from typing import Any

from firefly_mcp.tasks.compose import expressible
from firefly_mcp.tasks.fields import Offers
from firefly_mcp.tasks.variety import Variety
from firefly_mcp.types import Call, params_of


def call(arguments: dict[str, Any], answer: dict[str, Any]) -> Call:
    result = {"content": [], "structuredContent": answer}
    params = params_of("look", arguments)
    return Call(1, 1, 1, "shop", "tools/call", "look", params, "", result, None, None, False, "done", 1.0, 1.0, 0)


def labels(answer: dict[str, Any]) -> set[str]:
    offers = Offers(lambda digest: {}, Variety(), lambda one: ())
    return {field.label for field in offers.of(call({}, answer)).fields}


def test_a_path_is_no_name_of_a_field() -> None:
    assert labels({"/srv/work/sales.xlsx": 7561, "bytes used": 7562}) == {"bytes used"}


def test_an_error_told_in_a_field_is_not_asked_for() -> None:
    assert labels({"message": "Error validating document: File is not a zip file", "pages": 7562}) == {"pages"}


def test_what_was_masked_cannot_be_stated() -> None:
    assert expressible(call({"name": "garden"}, {}))
    assert not expressible(call({"name": "garden", "password": "[redacted:name]"}, {}))


def test_what_only_tells_that_a_call_was_made_is_not_asked_for() -> None:
    assert labels({"ok": True, "result_success": True, "tool": "look", "size": 7562}) == {"size"}
    assert labels({"created": "stash@{0}", "size": 7562}) == {"size"}
    assert labels({"created": "2026-11-26", "size": 7562}) == {"creation time", "size"}


def test_a_key_of_digits_has_no_name() -> None:
    assert labels({"fixed": {"2027": 61154}, "size": 7562}) == {"size"}
