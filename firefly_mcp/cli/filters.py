"""What the looking commands filter by; a name that is not in the recording is an error that says which are."""

from __future__ import annotations

from firefly_mcp.errors import UsageError
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import ToolKey


def check_server(recording: Recording, server: str | None) -> None:
    """Refuse a server that is not in the recording.

    Raises:
        UsageError: with the names that are.
    """
    names = [str(name) for (name,) in recording.db.execute("SELECT name FROM server ORDER BY id")]
    if server is not None and server not in names:
        raise UsageError(f"{recording.path}: no server named {server!r}; it has {', '.join(names) or 'none'}")


def check_tool(recording: Recording, server: str | None, tool: str | None) -> None:
    """Refuse a tool that was neither listed nor called.

    Raises:
        UsageError: with the names that were, or the command that tells them.
    """
    if tool is None:
        return
    rows = recording.db.execute(
        "SELECT v.name, t.name FROM tool_snapshot t JOIN server v ON v.id = t.server_id"
        " UNION SELECT v.name, c.tool FROM call c JOIN server v ON v.id = c.server_id WHERE c.tool IS NOT NULL"
    ).fetchall()
    names = sorted({str(name) for owner, name in rows if server in (None, owner)})
    if tool not in names:
        known = f"it has {', '.join(names) or 'none'}" if len(names) <= 20 else "'firefly tools' lists them"
        raise UsageError(f"{recording.path}: no tool named {tool!r}; {known}")


def session_id(recording: Recording, session: str | None) -> int | None:
    """The id of a session named by its id or its key (or the beginning of the key, if only one has it).

    Raises:
        UsageError: there is no such session, or several.
    """
    if session is None:
        return None
    rows = recording.db.execute(
        "SELECT id FROM session WHERE CAST(id AS TEXT) = ?1 OR key = ?1 ORDER BY key = ?1 DESC LIMIT 1", (session,)
    ).fetchall()
    if not rows and len(session) >= 4:
        rows = recording.db.execute("SELECT id FROM session WHERE substr(key, 1, ?) = ?", (len(session), session)).fetchall()
    if len(rows) != 1:
        many = "several sessions begin with" if rows else "no session"
        raise UsageError(f"{recording.path}: {many} {session!r}; 'firefly sessions' lists them")
    return int(str(rows[0][0]))


def tool_keys(recording: Recording, told: str) -> list[ToolKey]:
    """The tools that ``NAME`` or ``SERVER/NAME`` means, of those that were listed or called.

    Raises:
        UsageError: there is none.
    """
    rows = recording.db.execute(
        "SELECT v.name, t.name FROM tool_snapshot t JOIN server v ON v.id = t.server_id"
        " UNION SELECT v.name, c.tool FROM call c JOIN server v ON v.id = c.server_id WHERE c.tool IS NOT NULL ORDER BY 1, 2"
    )
    found = [key for server, tool in rows if told in (str(key := ToolKey(str(server), str(tool))), key.tool)]
    if not found:
        raise UsageError(f"{recording.path}: no tool named {told!r}; 'firefly tools' lists them")
    return found
