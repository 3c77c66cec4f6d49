from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firefly_mcp.errors import UsageError
from firefly_mcp.graph import Coverage, Edge, Mix, SubDag, ToolGraph, coverage_of, open_arguments, sample
from firefly_mcp.graph.sampler import MIN_SCORE
from firefly_mcp.graph.subdag import shape_of
from firefly_mcp.types import Call, Tool, ToolKey


def web(servers: int = 3, tools: int = 8, *, arguments: int = 3) -> ToolGraph:
    """Each tool feeds the next three of its server, and the first of each server the second of the next server."""
    listed, edges = [], []
    for s in range(servers):
        for t in range(tools):
            properties = {f"ref{n}_id": {"type": "string"} for n in range(arguments)}
            listed.append(Tool(f"s{s}", {"name": f"t{t}", "inputSchema": {"type": "object", "properties": properties}}))
            for n in range(1, arguments + 1):
                if t + n < tools:
                    edges.append(
                        Edge(ToolKey(f"s{s}", f"t{t}"), ToolKey(f"s{s}", f"t{t + n}"), f"ref{n - 1}_id", 0.9 - 0.1 * n)
                    )
        edges.append(Edge(ToolKey(f"s{s}", "t0"), ToolKey(f"s{(s + 1) % servers}", "t1"), "ref1_id", 0.5))
    return ToolGraph(listed, edges)


def check(dag: SubDag, graph: ToolGraph) -> None:
    keys = {node.id: node.key for node in dag.nodes}
    assert len(set(keys.values())) == len(dag.nodes)
    assert 1 <= len(dag.nodes) <= 10
    drawn = nx.DiGraph([(link.source, link.target) for link in dag.links])
    drawn.add_nodes_from(keys)
    assert nx.is_directed_acyclic_graph(drawn)
    assert nx.is_weakly_connected(drawn)
    order = {node.id: number for number, node in enumerate(dag.nodes)}
    assert all(order[link.source] < order[link.target] for link in dag.links)
    for link in dag.links:
        assert (keys[link.source], keys[link.target], link.argument) in graph.by_key
    fed = {(edge.target, edge.argument) for edge in graph.edges}
    for node in dag.nodes:
        given_ = {link.argument for link in dag.links if link.target == node.id}
        for name in open_arguments(graph.tools[node.key]):
            assert name in given_ or (node.key, name) not in fed
    assert dag.shape == shape_of(list(keys.values()), {(keys[link.source], keys[link.target]) for link in dag.links})


@settings(max_examples=30)
@given(st.integers(), st.integers(1, 10), st.integers(0, 9), st.floats(0, 1))
def test_every_sub_dag_is_connected_acyclic_ordered_and_callable(seed: int, low: int, extra: int, cross: float) -> None:
    graph = web()
    for dag in sample(graph, 8, seed=seed, mix=Mix(size=(low, min(10, low + extra)), cross_server=cross)):
        check(dag, graph)


def test_the_sub_dags_of_a_real_recording_hold_the_same(real_graph: ToolGraph) -> None:
    strong = real_graph.above(MIN_SCORE)
    for dag in sample(real_graph, 60, seed=3):
        check(dag, strong)


def test_the_same_seed_draws_the_same_bytes_and_another_seed_others(real_graph: ToolGraph) -> None:
    def drawn(seed: int) -> str:
        return json.dumps([dag.to_json() for dag in sample(real_graph, 25, seed=seed)])

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


def test_every_process_draws_the_same_bytes_whatever_its_hash_seed(real_recording: Path) -> None:
    argv = [
        sys.executable,
        "-m",
        "firefly_mcp",
        "sample",
        "--store",
        str(real_recording),
        "--count",
        "30",
        "--seed",
        "11",
        "--json",
    ]
    drawn = [
        subprocess.run(argv, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True, timeout=50).stdout
        for seed in ("1", "2")
    ]
    assert drawn[0] == drawn[1]
    assert len(json.loads(drawn[0])) == 30


@pytest.mark.parametrize("shape", ["single", "chain", "fan_out", "fan_in", "diamond"])
def test_a_mix_of_one_shape_gives_that_shape(shape: str) -> None:
    dags = sample(web(4, 8), 20, seed=1, mix=Mix(shapes={shape: 1.0}, cross_server=0.0))
    assert Counter(dag.shape for dag in dags)[shape] >= 18


def test_a_share_of_one_or_none_makes_all_or_no_sub_dags_cross_servers() -> None:
    def crossing(share: float) -> int:
        dags = sample(web(), 15, seed=2, mix=Mix(shapes={"chain": 1.0}, size=(2, 4), cross_server=share))
        return sum(len({node.key.server for node in dag.nodes}) > 1 for dag in dags)

    assert crossing(0.0) == 0
    assert crossing(1.0) == 15


def test_what_is_not_covered_comes_first_and_replay_misses_before_that() -> None:
    graph = web(2, 6)
    coverage = Coverage()
    coverage.tools.update(dict.fromkeys(graph.tools, 5))
    coverage.tools[ToolKey("s1", "t4")] = 0
    (dag,) = sample(graph, 1, mix=Mix(shapes={"single": 1}), coverage=coverage)
    assert dag.nodes[0].key == ToolKey("s1", "t4")
    coverage.misses[ToolKey("s0", "t2")] = 9
    (dag,) = sample(graph, 1, mix=Mix(shapes={"single": 1}), coverage=coverage)
    assert dag.nodes[0].key == ToolKey("s0", "t2")


