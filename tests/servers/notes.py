"""Notes with ids that the server makes up: what a read answers depends on the writes before it."""

from __future__ import annotations

import hashlib
import os
import pathlib
from typing import Any

import mcp.types as types
from _run import run
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("notes", instructions="Keeps short notes.")
_notes: dict[str, dict[str, Any]] = {}
_READ = types.ToolAnnotations(read_only_hint=True)


def _get(note_id: str) -> dict[str, Any]:
    if note_id not in _notes:
        raise ToolError(f"no note {note_id}")
    return _notes[note_id]


@server.tool()
def add_note(title: str, text: str = "", tags: list[str] | None = None) -> dict[str, Any]:
    """Add a note; the result holds its new id."""
    seed = f"{os.environ.get('NOTES_SEED', '')}{len(_notes)}{title}"
    note_id = f"note-{hashlib.sha256(seed.encode()).hexdigest()[:8]}"
    _notes[note_id] = {"id": note_id, "title": title, "text": text, "tags": tags or []}
    return _notes[note_id]


@server.tool(annotations=_READ)
def get_note(note_id: str) -> dict[str, Any]:
    """Read one note by its id."""
    return _get(note_id)


@server.tool(annotations=_READ)
def list_notes(tag: str | None = None) -> dict[str, Any]:
    """List the notes, all or those with a tag."""
    found = [note for note in _notes.values() if tag is None or tag in note["tags"]]
    return {"count": len(found), "notes": found}


@server.tool()
def delete_note(note_id: str) -> dict[str, Any]:
    """Delete one note by its id."""
    _get(note_id)
    del _notes[note_id]
    return {"deleted": note_id}


@server.tool(annotations=_READ)
def where() -> dict[str, Any]:
    """Say where this process lives, and which names of its environment look like keys."""
    names = [name for name in os.environ if "KEY" in name or "TOKEN" in name]
    return {"home": os.environ.get("HOME"), "cwd": str(pathlib.Path.cwd()), "pid": os.getpid(), "keys": sorted(names)}


@server.resource("notes://all")
def all_notes() -> str:
    """Every title, a line each."""
    return "\n".join(note["title"] for note in _notes.values())


@server.resource("notes://note/{note_id}")
def one_note(note_id: str) -> str:
    """The text of one note."""
    return str(_get(note_id)["text"])


@server.prompt()
def summarize(style: str = "short") -> str:
    """Ask for a summary of the notes."""
    return f"Write a {style} summary of: {', '.join(note['title'] for note in _notes.values()) or 'nothing'}"


@server.completion()  # type: ignore[no-untyped-call,untyped-decorator]
async def complete(ref: Any, argument: Any, context: Any) -> types.Completion:
    return types.Completion(values=[style for style in ("short", "shouted", "long") if style.startswith(argument.value)])


if __name__ == "__main__":
    run(server)
