"""``replay.toml`` says how each tool is matched; what it does not know, it refuses by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from firefly_mcp.errors import ConfigError
from firefly_mcp.match.kinds import ArgumentKind
from firefly_mcp.normalize import RULES
from firefly_mcp.replay.faults import FaultKind
from firefly_mcp.replay.rules import ReplayRules
from firefly_mcp.replay.rules_file import FAULT, MATCHING, STATE, load_replay_rules, parse_replay_rules, replay_rules_for
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.types import MatchKind, Tool, ToolKey

EXAMPLE = """
[defaults]
ignore = ["/request_id"]
threshold = 0.2

[tools."shop/*"]
off = ["trim_strings"]
highest = "semantic"

[tools."shop/buy"]
ignore = ["/cart/*/note"]
kinds = { "/reason" = "free_text", "/sku" = "identifying" }
threshold = 0.05
side_effects = true
affects = ["stock", "mail/inbox"]
"""
KEYS = [ToolKey("shop", "buy"), ToolKey("shop", "stock"), ToolKey("shop", "search"), ToolKey("mail", "inbox")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "replay.toml"
    path.write_text(EXAMPLE)
    return path


def rules_of(text: str, tmp_path: Path) -> ReplayRules:
    path = tmp_path / "replay.toml"
    path.write_text(text)
    return load_replay_rules(path)


def test_lists_of_all_fitting_tables_add_up_and_the_last_single_value_counts(file: Path) -> None:
    buy = load_replay_rules(file).tool(ToolKey("shop", "buy"))
    assert buy.ignore == {"/request_id", "/cart/*/note"}
    assert buy.off == {"trim_strings"}
    assert buy.threshold == 0.05
    assert buy.kinds == {"/reason": ArgumentKind.FREE_TEXT, "/sku": ArgumentKind.IDENTIFYING}
    other = load_replay_rules(file).tool(ToolKey("mail", "inbox"))
    assert (other.ignore, other.off, other.threshold) == (frozenset({"/request_id"}), frozenset(), 0.2)


def test_a_tool_with_side_effects_is_never_answered_above_normalized(file: Path) -> None:
    rules = load_replay_rules(file)
    allowed = [kind for kind in MatchKind if rules.allows(ToolKey("shop", "buy"), kind)]
    assert allowed == [MatchKind.EXACT, MatchKind.NORMALIZED]
    assert rules.allows(ToolKey("shop", "search"), MatchKind.SEMANTIC)
    assert not rules.allows(ToolKey("shop", "search"), MatchKind.LIVE)


def test_declared_effects_win_over_every_other_evidence_and_may_cross_servers(file: Path) -> None:
    tools = {key: Tool(key.server, {"name": key.tool, "annotations": {"readOnlyHint": True}}) for key in KEYS}
    relation = EffectRelation(tools, declared=load_replay_rules(file).declared(tools))
    buy = ToolKey("shop", "buy")
    assert [relation.may_affect(buy, key) for key in KEYS] == [False, True, False, True]
    assert relation.effect(buy, ToolKey("mail", "inbox")).source == "declared"


def test_an_effect_can_be_denied_and_a_later_word_of_the_file_counts(tmp_path: Path) -> None:
    rules = rules_of('[tools."shop/*"]\nstateless = true\n[tools."shop/buy"]\naffects = ["*", "!search"]', tmp_path)
    declared = rules.declared(KEYS)
    buy = ToolKey("shop", "buy")
    assert [declared[(buy, key)].affects for key in KEYS[:3]] == [True, True, False]
    assert not declared[(ToolKey("shop", "stock"), ToolKey("shop", "search"))].affects


def test_affected_by_names_the_writers(tmp_path: Path) -> None:
    rules = rules_of('[tools."mail/inbox"]\naffected_by = ["shop/b*"]\nvolatile = false', tmp_path)
    assert {pair: effect.affects for pair, effect in rules.declared(KEYS).items()} == {
        (ToolKey("shop", "buy"), ToolKey("mail", "inbox")): True
    }
    assert rules.volatile(KEYS) == {ToolKey("mail", "inbox"): False}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tool = 1", "tool: no such key; known are defaults, tools, faults"),
        ('[defaults]\naffects = ["x"]', "defaults.affects: no such key"),
        ("[tools.buy]\n", '"server/tool"'),
        ('[tools."shop/buy"]\nignored = ["/a"]', 'tools."shop/buy".ignored: no such key'),
        ('[tools."shop/buy"]\nignore = ["a"]', "begins with '/'"),
        ('[tools."shop/buy"]\noff = ["trim"]', "no such rule 'trim'; known are trim_strings"),
        ('[tools."shop/buy"]\nkinds = { "/a" = "text" }', "'text' is not one of identifying"),
        ('[tools."shop/buy"]\nhighest = "miss"', "'miss' is not one of exact, normalized"),
        ('[tools."shop/buy"]\nthreshold = 3', "expected a number from 0 to 2"),
        ('[tools."shop/buy"]\nside_effects = 1', "expected true or false"),
        ('[tools."shop/buy"]\nstateless = true\naffects = ["x"]', "drop one"),
        ('[[faults]]\nfault = "slow"\nevery = 2', "'slow' is not one of tool_error"),
        ("[[faults]]\nevery = 2", "says no fault"),
        ('[[faults]]\nfault = "drop"', "give probability or every, one of them"),
        ('[[faults]]\nfault = "drop"\nprobability = 2', "expected a number from 0 to 1"),
        ('[[faults]]\nfault = "delay"\nevery = 1', "a delay needs delay_ms"),
        ('[[faults]]\nfault = "drop"\nevery = 1\ncode = 5', "code: is for error only"),
        ('[[faults]]\nfault = "garbage"\nevery = 1\nmethod = "resources/read"', "for tools only"),
        ("[tools", "not TOML"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_and_key(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as trouble:
        rules_of(text, tmp_path)
    assert said in str(trouble.value)
    assert str(tmp_path / "replay.toml") in str(trouble.value)
    assert "\n" not in str(trouble.value)


@pytest.mark.parametrize(
    "text",
    [
        '[tools."shop/sell"]\nignore = ["/a"]',
        '[tools."shop/buy"]\naffects = ["sell"]',
        '[tools."shop/buy"]\naffected_by = ["bank/*"]',
        '[[faults]]\nfault = "drop"\nevery = 2\ntool = "bank/*"',
    ],
)
def test_a_pattern_that_fits_no_tool_of_the_recording_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"fits no tool of a\.db"):
        rules_of(text, tmp_path).check(KEYS, "a.db")


def test_the_file_beside_the_recording_is_used_and_noted(file: Path) -> None:
    noted: list[str] = []
    rules = replay_rules_for(None, file.parent / "a.db", noted.append)
    assert rules.digest == load_replay_rules(file).digest
    assert noted == [f"rules: {file}"]
    assert not replay_rules_for(None, file.parent / "elsewhere" / "a.db", noted.append).entries


def test_faults_do_not_change_how_calls_are_found() -> None:
    faulty = parse_replay_rules({"faults": [{"fault": "drop", "every": 2}]}, "x")
    assert faulty.digest == ReplayRules().digest
    assert parse_replay_rules({"defaults": {"ignore": ["/a"]}}, "x").digest != faulty.digest


def test_the_reference_names_every_key_kind_rule_and_fault() -> None:
    told = (Path(__file__).parents[3] / "docs/reference/replay-rules.md").read_text()
    keys = {*MATCHING, *STATE, *FAULT}
    missing = [name for name in (*keys, *ArgumentKind, *RULES, *FaultKind) if f"`{name}`" not in told]
    assert missing == []