def test_drawing_on_covers_every_tool_before_any_tool_starts_twice() -> None:
    graph = web(3, 5)
    dags = sample(graph, 15, seed=4, mix=Mix(shapes={"single": 1}))
    assert Counter(dag.nodes[0].key for dag in dags) == Counter(graph.tools.keys())


def test_servers_take_turns_however_many_tools_one_of_them_has() -> None:
    big, small = web(1, 40), web(2, 3)
    tools = [replace(tool, server="big") for tool in big.tools.values()] + list(small.tools.values())
    dags = sample(ToolGraph(tools, []), 12, seed=5, mix=Mix(shapes={"single": 1}))
    assert Counter(node.key.server for dag in dags for node in dag.nodes)["big"] <= 8


def test_a_server_mix_says_where_sub_dags_start_and_leaves_the_others_out() -> None:
    dags = sample(web(4, 8), 40, seed=6, mix=Mix(servers={"s0": 3.0, "s2": 1.0, "s3": 0.0}, cross_server=0.0))
    used = Counter(dag.nodes[0].key.server for dag in dags)
    assert used.keys() == {"s0", "s2"}
    assert used["s0"] > used["s2"]
    across = sample(web(4, 8), 10, seed=6, mix=Mix(shapes={"chain": 1}, servers={"s0": 1.0, "s1": 1.0}, cross_server=1.0))
    assert {node.key.server for dag in across for node in dag.nodes} == {"s0", "s1"}


def test_a_tool_whose_id_must_come_from_another_brings_that_other_along() -> None:
    needy = Tool("a", {"name": "get", "inputSchema": {"properties": {"user_id": {"type": "string"}}, "required": ["user_id"]}})
    graph = ToolGraph(
        [needy, Tool("a", {"name": "list"}), Tool("a", {"name": "mail"})],
        [
            Edge(ToolKey("a", "list"), needy.key, "user_id", 0.6),
            Edge(needy.key, ToolKey("a", "mail"), "to", 0.6),
        ],
    )
    for dag in sample(graph, 12, seed=6):
        names = [node.key.tool for node in dag.nodes]
        assert "get" not in names or names.index("list") < names.index("get")


def test_a_graph_without_edges_gives_single_calls_and_without_tools_nothing() -> None:
    tools = [Tool("a", {"name": f"t{n}"}) for n in range(3)]
    assert [dag.shape for dag in sample(ToolGraph(tools, []), 4)] == ["single"] * 4
    assert sample(ToolGraph([], []), 4) == []


def test_a_mix_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="nowhere"):
        sample(web(), 3, mix=Mix(servers={"nowhere": 1.0}))
    for wrong in (
        {"shapes": {"star": 1.0}},
        {"size": (0, 3)},
        {"size": (5, 2)},
        {"size": (1, 11)},
        {"shapes": {"chain": 0.0}},
        {"servers": {"a": 0.0}},
    ):
        with pytest.raises(UsageError):
            Mix(**wrong)


@pytest.mark.parametrize(
    ("pairs", "shape"),
    [
        ("", "single"),
        ("ab bc cd", "chain"),
        ("ab ac ad", "fan_out"),
        ("ad bd cd", "fan_in"),
        ("ab ac bd cd", "diamond"),
        ("ab ac ad be ce de", "diamond"),
        ("ab ac bd cd ad", "mixed"),
        ("ab ac bd", "mixed"),
    ],
)
def test_the_shape_told_is_the_shape_that_is(pairs: str, shape: str) -> None:
    arrows = {(ToolKey("s", pair[0]), ToolKey("s", pair[1])) for pair in pairs.split()}
    tools = sorted({key for arrow in arrows for key in arrow}) or [ToolKey("s", "a")]
    assert shape_of(tools, arrows) == shape


def test_coverage_counts_successful_calls_flows_and_misses(real_calls: list[Call]) -> None:
    miss = ToolKey("tau2-airline", "calculate")
    coverage = coverage_of(real_calls, [miss, miss])
    key: Any = ToolKey("tau2-airline", "get_reservation_details")
    assert coverage.tools[key] == sum(call.key == key for call in real_calls)
    assert coverage.edges[ToolKey("tau2-airline", "get_user_details"), key, "reservation_id"] == 8
    assert coverage.level(miss) == -2


def test_who_only_passes_values_on_is_no_beginning_of_a_plan() -> None:
    read, lock, users = ToolKey("a", "read"), ToolKey("a", "lock"), ToolKey("a", "list")
    tools = [
        Tool(key.server, {"name": key.tool, "inputSchema": {"properties": {"user_id": {"type": "string"}}}})
        for key in (read, lock, users)
    ]
    echo = Edge(read, lock, "user_id", 0.5, {"echo": {"weight": 1.0}})
    flow = Edge(users, lock, "user_id", 0.5, {"flow": {"weight": 1.0}, "echo": {"weight": 1.0}})
    dags = sample(ToolGraph(tools, [echo, flow]), 20, seed=1, mix=Mix(shapes={"chain": 1.0}))
    walked = {(dag.nodes[0].key, dag.nodes[1].key) for dag in dags if dag.links}
    assert walked == {(users, lock)}
