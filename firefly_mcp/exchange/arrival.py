"""Bring a file of any known form into a recording: all of it or nothing."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from firefly_mcp.errors import UsageError
from firefly_mcp.exchange import cassette
from firefly_mcp.exchange.call_lines import CallLines, read_definitions
from firefly_mcp.exchange.landing import landing
from firefly_mcp.exchange.packed import open_packed
from firefly_mcp.exchange.recorders import READERS, read_into
from firefly_mcp.jsonio import JSON, JsonObject, loads
from firefly_mcp.redact import Redactor
from firefly_mcp.redaction_rules import NO_RULES, RedactionRules
from firefly_mcp.store.intake import Intake
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import ToolKey

FORMS = ("cassette", "calls", *READERS)
_LOOKED_AT = 1 << 20


@dataclass
class Arrived:
    """What an import brought."""

    store: Path
    form: str
    sessions: int = 0
    calls: int = 0
    tools: int = 0
    same: int = 0
    """Sessions that the recording had already."""
    renamed: list[JsonObject] = field(default_factory=list)
    unanswered: int = 0
    redacted: dict[str, int] = field(default_factory=dict)
    mixed: list[str] = field(default_factory=list)
    """Servers of which some call lines name a session and some do not."""

    def to_json(self) -> JsonObject:
        """The shape of ``firefly import --json``."""
        told = {key: value for key, value in self.__dict__.items() if key != "form"}
        return {**told, "store": str(self.store), "format": self.form}


def bring(
    path: Path,
    store: Path,
    *,
    form: str = "auto",
    tools: Path | None = None,
    server: str | None = None,
    rules: RedactionRules = NO_RULES,
    variables: Mapping[str, str] = os.environ,
    tell: Callable[[int], None] = lambda count: None,
) -> Arrived:
    """Import one file.

    Args:
        path: the file.
        store: the recording; made where it is missing.
        form: one of :data:`FORMS`, or ``auto`` to see from the file.
        tools: tool definitions for ``calls``.
        server: what the server of another recorder's file is called.
        rules: redaction beside the built-in one. Cassettes come as they are: they were redacted when they were recorded.
        variables: where values of ``environment`` rules are.
        tell: called with the number of lines read, now and then.

    Raises:
        UsageError: the file is not of the form; nothing was imported.
        StoreError: the recording cannot be written.
    """
    form = form_of(path) if form == "auto" else form
    if tools is not None and form != "calls":
        raise UsageError(f"--tools goes with --format calls; {path} is a file of {form}")
    if server is not None and form not in READERS:
        raise UsageError(f"--server names the server of another recorder's file; {path} is a file of {form}")
    definitions: dict[ToolKey, JsonObject] = {} if tools is None else read_definitions(tools)
    arrived = Arrived(store, form)
    with landing(store) as arriving:
        recording = arriving.recording
        if form == "cassette":
            cassette.read_cassette(path, recording)
        else:
            redactor = Redactor(rules=rules, variables=variables)
            with Intake(recording, redactor) as intake:
                if form == "calls":
                    lines = CallLines(intake, path, definitions, tell)
                    lines.read()
                    arrived.mixed = lines.mixed
                else:
                    read_into(intake, path, form, server=server)
            arrived.redacted = dict(redactor.counts)
        arrived.sessions = _count(recording, "session")
        arrived.calls = _count(recording, "call")
        arrived.tools = _count(recording, "tool_snapshot")
        arrived.unanswered = _count(recording, "call WHERE status <> 'done'")
    if arriving.merged is not None:
        arrived.same = arriving.merged.same
        arrived.renamed = [{"key": one["key"], "to": one["to"]} for one in arriving.merged.renamed]
    return arrived


def form_of(path: Path) -> str:
    """See what a file is by what stands in it.

    Raises:
        UsageError: it is none of :data:`FORMS`.
    """
    for value in _beginning(path):
        if isinstance(value, dict):
            if cassette.MARK in value:
                return "cassette"
            if "format_version" in value and "messages" in value:
                return "mcp-cassette"
            if "version" in value and "interactions" in value:
                return "mcp-recorder"
            if {"dir", "msg"} <= value.keys():
                return "mcp-rec"
            if {"server", "tool"} <= value.keys():
                return "calls"
    raise UsageError(f"{path}: cannot be told what it is; name it with --format {'|'.join(FORMS)}")


def _beginning(path: Path) -> list[JSON]:
    """The first line, and where that is no JSON by itself the whole file."""
    try:
        with open_packed(path) as file:
            first = file.readline(_LOOKED_AT)
            while first and not first.strip():
                first = file.readline(_LOOKED_AT)
            try:
                return [loads(first)]
            except ValueError:
                file.seek(0)
                return [loads(file.read())]
    except (EOFError, zlib.error) as error:
        raise UsageError(f"{path}: cut off or damaged ({error}); nothing was imported") from error
    except OSError as error:
        why = "is a folder" if path.is_dir() else error.strerror or error
        raise UsageError(f"{path}: cannot be read ({why})") from error
    except ValueError:
        return []


def _count(recording: Recording, what: str) -> int:
    return int(str(recording.db.execute(f"SELECT count(*) FROM {what}").fetchall()[0][0]))
