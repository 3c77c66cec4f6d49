"""Scanning: a secret is found wherever it is and however it is spelled, and is never told."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firefly_mcp.cli import main
from firefly_mcp.redact import Redactor
from firefly_mcp.redaction_rules import RedactionRules
from firefly_mcp.spellings import base64_cores
from firefly_mcp.store.pages import Pages
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.scan import ScanReport, Secret, scan

SECRET = 'p@ss/w"örd+42'
TOKEN = "ghp_" + "a1B2" * 9


def recorded(path: Path, text: str, **more: Any) -> Path:
    with Recording(path, create=True) as recording:
        writer = recording.begin_session("record", **more)
        call = writer.begin_call("srv", "tools/call", {"name": "t", "arguments": {"q": "harmless"}})
        writer.end_call(call, result={"content": [{"type": "text", "text": text}]})
    return path


def look(path: Path, *values: str) -> ScanReport:
    return scan(path, [Secret(f"secret:{number}", value) for number, value in enumerate(values, 1)])


@pytest.mark.parametrize(
    ("spelled", "form"),
    [
        (SECRET, "json"),
        (json.dumps({"inner": json.dumps({"x": SECRET})}), "json"),
        (quote(SECRET, safe=""), "url"),
        (quote(SECRET).lower(), "url"),
        (html.escape(SECRET), "html"),
        (base64.b64encode(b"user:" + SECRET.encode()).decode(), "base64"),
        (base64.b64encode(b"u:" + SECRET.encode() + b"!").decode(), "base64"),
        (base64.urlsafe_b64encode(json.dumps({"k": SECRET}).encode()).decode(), "base64"),
    ],
)
def test_a_secret_is_found_in_every_spelling_with_its_row_and_never_told(tmp_path: Path, spelled: str, form: str) -> None:
    report = look(recorded(tmp_path / "r.db", f"before {spelled} after"), "not there at all", SECRET)
    (row,) = {(f.table, f.column) for f in report.findings if f.table}
    assert row == ("blob", "data")
    assert {(f.rule, f.form) for f in report.findings} == {("secret:2", form)}
    assert any(f.file == "r.db" and f.offset for f in report.findings)
    told = json.dumps(report.to_json()) + repr(report)
    assert SECRET not in told
    assert spelled not in told


def test_what_redaction_has_hidden_is_clean(tmp_path: Path) -> None:
    redactor = Redactor([SECRET])
    spelled = [
        SECRET,
        json.dumps(SECRET),
        quote(SECRET),
        html.escape(SECRET),
        base64.b64encode(b"u:" + SECRET.encode()).decode(),
    ]
    path = recorded(tmp_path / "r.db", redactor.result(" ".join([*spelled, TOKEN])))
    report = look(path, SECRET)
    assert report.clean, report.findings
    assert report.bytes > 0
    assert report.texts > 0


@pytest.mark.parametrize("table", ["session", "call_event", "task", "trajectory", "info", "server", "edge", "tool_snapshot"])
def test_every_table_is_looked_through(tmp_path: Path, table: str) -> None:
    path = tmp_path / "r.db"
    value = json.dumps({"name": SECRET})
    with Recording(path, create=True) as recording:
        writer = recording.begin_session("record", labels={"l": SECRET} if table == "session" else {})
        if table == "call_event":
            writer.event(None, "to_client", {"m": SECRET})
        elif table == "tool_snapshot":
            recording.snapshot_tools("srv", [{"name": "t", "description": SECRET}])
        elif table == "server":
            recording.add_server("srv", {"args": [SECRET]})
        rows = {
            "task": ("INSERT INTO task VALUES ('t1', 'admitted', ?, 0)", (value,)),
            "trajectory": ("INSERT INTO trajectory VALUES (NULL, 1, ?, '[]', '[]', '{}', 0)", (value,)),
            "info": ("INSERT INTO info VALUES ('k', ?)", (value,)),
            "edge": ("INSERT INTO edge VALUES ('a', 'b', 'c', 'd', ?, 1, '{}')", (SECRET,)),
        }
        if table in rows:
            recording.db.execute(*rows[table])
    report = look(path, SECRET)
    assert {f.table for f in report.findings if f.table} == {table}
    assert SECRET not in json.dumps(report.to_json(), ensure_ascii=False)  # also where it is part of the row's key


def test_what_was_deleted_and_not_overwritten_is_found_in_the_bytes(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r.db", "x" * 300)
    db = apsw.Connection(str(path))
    db.pragma("secure_delete", "off")
    db.execute("INSERT INTO info VALUES ('k', ?)", ("deleted-secret-1234",))
    db.execute("DELETE FROM info WHERE key = 'k'")
    db.close()
    report = look(path, "deleted-secret-1234")
    assert [(f.table, f.file) for f in report.findings] == [(None, "r.db")]


def test_a_log_that_a_killed_process_left_is_looked_through(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r.db", "nothing")
    writer = Recording(path)
    writer.db.execute("INSERT INTO info VALUES ('k', 'logged-secret-1234')")
    report = look(path, "logged-secret-1234")
    writer.close()
    assert {f.file for f in report.findings if f.file} == {"r.db-wal"}


@settings(max_examples=40)
@given(lead=st.integers(0, 9000), size=st.integers(5, 40), deleted=st.booleans())
def test_a_text_that_is_cut_by_overflow_pages_is_found_also_when_deleted(
    tmp_path_factory: pytest.TempPathFactory, lead: int, size: int, deleted: bool
) -> None:
    path = tmp_path_factory.mktemp("cut") / "r.db"
    secret = "".join(chr(ord("A") + (index * 7 + size) % 26) for index in range(size))
    db = apsw.Connection(str(path))
    db.pragma("secure_delete", "off")
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, value TEXT)")
    db.execute("INSERT INTO t (value) VALUES (?)", ("." * lead + secret + "." * 9000,))
    db.execute("INSERT INTO t (value) VALUES (?)", ("-" * 20_000,))
    if deleted:
        db.execute("DELETE FROM t WHERE id = 2")  # the first trunk of free pages is overwritten in part
        db.execute("DELETE FROM t WHERE id = 1")
    db.close()
    with Pages(path) as pages:
        assert pages.find(secret.encode())
        assert not pages.find(b"~" + secret.encode())


@settings(max_examples=200)
@given(before=st.binary(max_size=7), data=st.binary(min_size=7, max_size=30), after=st.binary(max_size=7))
def test_a_core_of_base64_stands_in_the_base64_of_anything_around_it(before: bytes, data: bytes, after: bytes) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        assert any(core in encode(before + data + after).decode() for core in base64_cores(data))


def test_token_forms_and_the_users_own_patterns_are_found_without_any_secret_given(tmp_path: Path) -> None:
    rules = RedactionRules(keep=("session_token",), patterns=(("staff-number", r"EMP-\d+"),))
    text = f"{TOKEN} EMP-12 session_token=abc123def456"
    path = recorded(tmp_path / "r.db", text, config={"redaction": rules.to_json()})
    assert {(f.rule, f.form, f.table) for f in look(path).findings} == {
        ("github-token", "pattern", "blob"),
        ("staff-number", "pattern", "blob"),
    }


def test_a_very_short_secret_is_found_only_as_a_whole_text(tmp_path: Path) -> None:
    assert look(recorded(tmp_path / "a.db", "abc and more"), "abc").clean
    assert not look(recorded(tmp_path / "b.db", "abc"), "abc").clean


def test_the_command_says_found_with_exit_code_1_and_clean_with_0(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = str(recorded(tmp_path / "r.db", "it is hunter2-secret, yes"))
    monkeypatch.setenv("THE_SECRET", "hunter2-secret")
    listed = tmp_path / "secrets.txt"
    listed.write_text("nothing-like-it\n\nhunter2-secret\n")
    for option, rule in (
        (["--secret", "hunter2-secret"], "secret:1"),
        (["--env", "THE_SECRET"], "env:THE_SECRET"),
        (["--secrets-from", str(listed)], f"{listed}:3"),
    ):
        assert main(["scan", "--store", store, *option, "--json"]) == 1
        out, err = capfd.readouterr()
        found = json.loads(out)
        assert found["clean"] is False
        assert {finding["rule"] for finding in found["findings"]} == {rule}
        assert rule in err
        assert main(["scan", "--store", store, *option]) == 1
        out, err = capfd.readouterr()
        assert "hunter2" not in out + err
    assert main(["scan", "--store", store, "--secret", "not-in-there"]) == 0
    for wrong, said in (
        (["--env", "NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE: the variable is not set"),
        (["--secrets-from", str(tmp_path / "none")], "none: No such file"),
        (["--secret", " "], "secret:1 is blank"),
    ):
        capfd.readouterr()
        assert main(["scan", "--store", store, *wrong]) == 2
        assert said in capfd.readouterr().err
