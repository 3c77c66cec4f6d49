"""Files of other recorders: mcp-cassette (JSON), mcp-recorder (JSON) and mcp-rec (JSON lines), as messages between two sides.

Read from the formats that mcp-cassette 0.4, mcp-recorder 0.5 and mcp-rec 0.1 write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from firefly_mcp.errors import UsageError
from firefly_mcp.exchange.call_lines import json_lines
from firefly_mcp.exchange.transcript import Said, Transcript, server_name
from firefly_mcp.jsonio import JSON, JsonObject, loads
from firefly_mcp.store.intake import Intake

_NEWEST_CASSETTE = 3
_RECORDER_MAJOR = "1"


def read_mcp_cassette(path: Path) -> Iterator[list[Said]]:
    """The one session of an mcp-cassette file (``format_version`` 1 to 3).

    Raises:
        UsageError: the file is not one.
    """
    document = _document(path, "mcp-cassette")
    version = document.get("format_version")
    if not isinstance(version, int) or not isinstance(document.get("messages"), list):
        raise UsageError(f"{path}: not an mcp-cassette file: it has no format_version and messages")
    if version > _NEWEST_CASSETTE:
        raise UsageError(f"{path}: mcp-cassette format {version} is newer than {_NEWEST_CASSETTE}, the newest known here")
    start = _seconds(document.get("recorded_at"), path)
    yield [
        Said(start + float(one.get("t_offset_ms") or 0) / 1000, one.get("sender") == "client", one["payload"])
        for one in document["messages"]
        if isinstance(one, dict) and isinstance(one.get("payload"), dict)
    ]


def read_mcp_recorder(path: Path) -> Iterator[list[Said]]:
    """The one session of an mcp-recorder file (``version`` 1.x).

    It keeps the first message of an event stream as the answer, whatever it is: a call whose answer was preceded by a
    notification comes without its answer.

    Raises:
        UsageError: the file is not one.
    """
    document = _document(path, "mcp-recorder")
    version = document.get("version")
    if not isinstance(version, str) or not isinstance(document.get("interactions"), list):
        raise UsageError(f"{path}: not an mcp-recorder file: it has no version and interactions")
    if version.split(".")[0] != _RECORDER_MAJOR:
        raise UsageError(f"{path}: mcp-recorder format {version} is not known here, only {_RECORDER_MAJOR}.x")
    at = _seconds((document.get("metadata") or {}).get("recorded_at"), path)
    said: list[Said] = []
    for one in document["interactions"]:
        if not isinstance(one, dict) or not isinstance(one.get("request"), dict):
            continue
        said.append(Said(at, True, one["request"]))
        at += float(one.get("latency_ms") or 0) / 1000
        if isinstance(one.get("response"), dict):
            said.append(Said(at, False, one["response"]))
    yield said


def read_mcp_rec(path: Path) -> Iterator[list[Said]]:
    """The sessions of an mcp-rec file: it appends to its file, and each ``initialize`` begins another session.

    Raises:
        UsageError: the file is not one.
    """
    session: list[Said] = []
    for number, line in json_lines(path):
        if not isinstance(line, dict) or line.get("dir") not in _DIRECTIONS or not isinstance(line.get("msg"), dict):
            raise UsageError(f"{path}:{number}: not a line of mcp-rec: it has no ts, dir and msg; nothing was imported")
        message = line["msg"]
        if message.get("_unparsed"):
            continue
        if message.get("method") == "initialize" and session:
            yield session
            session = []
        session.append(Said(float(line.get("ts") or 0.0), line["dir"] == _DIRECTIONS[0], message))
    if session:
        yield session


_DIRECTIONS = ("client->server", "server->client")

READERS: dict[str, Callable[[Path], Iterator[list[Said]]]] = {
    "mcp-cassette": read_mcp_cassette,
    "mcp-recorder": read_mcp_recorder,
    "mcp-rec": read_mcp_rec,
}


def read_into(intake: Intake, path: Path, form: str, *, server: str | None = None) -> int:
    """Take in a file of another recorder.

    Args:
        intake: where to.
        path: the file.
        form: the recorder, one of :data:`READERS`.
        server: the server's name; None for what it calls itself.

    Returns:
        How many sessions it held.

    Raises:
        UsageError: the file is not of that form, or holds no message.
    """
    # The same file is the same sessions: importing it twice adds nothing.
    digest = hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
    count = 0
    for messages in READERS[form](path):
        if not messages:
            continue
        count += 1
        name = server or server_name(messages, path.stem)
        transcript = Transcript(
            intake,
            f"{form}:{digest}:{count}",
            name,
            transport="" if form == "mcp-recorder" else "stdio",
            labels={"import": {"format": form, "file": path.name}},
        )
        transcript.tell(messages)
    if not count:
        raise UsageError(f"{path}: holds no messages")
    return count


def _document(path: Path, form: str) -> JsonObject:
    try:
        value: JSON = loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({'is a folder' if path.is_dir() else error.strerror})") from error
    except ValueError as error:
        raise UsageError(f"{path}: not JSON ({error}), so not an {form} file; nothing was imported") from None
    if not isinstance(value, dict):
        raise UsageError(f"{path}: not an {form} file: not a JSON object")
    return value


def _seconds(told: Any, path: Path) -> float:
    try:
        moment = datetime.fromisoformat(str(told))
    except ValueError:
        raise UsageError(f"{path}: recorded_at is no time: {told!r}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
