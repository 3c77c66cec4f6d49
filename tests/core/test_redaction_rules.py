"""A user's own redaction rules: what they replace, and what is said of a file that is wrong."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firefly_mcp.errors import ConfigError
from firefly_mcp.redact import Redactor
from firefly_mcp.redaction_rules import NO_RULES, RedactionRules, load_rules, parse_rules, rules_for

FILE = r"""
keys = ["patient_id"]
keep = ["session_token"]
environment = ["WARD_CODE"]

[patterns]
staff-number = 'EMP-\d{4,}'
caller = 'called by (?P<value>[A-Z]\w+)'

[[paths]]
server = "clinic"
tool = "admit"
arguments = ["/person/name", "/contacts/*/phone"]
result = ["$.record.address", "$..diagnosis"]
"""
VARIABLES = {"WARD_CODE": "ward-77-blue"}


@pytest.fixture
def rules(tmp_path: Path) -> RedactionRules:
    path = tmp_path / "redaction.toml"
    path.write_text(FILE)
    return load_rules(path)


@pytest.fixture
def redactor(rules: RedactionRules) -> Redactor:
    return Redactor(rules=rules, variables=VARIABLES)


def told(value: Any, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": value}], **more}


@pytest.mark.parametrize("spelled", ["patient_id", "patientId", "Patient-ID", "PATIENT_ID"])
def test_a_key_is_found_in_any_spelling_at_any_depth_whatever_stands_there(redactor: Redactor, spelled: str) -> None:
    params = {"name": "t", "arguments": {"rows": [{spelled: 4711}, {spelled: {"part": ["a", True]}}, {"outpatient_ids": 1}]}}
    assert redactor.params(params) == {
        "name": "t",
        "arguments": {
            "rows": [
                {spelled: "[redacted:key]"},
                {spelled: {"part": ["[redacted:key]", "[redacted:key]"]}},
                {"outpatient_ids": 1},
            ]
        },
    }


def test_a_key_is_found_in_json_inside_a_text_and_the_texts_form_stays(redactor: Redactor) -> None:
    body = {"rows": [{"patientId": 4711, "ok": True, "né": 1}]}
    for written in ({"indent": 2}, {"separators": (",", ":")}, {"indent": 4, "ensure_ascii": False}, {}):
        text = json.dumps(body, **written)
        clean = json.dumps({"rows": [{"patientId": "[redacted:key]", "ok": True, "né": 1}]}, **written)
        assert redactor.result(told(text)) == told(clean)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("patient id: 4711, ward 3", "patient id: 4711, ward 3"),
        ("patient_id: 4711, ward 3", "patient_id: [redacted:key], ward 3"),
        ("PatientID=4711;ward=3", "PatientID=[redacted:key];ward=3"),
        ("got 'patient_id': 'Ann Lee' there", "got 'patient_id': '[redacted:key]' there"),
        ('an {\\"patient_id\\": \\"x 1\\"} in a text', 'an {\\"patient_id\\": \\"[redacted:key]\\"} in a text'),
        ("outpatient_id: 4711", "outpatient_id: 4711"),
        ("staff EMP-123456 and EMP-12", "staff [redacted:staff-number] and EMP-12"),
        ("called by Ann at noon", "called by [redacted:caller] at noon"),
        ("in ward-77-blue now", "in [redacted:environment] now"),
    ],
)
def test_what_running_text_tells_is_replaced(redactor: Redactor, text: str, clean: str) -> None:
    assert redactor.result(told(text)) == told(clean)
    assert redactor.params({"arguments": {"q": text}}) == {"arguments": {"q": clean}}


def test_a_place_is_replaced_in_the_calls_of_its_tool_alone(redactor: Redactor) -> None:
    params = {"name": "admit", "arguments": {"person": {"name": "Ann Lee"}, "contacts": [{"phone": 1}, {"phone": "2"}, {}]}}
    hidden = "[redacted:path]"
    assert redactor.params(params, server="clinic", tool="admit") == {
        "name": "admit",
        "arguments": {"person": {"name": hidden}, "contacts": [{"phone": hidden}, {"phone": hidden}, {}]},
    }
    for server, tool in (("clinic", "other"), ("else", "admit"), ("clinic", None)):
        assert redactor.params(params, server=server, tool=tool) is params


def test_a_place_in_a_result_is_replaced_in_the_structure_in_its_text_and_where_it_is_repeated(redactor: Redactor) -> None:
    body = {"record": {"address": "12 Long Lane", "visits": [{"diagnosis": ["flu", "gout"]}]}, "n": 1}
    hidden = {"record": {"address": "[redacted:path]", "visits": [{"diagnosis": "[redacted:path]"}]}, "n": 1}
    out = redactor.result(told(json.dumps(body), structuredContent=body), server="clinic", tool="admit")
    assert out == told(json.dumps(hidden), structuredContent=hidden)
    out = redactor.result(told("moved to 12 Long Lane", structuredContent=body), server="clinic", tool="admit")
    assert out["content"][0]["text"] == "moved to [redacted:echo]"


def test_a_name_that_is_to_be_kept_is_kept_in_structure_and_in_text(redactor: Redactor) -> None:
    value = {"arguments": {"session_token": "abc123def456", "note": "sessionToken=abc123def456"}}
    assert redactor.params(value) is value
    assert Redactor().params(value) is not value
    token = "ghp_" + "a1B2" * 9
    assert redactor.params({"arguments": {"session_token": token}}) == {
        "arguments": {"session_token": "[redacted:github-token]"}
    }


def test_definitions_of_tools_keep_their_schema(redactor: Redactor) -> None:
    tool = {"name": "admit", "inputSchema": {"properties": {"patient_id": {"type": "string", "examples": ["EMP-99999"]}}}}
    cleaned = redactor.definitions([tool])
    assert cleaned[0]["inputSchema"]["properties"] == {
        "patient_id": {"type": "string", "examples": ["[redacted:staff-number]"]}
    }


def test_finds_are_counted_by_rule(redactor: Redactor) -> None:
    redactor.params({"arguments": {"patient_id": 1, "q": "EMP-1234 EMP-5678 ward-77-blue"}})
    assert redactor.counts == {"key": 1, "staff-number": 2, "environment": 1}


def test_rules_survive_being_stored_and_hold_no_value(rules: RedactionRules) -> None:
    stored = json.dumps(rules.to_json())
    assert parse_rules(json.loads(stored), "recording") == rules
    assert VARIABLES["WARD_CODE"] not in stored
    assert NO_RULES.to_json() == {}
    assert not NO_RULES


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["EMP-12345", "ward-77-blue", "patient_id=9", "x EMP-1", "é"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["patient_id", "a", "person", "name", "record", "address"]), inner, max_size=3)
        | inner.map(json.dumps)
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(value=json_values)
def test_redacting_twice_changes_nothing(value: Any) -> None:
    rules = parse_rules(tomllib.loads(FILE), "file")
    for message in ({"name": "admit", "arguments": value}, told(json.dumps(value), structuredContent=value)):
        first, second = (Redactor(rules=rules, variables=VARIABLES) for _ in range(2))
        redact = "params" if "arguments" in message else "result"
        once = getattr(first, redact)(message, server="clinic", tool="admit")
        assert getattr(second, redact)(once, server="clinic", tool="admit") is once
        assert not second.counts


def test_a_pattern_never_cuts_into_a_marker() -> None:
    rules = parse_rules({"patterns": {"word": r"\w+", "tail": r"\].*"}}, "file")
    once = Redactor(["hunter2secret"], rules=rules).result("hunter2secret and more")
    assert Redactor(["hunter2secret"], rules=rules).result(once) == once
    assert "hunter" not in once


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("keys = [", "not TOML"),
        ("kees = []", "kees: no such key; known are keys, keep"),
        ('keys = "a"', "keys: expected a list of texts"),
        ('keys = [""]', "keys: expected a list of texts that are not empty"),
        ('keys = ["--"]', "keys: '--' has no letter"),
        ('keys = ["api_key"]\nkeep = ["apiKey"]', "keep: 'apiKey' is also in keys"),
        ('environment = ["hunter2-secret"]', "environment: 'hunter2-secret' is not the name of a variable"),
        ("patterns = 3", "patterns: expected a table"),
        ("[patterns]\nA = 'x+'", "patterns.A: a name is made of small letters"),
        ("[patterns]\njwt = 'x+'", "patterns.jwt: a built-in rule has this name"),
        ("[patterns]\nkey = 'x+'", "patterns.key: a built-in rule has this name"),
        ("[patterns]\na = '('", "patterns.a: not a regular expression: missing )"),
        ("[patterns]\na = 'x*'", "patterns.a: matches the empty text"),
        ("[patterns]\na = 'hunter2'", "patterns.a: is a plain text, and patterns are stored"),
        ("[patterns]\na = 7", "patterns.a: expected a text"),
        ("[[paths]]\ntool = 't'", "paths[0]: names no place"),
        ("[[paths]]\nresult = ['/a']\n[[paths]]\nresults = ['/a']", "paths[1].results: no such key"),
        ("[[paths]]\nresult = ['a.b']", "paths[0].result: 'a.b' is neither a JSON pointer"),
        ("[[paths]]\narguments = ['/a~2']", "paths[0].arguments: '/a~2': in a pointer"),
        ("[[paths]]\nresult = ['$.a[']", "paths[0].result: '$.a[' is not a JSONPath"),
        ("[[paths]]\ntool = 3\nresult = ['/a']", "paths[0].tool: expected a text"),
    ],
)
def test_an_error_in_the_file_is_one_line_with_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "redaction.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_rules(path)
    assert str(caught.value).startswith(f"{path}: {said}")
    assert "\n" not in str(caught.value)


def test_a_file_is_found_beside_the_servers_or_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf").mkdir()
    monkeypatch.chdir(tmp_path)
    assert rules_for(None, None, [], {}) == NO_RULES
    Path("redaction.toml").write_text('keys = ["here"]')
    assert rules_for(None, None, [], {}).keys == ("here",)
    assert rules_for(None, Path("conf/servers.json"), [], {}).keys == ("here",)
    Path("conf/redaction.toml").write_text('keys = ["beside"]')
    assert rules_for(None, Path("conf/servers.json"), [], {}).keys == ("beside",)
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read"):
        rules_for(Path("none.toml"), None, [], {})


def test_rules_that_could_not_hold_or_would_tell_a_secret_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "redaction.toml"
    path.write_text('environment = ["NOT_SET"]')
    with pytest.raises(ConfigError, match="the variable NOT_SET is not set"):
        rules_for(path, None, [], {})
    path.write_text("[patterns]\na = 'hunter2-secret.?'")
    with pytest.raises(ConfigError, match="holds a secret value") as caught:
        rules_for(path, None, ["hunter2-secret"], {})
    assert "hunter2" not in str(caught.value)


def test_the_documented_file_is_read() -> None:
    page = Path(__file__).parents[2] / "docs/reference/redaction.md"
    block = page.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    rules = parse_rules(tomllib.loads(block), "page")
    assert all(getattr(rules, key) for key in ("keys", "keep", "environment", "patterns", "paths"))
