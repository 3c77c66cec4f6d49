"""Where two sessions began is proven by the answers before they went different ways."""

from __future__ import annotations

import dataclasses

from firefly_agents.confirm import began_alike
from firefly_mcp.canonical import call_hash
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.types import Call, Tool, ToolKey, params_of

TOOLS = {ToolKey("s", name): Tool("s", {"name": name}) for name in ("list_notes", "add_note", "delete_note")}
RELATION = EffectRelation(TOOLS)


def call(seq: int, tool: str, result: str) -> Call:
    params = params_of(tool, {"n": seq})
    return Call(
        id=seq,
        session=1,
        seq=seq,
        server="s",
        method="tools/call",
        tool=tool,
        params=params,
        args_hash=call_hash("tools/call", params),
        result=None,
        result_hash=result,
        error=None,
        is_error=False,
        status="done",
        started_at=0.0,
        duration_ms=1.0,
        overlaps=0,
    )


def pairs(*steps: tuple[str, str, str]) -> list[tuple[Call, Call]]:
    """``(tool, first result, second result)`` each."""
    made = [call(seq, tool, first) for seq, (tool, first, _) in enumerate(steps, 1)]
    return [(one, dataclasses.replace(one, result_hash=second)) for one, (_, _, second) in zip(made, steps, strict=True)]


def test_equal_answers_throughout_prove_the_beginning() -> None:
    assert began_alike(pairs(("list_notes", "a", "a"), ("add_note", "b", "b"), ("list_notes", "c", "c")), RELATION)


def test_a_made_up_id_ends_the_comparison_and_a_read_before_it_proves_the_beginning() -> None:
    assert began_alike(pairs(("list_notes", "a", "a"), ("add_note", "id1", "id2"), ("list_notes", "c", "d")), RELATION)


def test_a_made_up_id_with_no_read_before_it_proves_nothing() -> None:
    assert not began_alike(pairs(("add_note", "id1", "id2"), ("list_notes", "c", "d")), RELATION)


def test_a_read_of_state_that_differs_at_once_disproves_the_beginning() -> None:
    assert not began_alike(pairs(("list_notes", "a", "b"), ("add_note", "c", "c")), RELATION)


def test_nothing_compared_proves_nothing() -> None:
    assert not began_alike([], RELATION)
