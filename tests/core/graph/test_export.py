from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import networkx as nx
import pytest

from firefly_mcp.graph import Edge, ToolGraph
from firefly_mcp.graph.export import FORMATS, to_dot, to_graphml, to_html, to_json, to_mermaid
from firefly_mcp.types import Tool, ToolKey

HOSTILE = '</script><script>alert("x")</script>\x01\u2028]] --> " end\n%%'


@pytest.fixture
def hostile() -> ToolGraph:
    tools = [Tool(HOSTILE, {"name": HOSTILE, "description": HOSTILE}), Tool("plain", {"name": "read"})]
    return ToolGraph(
        tools, [Edge(ToolKey("plain", "read"), ToolKey(HOSTILE, HOSTILE), HOSTILE, 0.5, {"flow": {"path": HOSTILE}})]
    )


def test_json_has_nodes_and_edges_with_score_and_evidence(real_graph: ToolGraph) -> None:
    document = json.loads(to_json(real_graph))
    assert {"server", "tool"} == document["nodes"][0].keys()
    assert {"source", "target", "argument", "score", "evidence"} == document["edges"][0].keys()
    assert len(document["edges"]) == len(real_graph)


def test_graphml_is_read_back_with_every_edge(real_graph: ToolGraph, hostile: ToolGraph) -> None:
    for graph in (real_graph, hostile):
        read = nx.read_graphml(io.BytesIO(to_graphml(graph).encode()), force_multigraph=True)
        assert read.number_of_nodes() == len(graph.tools)
        assert sorted(data["score"] for *_, data in read.edges(data=True)) == sorted(edge.score for edge in graph.edges)


class _Scripts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [value for name, value in attrs if name in ("src", "href") and value]


def test_the_page_is_self_contained_and_what_servers_wrote_cannot_leave_its_data(hostile: ToolGraph) -> None:
    page = to_html(hostile)
    parser = _Scripts()
    parser.feed(page)
    assert parser.tags.count("script") == 2
    assert parser.outside == []
    embedded = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert embedded is not None
    assert json.loads(embedded.group(1))["nodes"][0]["tool"] in (HOSTILE, "read")
    assert "innerHTML" not in page


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_script_of_the_page_is_valid(hostile: ToolGraph) -> None:
    script = to_html(hostile).rsplit("<script>", 1)[1].split("</script>")[0]
    subprocess.run(["node", "--check", "-"], input=script.encode(), check=True, timeout=30)


def test_dot_and_mermaid_keep_names_inside_their_quotes(hostile: ToolGraph) -> None:
    dot = to_dot(hostile)
    assert len(dot.splitlines()) == 13
    assert all(line.count('"') - line.count('\\"') in (0, 2) for line in dot.splitlines())
    mermaid = to_mermaid(hostile)
    assert len(mermaid.splitlines()) == 8
    assert all(line.count('"') in (0, 2) for line in mermaid.splitlines())


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_format_writes_an_empty_graph(form: str) -> None:
    assert FORMATS[form](ToolGraph([], []))
