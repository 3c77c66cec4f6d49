"""Redaction: nothing that is a credential reaches a recording, and nothing else is touched."""

from __future__ import annotations

import copy
import json
import string
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from firefly_mcp.credentials import NAME_HINTS, credential_name
from firefly_mcp.jsonio import dumps
from firefly_mcp.redact import Redactor
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording

TOKENS = {
    "sk-key": "sk-proj-" + "aB3" * 12,
    "github-token": "ghp_" + "a1B2" * 9,
    "gitlab-token": "glpat-" + "x9" * 10,
    "aws-key": "AKIA" + "ABCD1234EFGH5678",
    "slack-token": "xoxb-123456789012-abcdefABCDEF",
    "google-key": "AIza" + "Sy0" * 11 + "ab",
    "hub-token": "hf_" + "aBcD" * 9,
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
    "private-key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7x\nq9w==\n-----END RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize(
    "name",
    [
        "password", "Password", "user_password", "newPassword1", "password_confirmation", "api_key", "apiKey", "X-API-Key",
        "OPENAI_API_KEY", "access_token", "accessToken", "X-Auth-Token", "token", "github_token", "client_secret", "secret",
        "authorization", "Proxy-Authorization", "private_key", "passphrase", "Set-Cookie", "credentials", "connectionString",
    ],
)  # fmt: skip
def test_these_names_carry_credentials(name: str) -> None:
    assert credential_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens", "token_count", "tokens", "next_page_token", "pageToken", "progressToken", "continuation_token",
        "token_id", "key", "keyword", "primary_key", "keys", "author", "authority", "password_length", "token_type",
        "has_password", "secretary", "compass", "passenger", "passage", "tokenize", "secret_name", "cookie_count", "session",
        "path", "key_file",
    ],
)  # fmt: skip
def test_these_names_are_harmless(name: str) -> None:
    assert not credential_name(name)


@given(st.text(alphabet=string.ascii_letters + string.digits + "_-. ", max_size=24))
@example("proxy-auth")
def test_every_credential_name_has_a_hint_in_its_encoded_form(name: str) -> None:
    if credential_name(name):
        encoded = dumps({name: 1}).lower()
        assert any(hint in encoded for hint in NAME_HINTS)


def test_arguments_under_a_credentials_name_are_replaced_at_any_depth() -> None:
    params = {
        "name": "login",
        "arguments": {"user": "ann", "credentials": [{"deep": {"password": "abc", "pin": 4}}], "otp": 123456},
    }
    assert Redactor().params(params) == {
        "name": "login",
        "arguments": {
            "user": "ann",
            # All that stands below the name of a credential is taken for one.
            "credentials": [{"deep": {"password": "[redacted:name]", "pin": "[redacted:name]"}}],
            "otp": "[redacted:name]",
        },
    }


def test_a_coins_ticker_or_a_number_under_token_is_not_a_credential() -> None:
    params = {"arguments": {"token": "ETH", "other": {"token": "42"}}}
    assert Redactor().params(params) is params


@pytest.mark.parametrize("rule", TOKENS)
def test_a_well_known_token_is_found_inside_any_text(rule: str) -> None:
    redactor = Redactor()
    out = redactor.result({"content": [{"type": "text", "text": f"before {TOKENS[rule]} after"}]})
    assert out == {"content": [{"type": "text", "text": f"before [redacted:{rule}] after"}]}
    assert redactor.counts == {rule: 1}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer abcdef0123456789", "Authorization: Bearer [redacted:bearer]"),
        ("postgres://ann:s3cr3t@host/db", "postgres://[redacted:url-password]@host/db"),
        ("password = hunter22x, port=80", "password = [redacted:named-value], port=80"),
        ('{"access_token":"a1b2c3d4e5","n":1}', '{"access_token":"[redacted:named-value]","n":1}'),
        ('{\\"client_secret\\": \\"a1b2c3d4e5\\"}', '{\\"client_secret\\": \\"[redacted:named-value]\\"}'),
    ],
)
def test_credentials_told_in_text_are_replaced(text: str, clean: str) -> None:
    assert Redactor().result({"text": text}) == {"text": clean}


@pytest.mark.parametrize(
    "text",
    [
        "The password: must have 8 characters or more",
        "max_tokens: 123456789, next_page_token: abc123456789",
        "the bearer of this letter, basic English",
        "https://example.com:8080/a@b and mail ann@example.com",
        "task-1234567890123456 risk-assessment-of-2024",
        "key=value12345 monkey: banana12345",
        "a basic authorization scheme",
        "sk-learn, AKIA is a prefix, eyJ starts a token",
    ],
)
def test_text_that_only_talks_of_credentials_stays_the_same_object(text: str) -> None:
    value = {"content": [{"type": "text", "text": text}]}
    assert Redactor(["another-secret"]).result(value) is value


def test_a_tools_schema_stays_as_it_is() -> None:
    tool = {
        "name": "login",
        "inputSchema": {
            "type": "object",
            "properties": {"password": {"type": "string", "format": "password", "minLength": 8}, "token": {"type": "string"}},
            "required": ["password"],
        },
    }
    assert Redactor().result({"tools": [tool]}) == {"tools": [tool]}


