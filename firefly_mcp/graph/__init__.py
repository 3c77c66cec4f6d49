"""The tool graph: edges with evidence between tools, and the sub-DAGs that are drawn from it. Pure but for ``store``."""

from firefly_mcp.graph.build import build_graph
from firefly_mcp.graph.coverage import Coverage, coverage_of
from firefly_mcp.graph.fill import fillable, open_arguments
from firefly_mcp.graph.model import Edge, EdgeKey, ToolGraph
from firefly_mcp.graph.sampler import Mix, sample
from firefly_mcp.graph.score import score_of
from firefly_mcp.graph.subdag import Link, Node, SubDag

__all__ = [
    "Coverage",
    "Edge",
    "EdgeKey",
    "Link",
    "Mix",
    "Node",
    "SubDag",
    "ToolGraph",
    "build_graph",
    "coverage_of",
    "fillable",
    "open_arguments",
    "sample",
    "score_of",
]
