"""Prove that a recording holds none of the given secrets, and nothing that looks like a token.

Two looks. Every byte of the files is searched for each secret in all its spellings, so also what was deleted and not yet
overwritten. Then every value of every table is searched again, which names the rows, and its texts are held against the token
patterns. No finding says what was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firefly_mcp.jsonio import JSON, JsonObject, dumps, loads
from firefly_mcp.redact import Redactor
from firefly_mcp.redaction_rules import NO_RULES, RedactionRules, parse_rules
from firefly_mcp.secret_values import SHORTEST_INSIDE
from firefly_mcp.spellings import spellings
from firefly_mcp.store import queries
from firefly_mcp.store.pages import Pages
from firefly_mcp.store.recording import Recording


@dataclass(frozen=True, slots=True)
class Secret:
    """A value to look for, and what findings call it."""

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """Where something was found.

    Attributes:
        rule: the secret's name, or that of the token pattern.
        form: ``plain``, ``json``, ``url``, ``html`` or ``base64``; ``pattern`` for a token.
        count: how often there.
        table, column, row: the value that holds it; a row is named by its primary key.
        file, offset: instead of a row: the file, and the first place in bytes.
    """

    rule: str
    form: str
    count: int
    table: str | None = None
    column: str | None = None
    row: str | None = None
    file: str | None = None
    offset: int | None = None

    def to_json(self) -> JsonObject:
        """The finding, without what does not apply."""
        return {key: value for key in self.__slots__ if (value := getattr(self, key)) is not None}


@dataclass
class ScanReport:
    """What was looked through, and what was found."""

    secrets: int
    bytes: int = 0
    texts: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def to_json(self) -> JsonObject:
        """The shape of ``firefly scan --json``."""
        found = [finding.to_json() for finding in self.findings]
        return {"clean": self.clean, "secrets": self.secrets, "bytes": self.bytes, "texts": self.texts, "findings": found}


def scan(path: Path, secrets: Sequence[Secret]) -> ScanReport:
    """Look through the recording at ``path``.

    A secret of fewer than four characters is looked for as a whole text only: inside others it would be everywhere.

    Raises:
        StoreError: there is no sound recording at ``path``.
    """
    needles = _Needles(secrets)
    report = ScanReport(len(secrets))
    # Bytes first: closing a recording folds its log into the file.
    if path.is_file():
        with Pages(path) as pages:
            report.bytes = pages.size
            report.findings += needles.in_pages(pages, path)
    with Recording(path) as recording:
        redactor = Redactor([secret.value for secret in secrets], rules=_patterns_of(recording))
        tokens = Redactor(rules=redactor.rules)
        for table, column, row, value in _cells(recording):
            report.texts += 1
            found = [*needles.in_cell(value), *_tokens(tokens, table, column, value)]
            if found:
                # A row may be named by a value that holds the secret itself.
                name = str(redactor.values(row))
                report.findings += [Finding(*what, table=table, column=column, row=name) for what in found]
    return report


class _Needles:
    """The secrets in all their spellings, as bytes."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        self._forms: list[tuple[str, str, bytes]] = []
        self._whole: list[tuple[str, str]] = []
        for secret in secrets:
            if len(secret.value) < SHORTEST_INSIDE:
                self._forms.append((secret.name, "plain", dumps(secret.value)))
                self._whole.append((secret.name, secret.value))
                continue
            for form, kind in spellings(secret.value).items():
                self._forms.append((secret.name, kind, form.encode("utf-8", "surrogatepass")))

    def in_pages(self, pages: Pages, path: Path) -> Iterator[Finding]:
        for name, kind, form in self._forms:
            places = pages.find(form)
            for suffix in dict.fromkeys(place.suffix for place in places):
                offsets = [place.offset for place in places if place.suffix == suffix]
                yield Finding(name, kind, len(offsets), file=path.name + suffix, offset=offsets[0])

    def in_cell(self, value: str | bytes) -> Iterator[tuple[str, str, int]]:
        data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        for name, kind, form in self._forms:
            count = data.count(form)
            if count:
                yield name, kind, count
        for name, whole in self._whole:
            if value == whole:
                yield name, "plain", 1


def _tokens(redactor: Redactor, table: str, column: str, value: str | bytes) -> Iterator[tuple[str, str, int]]:
    if isinstance(value, bytes):
        return
    before = redactor.counts.copy()
    document = _document(value)
    if (table, column) == ("session", "config") and isinstance(document, dict):
        document.pop("redaction", None)  # the patterns themselves
    redactor.values(document)
    for rule, count in (redactor.counts - before).items():
        yield rule, "pattern", count


def _document(value: str) -> JSON:
    if value[:1] not in ("{", "[", '"'):
        return value
    try:
        return loads(value)
    except ValueError:
        return value


def _patterns_of(recording: Recording) -> RedactionRules:
    """The users' patterns, and the names that they wanted kept, of all sessions."""
    rules = NO_RULES
    for session in queries.sessions(recording):
        stored = session.config.get("redaction")
        if stored:
            rules = rules.union(parse_rules(stored, f"{recording.path}: rules of session {session.id}"))
    return RedactionRules(keep=rules.keep, patterns=rules.patterns)


def _cells(recording: Recording) -> Iterator[tuple[str, str, str, str | bytes]]:
    """Every text and blob of every table as ``(table, column, row, value)``."""
    tables = recording.db.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND sql NOT LIKE 'CREATE VIRTUAL%'"
    ).fetchall()
    for (table,) in tables:
        columns = recording.db.execute("SELECT name, pk FROM pragma_table_info(?) ORDER BY cid", (table,)).fetchall()
        names = [str(name) for name, _ in columns]
        keys = [index for index, (_, pk) in enumerate(columns) if pk]
        listed = ", ".join(_quoted(name) for name in names)
        for number, row in enumerate(recording.db.execute(f"SELECT {listed} FROM {_quoted(str(table))}"), 1):
            values: tuple[Any, ...] = row
            for column, value in zip(names, values, strict=True):
                if isinstance(value, str | bytes):
                    yield str(table), column, "/".join(str(values[key]) for key in keys) or f"#{number}", value


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
