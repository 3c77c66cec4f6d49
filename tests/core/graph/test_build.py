from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firefly_mcp.graph import ToolGraph, build_graph, score_of
from firefly_mcp.types import Call, Tool, ToolKey


def tool(server: str, name: str, arguments: dict[str, Any], returns: dict[str, Any] | None = None, **more: Any) -> Tool:
    definition: dict[str, Any] = {
        "name": name,
        "inputSchema": {"type": "object", "properties": arguments, "required": list(arguments)},
        **more,
    }
    if returns is not None:
        definition["outputSchema"] = {"type": "object", "properties": returns}
    return Tool(server, definition)


def edge(graph: ToolGraph, source: tuple[str, str], target: tuple[str, str], argument: str) -> Any:
    return graph.by_key.get((ToolKey(*source), ToolKey(*target), argument))


AIR = "tau2-airline"


def test_values_that_flowed_in_real_sessions_make_the_strongest_edges(real_graph: ToolGraph) -> None:
    found = edge(real_graph, (AIR, "get_user_details"), (AIR, "get_reservation_details"), "reservation_id")
    assert found.score > 0.9
    assert found.evidence["flow"]["count"] == 8
    assert found.evidence["flow"]["path"] == "$.parsed_content.reservations[*]"
    flowless = [one.score for one in real_graph.edges if "flow" not in one.evidence]
    assert max(flowless) < found.score


def test_rows_that_a_real_server_printed_feed_edges_by_their_fields(real_graph: ToolGraph) -> None:
    found = edge(real_graph, ("mcp-server-sqlite", "list_tables"), ("mcp-server-sqlite", "describe_table"), "table_name")
    assert found.evidence["flow"]["path"] == "$[*].name"


def test_nested_arguments_count_for_their_top_level_argument(real_graph: ToolGraph) -> None:
    memory = "@modelcontextprotocol/server-memory"
    assert edge(real_graph, (memory, "search_nodes"), (memory, "open_nodes"), "names").evidence["flow"]["at"] == "/names/*"


def test_no_tool_feeds_itself_and_every_end_of_an_edge_is_a_tool_with_that_argument(real_graph: ToolGraph) -> None:
    for one in real_graph.edges:
        assert one.source != one.target
        assert one.argument in real_graph.tools[one.target].input_schema["properties"]
        assert 0 < one.score <= 1


def test_the_same_recording_gives_the_same_graph_whatever_the_order_of_the_tools(
    real_tools: list[Tool], real_calls: list[Call], real_graph: ToolGraph
) -> None:
    assert build_graph(list(reversed(real_tools)), real_calls).to_json() == real_graph.to_json()


def test_replaying_nothing_but_failures_leaves_no_flow(real_tools: list[Tool], real_calls: list[Call]) -> None:
    failed = [replace(call, result={**(call.result or {}), "isError": True}, is_error=True) for call in real_calls]
    assert not any("flow" in one.evidence for one in build_graph(real_tools, failed).edges)


def test_a_value_that_every_answer_of_a_server_carries_has_a_high_false_flow_rate(make_call: Any) -> None:
    names = ["list", "read", "check", "close"]
    tools = [tool("shop", name, {"ticket": {"type": "string"}, "tenant": {"type": "string"}}) for name in names]
    calls = []
    for session in range(6):
        calls.append(make_call("list", {}, {"ticket": f"T-{session}8831", "tenant": "north-7741"}, session=session))
        for name in names[1:]:
            arguments = {"ticket": f"T-{session}8831", "tenant": "north-7741"}
            calls.append(make_call(name, arguments, {"tenant": "north-7741", "note": f"n{session}"}, session=session))
    graph = build_graph(tools, calls)
    ticket = edge(graph, ("shop", "list"), ("shop", "read"), "ticket").evidence["flow"]
    tenant = edge(graph, ("shop", "list"), ("shop", "read"), "tenant").evidence["flow"]
    assert ticket["count"] == tenant["count"] == 6
    assert tenant["false_rate"] > 2 * ticket["false_rate"]
    assert tenant["values"] == 1


def test_a_value_that_the_schema_itself_offers_shows_no_flow(make_call: Any) -> None:
    region = {"type": "string", "enum": ["north-7741", "south-1234"]}
    tools = [tool("shop", "list", {}), tool("shop", "open", {"region": region})]
    calls = [make_call("list", {}, {"region": "north-7741"}), make_call("open", {"region": "north-7741"}, {})]
    assert build_graph(tools, calls).edges == ()


