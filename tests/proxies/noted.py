"""A recorded keeper of notes, whose reads depend on the writes before them, and a task for each of its titles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Binding, PlanNode, Proof, Source, Task, task_id
from firefly_mcp.types import params_of

TITLES = {"winter rye": "note-8e3a7392", "spring oats": "note-b3dcd9da", "summer wheat": "note-9c78d4e7"}
_READ = {"readOnlyHint": True}
TOOLS: dict[str, list[dict[str, Any]]] = {
    "notes": [
        {
            "name": "add_note",
            "description": "Add a note; the result holds its new id.",
            "inputSchema": {
                "type": "object",
                "properties": {"title": {"type": "string"}, "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}}},
                "required": ["title"],
                "$defs": {"tag": {"type": "string", "maxLength": 9}},
            },
            "outputSchema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
        },
        {
            "name": "list_notes",
            "description": "List the notes.",
            "inputSchema": {"type": "object", "properties": {}},
            "annotations": _READ,
        },
        {
            "name": "get_note",
            "title": "Read one note",
            "inputSchema": {"type": "object", "properties": {"note_id": {"type": "string"}}, "required": ["note_id"]},
            "annotations": _READ,
        },
    ],
    "calc": [
        {
            "name": "add",
            "description": "Add two numbers.",
            "inputSchema": {
                "type": "object",
                "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
                "required": ["a", "b"],
            },
            "annotations": _READ,
        }
    ],
}


def record(path: Path) -> None:
    """One session for each title: a note is added, listed and read."""
    with Recording(path, create=True) as recording:
        for server, tools in TOOLS.items():
            recording.snapshot_tools(server, tools)
        for title, note_id in TITLES.items():
            note = {"id": note_id, "title": title}
            session = recording.begin_session("explore")
            for server in TOOLS:
                hello = {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": server, "version": "1"},
                }
                session.connect(server, hello, origin=f"proven({server})")
            for server, tool, arguments, value in (
                ("notes", "add_note", {"title": title}, note),
                ("notes", "list_notes", {}, {"count": 1, "notes": [note]}),
                ("notes", "get_note", {"note_id": note_id}, note),
                ("calc", "add", {"a": 1, "b": 2}, {"value": 3}),
            ):
                call = session.begin_call(server, "tools/call", params_of(tool, arguments))
                told = {"content": [{"type": "text", "text": "see structured"}], "structuredContent": value}
                session.end_call(call, result=told)
            session.end()


def tasks(recording: Recording) -> list[Task]:
    """Add a note, and say how many there are and what its id is: right only where nobody else has added one."""
    return [_task(recording, title) for title in TITLES]


def solution(recording: Recording, title: str) -> dict[str, Any]:
    """The answer to the task of a title, from the recording."""
    for call in queries.calls(recording, evidence_only=True):
        if call.tool == "list_notes" and call.result is not None:
            listed: dict[str, Any] = call.result["structuredContent"]
            if listed["notes"][0]["title"] == title:
                return {"count": listed["count"], "note_id": listed["notes"][0]["id"]}
    raise AssertionError(title)


def _task(recording: Recording, title: str) -> Task:
    request = f'Add a note titled "{title}", list the notes, and give their count and the id of the note.'
    plan = [
        PlanNode(
            id="n1", server="notes", tool="add_note", exposed_name="notes_add_note", arguments={"title": title}, bindings=[]
        ),
        PlanNode(id="n2", server="notes", tool="list_notes", exposed_name="notes_list_notes", arguments={}),
        PlanNode(
            id="n3",
            server="notes",
            tool="get_note",
            exposed_name="notes_get_note",
            arguments={"note_id": None},
            bindings=[Binding(argument="/note_id", source="n1", select={"path": "$.id", "only": True})],
        ),
    ]
    evidence = {
        "count": Proof(node="n2", select={"path": "$.count", "only": True}),
        "note_id": Proof(node="n3", select={"path": "$.id", "only": True}),
    }
    return Task(
        id=task_id(request, plan, evidence),
        request=request,
        answer=solution(recording, title),
        answer_schema={
            "type": "object",
            "properties": {"count": {"type": "integer"}, "note_id": {"type": "string"}},
            "required": ["count", "note_id"],
            "additionalProperties": False,
        },
        plan=plan,
        evidence=evidence,
        tools=["calc_add", "notes_add_note", "notes_get_note", "notes_list_notes"],
        difficulty="medium",
        servers=["notes"],
        now="2026-11-26",
        recording=Source(id=recording.id, digest=""),
    )
