"""The tool graph against written data flow, and how long it takes to build. One command, nothing to prepare.

python -m benchmarks.graph [--seeds N] [--tools 1000 10000] [--json FILE] [--fit]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import graph_edges, graph_flow, graph_scale
from benchmarks.booking import load
from firefly_mcp.graph.score import FITTED
from firefly_mcp.graph.similarity import Embeds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="Splits of the requests; the first is that of the coefficients.")
    parser.add_argument("--tools", type=int, nargs="*", default=[1000, 10000], help="Sizes of the made-up tool spaces.")
    parser.add_argument("--json", type=Path, help="Write the figures here as well.")
    parser.add_argument("--fit", action="store_true", help="Only fit the coefficients on the first half, and print them.")
    options = parser.parse_args()
    data = load()
    if options.fit:
        print(graph_edges.fit(data))
        return 0
    report: dict[str, Any] = {
        "machine": {"cpus": os.cpu_count(), "load": os.getloadavg(), "python": platform.python_version()},
        "flows": graph_flow.measure(data),
    }
    _tell_flows(report["flows"])
    embedders = _embedders()
    report["edges"] = []
    for seed in range(options.seeds):
        # The coefficients of the package were fitted on the first split; elsewhere they would have seen the test half.
        fitted = FITTED if seed == 0 else graph_edges.fit(data, seed=seed)
        found = graph_edges.measure(data, seed=seed, fitted=fitted, embedders=embedders)
        report["edges"].append({**found, "coefficients": asdict(fitted)})
        _tell_edges(found)
    report["build"] = [graph_scale.measured(count) for count in options.tools]
    for row in report["build"]:
        print("{tools} tools of {servers} servers: {edges} edges, {cpu_s} s CPU, {wall_s} s, {peak_mib} MiB".format(**row))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def _embedders() -> dict[str, Embeds]:
    """The embedders that are installed: the built-in one, and MiniLM where its package is."""
    if find_spec("firefly_mcp.embed") is None:
        return {}
    from firefly_mcp.embed.named import local_embedder
    from firefly_mcp.errors import FireflyError

    found: dict[str, Embeds] = {}
    for name in ("hashing", "minilm"):
        try:
            found[name] = local_embedder(name)
        except FireflyError as trouble:
            print(f"embedder left out: {trouble}", file=sys.stderr)
    return found


def _tell_flows(found: dict[str, Any]) -> None:
    print(f"written references {found['references']}, flows {found['flows']}, passed on {found['passed_on']}")
    print(f"recall {found['recall']:.4f} (first sources alone {found['recall_of_first_sources']:.4f})")
    print(f"false-flow rate {found['false_rate']['all_calls']:.4f} (within each tool {found['false_rate']['within_tool']:.4f})")
    print(f"precision {found['precision']} on {found['labelled']} labelled flows ({found['unlabelled']} drawn without a label)")


def _tell_edges(found: dict[str, Any]) -> None:
    print(f"split {found['seed']}: {found['edges']}, {found['unseen_before']} written edges that the other half does not show")
    for name, row in found["average_precision"].items():
        print(f"  {name:24} {row['written']:.3f} {row['written or seen']:.3f}")


if __name__ == "__main__":
    sys.exit(main())