def test_declared_output_fields_fit_arguments_by_name_and_type() -> None:
    tools = [
        tool(
            "air",
            "search_flights",
            {"city": {"type": "string"}},
            {"flights": {"type": "array", "items": {"$ref": "#/$defs/F"}}},
        ),
        tool("air", "book_flight", {"flight_id": {"type": "string"}}),
        tool("air", "list_pilots", {}, {"pilots": {"type": "array", "items": {"properties": {"id": {"type": "string"}}}}}),
    ]
    tools[0].definition["outputSchema"]["$defs"] = {"F": {"type": "object", "properties": {"id": {"type": "string"}}}}
    graph = build_graph(tools, [])
    found = edge(graph, ("air", "search_flights"), ("air", "book_flight"), "flight_id")
    assert found.evidence["schema"]["path"] == "$.flights[*].id"
    assert found.score > graph.score(ToolKey("air", "list_pilots"), ToolKey("air", "book_flight"), "flight_id")


def test_fields_inferred_from_results_serve_where_no_output_schema_is_declared(make_call: Any) -> None:
    tools = [tool("shop", "get_cart", {}), tool("shop", "pay", {"voucher_code": {"type": "string"}})]
    assert not any("schema" in one.evidence for one in build_graph(tools, []).edges)
    graph = build_graph(tools, [make_call("get_cart", {}, {"voucher_code": "V-8831"})])
    assert edge(graph, ("shop", "get_cart"), ("shop", "pay"), "voucher_code").evidence["schema"]["fit"] > 0.9


def test_the_part_that_a_thing_plays_in_a_call_does_not_hide_what_it_is() -> None:
    place = {"coordinates": {"type": "object", "properties": {"longitude": {"type": "number"}, "latitude": {"type": "number"}}}}
    tools = [
        tool("car", "find_place", {"query": {"type": "string"}}, place),
        tool("car", "rent", {"pick_up_longitude": {"type": "number"}, "dropOffLatitude": {"type": "number"}}),
    ]
    graph = build_graph(tools, [])
    for argument, field in (("pick_up_longitude", "longitude"), ("dropOffLatitude", "latitude")):
        found = edge(graph, ("car", "find_place"), ("car", "rent"), argument)
        assert found.evidence["schema"]["path"] == f"$.coordinates.{field}"
        assert found.evidence["schema"]["fit"] == 1.0


def test_values_passed_on_are_an_evidence_of_their_own_and_weaker(make_call: Any) -> None:
    ids = {"user": {"type": "string"}}
    tools = [tool("shop", "list", {}), tool("shop", "read", ids), tool("shop", "lock", ids)]
    calls = []
    for session in range(4):
        user = f"usr_{session}8831"
        calls.append(make_call("list", {}, {"users": [user]}, session=session))
        calls.append(make_call("read", {"user": user}, {"user": user, "age": 40 + session}, session=session))
        calls.append(make_call("lock", {"user": user}, {"done": True}, session=session))
    graph = build_graph(tools, calls)
    passed = edge(graph, ("shop", "read"), ("shop", "lock"), "user")
    assert "flow" not in passed.evidence
    assert passed.evidence["echo"]["count"] == 4
    assert passed.score < graph.score(ToolKey("shop", "list"), ToolKey("shop", "lock"), "user")


def test_any_embedder_can_compare_the_descriptions() -> None:
    tools = [
        tool("a", "lodging", {}, {"ref": {"type": "string"}}, description="Places to sleep."),
        tool("a", "weather", {}, {"sky": {"type": "string"}}, description="Rain or sun."),
        tool("a", "reserve", {"house": {"type": "string", "description": "Where to stay."}}),
    ]

    class ByTheme:
        def embed(self, texts: Sequence[str]) -> Any:
            sleep = [any(word in text for word in ("sleep", "stay")) for text in texts]
            return np.array([[1.0, 0.0] if one else [0.0, 1.0] for one in sleep], dtype=np.float32)

    graph = build_graph(tools, [], embedder=ByTheme())
    key = (ToolKey("a", "lodging"), ToolKey("a", "reserve"), "house")
    assert {one.key for one in graph.edges} == {key}
    assert graph.by_key[key].evidence["description"]["similarity"] == 1.0
    assert key not in build_graph(tools, []).by_key


