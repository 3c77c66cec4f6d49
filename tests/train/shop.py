"""A small recorded shop: customers have orders, and an order's total is found through the customer's id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Binding, PlanNode, Proof, Source, Task, task_id
from firefly_mcp.types import params_of

PEOPLE = {
    "ada@example.org": ("cus-7719", "ord-30417", 41.5),
    "bo@example.org": ("cus-2086", "ord-58120", 19.25),
    "cleo@example.org": ("cus-5512", "ord-77031", 230.0),
    "dag@example.org": ("cus-9034", "ord-11964", 7.75),
}
TOOLS: list[dict[str, Any]] = [
    {
        "name": "find_customer",
        "description": "Find a customer by email.",
        "inputSchema": {
            "type": "object",
            "properties": {"email": {"type": "string"}, "hints": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
            "required": ["email"],
        },
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "list_orders",
        "description": "List a customer's orders.",
        "inputSchema": {"type": "object", "properties": {"customer": {"type": "string"}}, "required": ["customer"]},
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "list_hours",
        "description": "When the shop is open.",
        "inputSchema": {"type": "object", "properties": {}},
        "annotations": {"readOnlyHint": True},
    },
]


def answer(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What the shop answers."""
    if tool == "find_customer":
        value: dict[str, Any] = {"id": PEOPLE[arguments["email"]][0], "since": "2021"}
    elif tool == "list_orders":
        order = next(person for person in PEOPLE.values() if person[0] == arguments["customer"])
        value = {"orders": [{"id": order[1], "total": order[2]}]}
    else:
        value = {"opens": "09:00"}
    return {"content": [{"type": "text", "text": "see structured"}], "structuredContent": value}


def record(path: Path) -> Recording:
    """A recording in which everybody's orders were looked up once."""
    recording = Recording(path, create=True)
    recording.snapshot_tools("shop", TOOLS)
    for email, (customer, _, _) in PEOPLE.items():
        session = recording.begin_session("explore")
        initialize = {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "shop", "version": "1"},
        }
        session.connect("shop", initialize, origin="proven(shop)")
        for tool, arguments in (
            ("find_customer", {"email": email}),
            ("list_orders", {"customer": customer}),
            ("list_hours", {}),
        ):
            call = session.begin_call("shop", "tools/call", params_of(tool, arguments))
            session.end_call(call, result=answer(tool, arguments))
        session.end()
    return recording


def tasks(recording: Recording, *, held_out: int = 1) -> list[Task]:
    """One task for each person; the last ones are held out."""
    made = [_task(recording, email) for email in PEOPLE]
    return [task.model_copy(update={"split": "train" if at < len(made) - held_out else "test"}) for at, task in enumerate(made)]


def _task(recording: Recording, email: str) -> Task:
    request = f"What is the total of the order that {email} placed?"
    plan = [
        PlanNode(id="n1", server="shop", tool="find_customer", exposed_name="find_customer", arguments={"email": email}),
        PlanNode(
            id="n2",
            server="shop",
            tool="list_orders",
            exposed_name="list_orders",
            arguments={"customer": None},
            bindings=[Binding(argument="/customer", source="n1", select={"path": "$.id", "only": True})],
        ),
    ]
    evidence = {"total": Proof(node="n2", select={"path": "$.orders[*].total", "only": True})}
    return Task(
        id=task_id(request, plan, evidence),
        request=request,
        answer={"total": PEOPLE[email][2]},
        answer_schema={"type": "object", "properties": {"total": {"type": "number", "description": "the total"}}},
        plan=plan,
        evidence=evidence,
        tools=["list_hours", "find_customer", "list_orders"],
        difficulty="easy",
        servers=["shop"],
        now="2026-03-02",
        recording=Source(id=recording.id, digest=""),
    )
