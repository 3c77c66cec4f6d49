"""Canonical JSON and its hashes: equal calls are equal everywhere, different calls are not."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firefly_mcp.canonical import call_hash, canonical_json, hash_json
from firefly_mcp.jsonio import dumps, loads

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**80), max_value=2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=15,
)


def shuffled(value: Any, seed: int) -> Any:
    """The same value with the keys of every object in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(item, seed)) for key, item in value.items()]
        random.Random(seed).shuffle(items)
        return dict(items)
    return [shuffled(item, seed) for item in value] if isinstance(value, list) else value


def test_keys_are_sorted_and_nothing_is_spaced() -> None:
    assert canonical_json({"b": [1, {"d": None, "c": "x"}], "a": True}) == b'{"a":true,"b":[1,{"c":"x","d":null}]}'


@given(values, st.integers())
def test_the_order_of_keys_does_not_count(value: Any, seed: int) -> None:
    assert canonical_json(shuffled(value, seed)) == canonical_json(value)


@given(values)
def test_canonical_json_is_json_of_the_same_value(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value


@given(values)
def test_canonical_form_of_the_canonical_form_is_itself(value: Any) -> None:
    once = canonical_json(value)
    assert canonical_json(loads(once)) == once


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"n": 2.0}, {"n": 2}),
        ({"n": -0.0}, {"n": 0}),
        ({"n": 1e3}, {"n": 1000}),
        ({"deep": [{"n": 5.0}]}, {"deep": [{"n": 5}]}),
        ({"text": "\u00e9"}, {"text": "é"}),
    ],
)
def test_these_are_equal(left: Any, right: Any) -> None:
    assert hash_json(left) == hash_json(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"n": 1}, {"n": "1"}),
        ({"n": 1}, {"n": True}),
        ({"n": 0}, {"n": None}),
        ({"n": 0.1}, {"n": 0.10000000000000002}),
        ({"n": 9007199254740993}, {"n": 9007199254740992}),
        ({"n": 2**70}, {"n": 2**70 + 1}),
        ({"text": "\u00e9"}, {"text": "e\u0301"}),
        ({"text": "a.0"}, {"text": "a"}),
        ({"a": None}, {}),
        ([1, 2], [2, 1]),
    ],
)
def test_these_differ(left: Any, right: Any) -> None:
    assert hash_json(left) != hash_json(right)


def test_unicode_is_written_as_it_is() -> None:
    assert canonical_json({"é": "日本 🐝"}) == '{"é":"日本 🐝"}'.encode()


def test_a_text_that_cannot_be_utf_8_still_has_a_hash() -> None:
    broken = json.loads('{"t": "\\ud800"}')
    assert hash_json(broken).startswith("blake2b:")
    assert hash_json(broken) != hash_json({"t": "\\ud800"})


def test_integers_of_any_size_survive_decoding_and_encoding() -> None:
    text = b'{"n":123456789012345678901234567890}'
    assert dumps(loads(text)) == text


def test_a_hash_carries_its_algorithm_and_never_changes() -> None:
    assert hash_json({"b": 1, "a": [1.0, "é"]}) == "blake2b:707cb3f912e0644a69b038aaf21c41a4"


def test_protocol_noise_and_absent_arguments_do_not_count() -> None:
    plain = call_hash("tools/call", {"name": "t"})
    assert call_hash("tools/call", {"name": "t", "arguments": {}}) == plain
    assert call_hash("tools/call", {"name": "t", "_meta": {"progressToken": 7}}) == plain
    assert call_hash("tools/call", {"name": "t", "arguments": {"a": 1}}) != plain
    assert call_hash("prompts/get", {"name": "t"}) != plain