def test_a_password_that_a_server_echoes_is_taken_out_of_its_answer() -> None:
    redactor = Redactor()
    redactor.params({"arguments": {"password": "Tr0ub4dor&3"}})
    assert redactor.result({"content": [{"type": "text", "text": "welcome, Tr0ub4dor&3"}]}) == {
        "content": [{"type": "text", "text": "welcome, [redacted:echo]"}]
    }


def test_what_a_call_is_recorded_as_depends_on_the_call_alone() -> None:
    later = {"arguments": {"note": "remember Tr0ub4dor&3"}}
    fresh, used = Redactor(), Redactor()
    used.params({"arguments": {"password": "Tr0ub4dor&3"}})
    assert used.params(later) == fresh.params(later)


def test_a_result_hides_a_made_token_in_its_text_as_in_its_structure() -> None:
    body = {"access_token": "zXcVbNm-qwertyui", "token_type": "custom"}
    out = Redactor().result({"content": [{"type": "text", "text": json.dumps(body)}], "structuredContent": body})
    assert "zXcVbNm-qwertyui" not in json.dumps(out)
    assert out["structuredContent"]["token_type"] == "custom"


def test_numbers_that_are_a_secret_are_replaced_and_others_are_not() -> None:
    assert Redactor(["90210777"]).result({"a": 90210777, "b": 90210778, "c": True}) == {
        "a": "[redacted:config]",
        "b": 90210778,
        "c": True,
    }


def test_a_very_short_secret_is_replaced_only_where_it_is_the_whole_text() -> None:
    assert Redactor(["abc"]).result({"a": "abc", "b": "abcd"}) == {"a": "[redacted:config]", "b": "abcd"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
secrets = st.text(
    alphabet=string.ascii_letters + string.digits + "!\"#%&'()*+,-./:;<=>?@\\^_`{|}~ é✓", min_size=6, max_size=30
).filter(lambda s: s == s.strip() and len(set(s)) > 2 and s not in "[redacted:config]")


def planted(secret: str, value: Any, where: int) -> dict[str, Any]:
    """The secret in one of the places in which a server may put it."""
    inner = json.dumps({"v": secret}, ensure_ascii=where % 2 == 0)
    places: list[Any] = [
        secret,
        f"x {secret} y",
        inner,
        json.dumps({"body": inner}),
        f"https://h/?q={quote(secret, safe='')}",
        f"https://h/?q={quote_plus(secret)}",
        [{"k": [secret]}],
        {secret: 1},
    ]
    return {"arguments": {"rest": value, "spot": places[where % len(places)]}}


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(secret=secrets, value=json_values, where=st.integers(0, 15))
def test_no_secret_survives_anywhere_in_the_bytes_of_a_recording(secret: str, value: Any, where: int) -> None:
    # A secret that the rest of the recording says anyway (a column's name, say) cannot be looked for.
    with TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.db"
        Recording(empty, create=True).close()
        assume(
            secret.encode() not in empty.read_bytes() and secret.encode() not in b"firefly_mcp arguments rest spot tools/call"
        )
        path = Path(folder) / "r.db"
        redactor = Redactor([secret])
        with Recording(path, create=True) as recording:
            writer = recording.begin_session("record", client_info=redactor.result({"name": secret}))
            call = writer.begin_call("srv", "tools/call", redactor.params({"name": "t", **planted(secret, value, where)}))
            writer.end_call(call, result=redactor.result({"structuredContent": planted(secret, value, where)}))
        stored = b"".join(file.read_bytes() for file in Path(folder).glob("r.db*"))
        spelled = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
        assert not [form for form in spelled if form.encode() in stored]


@settings(max_examples=150)
@given(value=json_values, secret=secrets, token=st.sampled_from(sorted(TOKENS.values())), where=st.integers(0, 15))
def test_redacting_twice_changes_nothing_and_the_input_is_never_altered(
    value: Any, secret: str, token: str, where: int
) -> None:
    message = {"password": secret, "note": f"{token} {secret}", **planted(secret, value, where)}
    before = copy.deepcopy(message)
    once = Redactor([secret]).params(message)
    assert message == before
    again = Redactor([secret])
    assert again.params(once) is once
    assert again.result(once) is once
    assert not again.counts


@settings(max_examples=100)
@given(value=json_values)
def test_a_clean_value_comes_back_as_the_same_object(value: Any) -> None:
    wrapped = {"content": value}
    assert Redactor(["not-in-there-1234567"]).result(wrapped) is wrapped


def test_a_redacted_call_is_found_again_by_the_same_rules(tmp_path: Path) -> None:
    params = {"name": "login", "arguments": {"user": "ann", "password": "Tr0ub4dor&3"}}
    with Recording(tmp_path / "r.db", create=True) as recording:
        writer = recording.begin_session("record")
        first = writer.begin_call("srv", "tools/call", Redactor().params(copy.deepcopy(params)))
        second = writer.begin_call("srv", "tools/call", Redactor().params(copy.deepcopy(params)))
        calls = {call.id: call for call in queries.calls(recording)}
    assert calls[first].args_hash == calls[second].args_hash
    assert calls[first].arguments == {"user": "ann", "password": "[redacted:name]"}
