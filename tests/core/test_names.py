"""Exposed names are a bijection that model vendors accept."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firefly_mcp.errors import ConfigError
from firefly_mcp.servers.names import ExposedNames, joined, slug
from firefly_mcp.types import ToolKey


@given(st.text())
def test_a_slug_has_only_the_characters_that_are_allowed(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]+", slug(name))
    assert slug(slug(name)) == slug(name)


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_joined_name_has_at_most_64_characters(server: str, tool: str) -> None:
    assert len(joined(server, tool)) <= 64


def test_long_names_that_begin_alike_stay_apart() -> None:
    one, two = joined("server", "a" * 80 + "1"), joined("server", "a" * 80 + "2")
    assert one != two
    assert re.fullmatch(r"server_a+_[0-9a-f]{6}", one)
    assert len(one) == 64


def test_several_servers_get_joined_names_and_one_keeps_its_own() -> None:
    keys = [ToolKey("my notes", "add"), ToolKey("calc", "add"), ToolKey("calc", "add")]
    several = ExposedNames(keys, single=False)
    assert [several.exposed(key) for key in keys] == ["my-notes_add", "calc_add", "calc_add"]
    assert several.key("calc_add") == ToolKey("calc", "add")
    assert several.key("add") is None
    assert len(several) == 2
    single = ExposedNames([ToolKey("my notes", "add/it!")], single=True)
    assert single.exposed(ToolKey("my notes", "add/it!")) == "add/it!"


def test_a_collision_is_refused_and_names_both_tools() -> None:
    with pytest.raises(ConfigError, match=re.escape("a/b_c and a_b/c would both be called 'a_b_c'")):
        ExposedNames([ToolKey("a", "b_c"), ToolKey("a_b", "c")], single=False)