def test_switches_and_knobs_are_not_fed() -> None:
    returns = {"verbose": {"type": "boolean"}, "limit": {"type": "integer"}, "unit": {"type": "string"}}
    target = Tool(
        "a",
        {
            "name": "convert",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "verbose": {"type": "boolean"},
                    "limit": {"type": "integer"},
                    "unit": {"anyOf": [{"enum": ["kg", "lb"]}, {"type": "null"}]},
                },
            },
        },
    )
    assert build_graph([tool("a", "settings", {}, returns), target], []).edges == ()


def test_a_schema_that_refers_to_itself_or_to_the_web_is_survived() -> None:
    node: dict[str, Any] = {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}, "token_id": {"type": "string"}}}
    odd = tool("a", "walk", {"start": {"$ref": "https://example.org/x.json"}, "ghost": {"$ref": "#/$defs/none"}})
    odd.definition["outputSchema"] = {"type": "object", "properties": {"root": {"$ref": "#/$defs/N"}}, "$defs": {"N": node}}
    graph = build_graph([odd, tool("a", "burn", {"token_id": {"type": "string"}})], [])
    assert edge(graph, ("a", "walk"), ("a", "burn"), "token_id") is not None


def test_a_judgement_moves_only_edges_that_are_candidates(
    real_tools: list[Tool], real_calls: list[Call], real_graph: ToolGraph
) -> None:
    weak = min(real_graph.edges, key=lambda one: one.score)
    unknown = (weak.target, weak.target, "nothing")
    judged = build_graph(real_tools, real_calls, judgements={weak.key: {"level": "high"}, unknown: {"level": "high"}})
    assert judged.by_key[weak.key].score > weak.score
    assert judged.by_key.keys() == real_graph.by_key.keys()


def test_no_tools_make_an_empty_graph() -> None:
    assert build_graph([], []).to_json() == {"nodes": [], "edges": []}


parts = st.fixed_dictionaries(
    {},
    optional={
        "flow": st.builds(lambda w, r: {"weight": w, "false_rate": r}, st.floats(0, 50), st.floats(0, 1)),
        "schema": st.builds(lambda f: {"fit": f}, st.floats(0, 1)),
        "description": st.builds(lambda s: {"similarity": s}, st.floats(0, 1)),
        "echo": st.builds(lambda w, r: {"weight": w, "false_rate": r}, st.floats(0, 50), st.floats(0, 1)),
        "judgement": st.builds(lambda level: {"level": level}, st.sampled_from(["high", "medium", "low"])),
    },
)


@given(parts, st.floats(0, 1), st.floats(0, 5))
def test_the_score_stays_in_range_and_never_falls_when_evidence_grows(
    evidence: dict[str, Any], more: float, flow: float
) -> None:
    score = score_of(evidence)
    assert 0 <= score < 1
    for kind, name, step in (
        ("schema", "fit", more),
        ("description", "similarity", more),
        ("flow", "weight", flow),
        ("echo", "weight", flow),
    ):
        known = evidence.get(kind, {"weight": 0.0, "false_rate": 0.0, name: 0.0})
        assert score_of({**evidence, kind: {**known, name: known[name] + step}}) >= score


def test_flows_dominate_all_other_evidence_together() -> None:
    others = score_of({"schema": {"fit": 1.0}, "description": {"similarity": 1.0}})
    assert score_of({"flow": {"weight": 3.0, "false_rate": 0.1}}) > others


def test_a_thousand_tools_are_built_without_a_loop_over_pairs() -> None:
    nouns = [f"{a}{b}" for a in ("order", "user", "cart", "flight", "seat") for b in ("", "group", "note", "plan", "rule")]
    tools = [
        tool(
            f"server{n % 40}", f"get_{noun}_{n}", {f"{noun}_id": {"type": "string"}}, {f"{nouns[n % 7]}_id": {"type": "string"}}
        )
        for n in range(1000)
        for noun in [nouns[n % len(nouns)]]
    ]
    graph = build_graph(tools, [])
    assert graph.edges
    per_argument = max(len(found) for found in graph.edges_into.values())
    assert per_argument <= 12


@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_a_graph_above_a_score_keeps_its_tools(real_graph: ToolGraph, score: float) -> None:
    kept = real_graph.above(score)
    assert kept.tools.keys() == real_graph.tools.keys()
    assert all(one.score >= score for one in kept.edges)
