"""What an exploration reached, server by server, as a Markdown table: ``python -m benchmarks.explored --store F [--config C]``.

Several ``--store`` are counted together: a tool counts once, calls add up.
A call is successful when it is neither ``isError`` nor an error told in the text. Counted are all recorded calls that are
evidence: exploring sessions, their second observations, and probes.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from firefly_mcp.observe import is_success
from firefly_mcp.servers.config import load_servers
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import SessionKind, ToolKey


class Tally:
    """Counts over recordings."""

    def __init__(self) -> None:
        self.tools: set[ToolKey] = set()
        self.won: set[ToolKey] = set()
        self.calls: Counter[str] = Counter()
        self.good: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.servers: dict[str, None] = {}

    def add(self, recording: Recording) -> None:
        """Count one recording."""
        self.tools |= set(queries.tool_map(recording))
        self.servers.update(dict.fromkeys(queries.servers(recording)))
        self.kinds.update(session.kind for session in queries.sessions(recording))
        for call in queries.calls(recording, method="tools/call", evidence_only=True):
            self.calls[call.server] += 1
            if is_success(call):
                self.good[call.server] += 1
                self.won.add(call.key)

    def rows(self, servers: list[str]) -> list[tuple[str, int, int, int, int]]:
        """For each server: its name, tools, tools with a successful call, calls, successful calls."""
        tools = Counter(key.server for key in self.tools)
        won = Counter(key.server for key in self.won)
        return [(name, tools[name], won[name], self.calls[name], self.good[name]) for name in servers]


def main() -> None:
    """Print the table, and the sums above it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, action="append", required=True)
    parser.add_argument("--config", type=Path, help="the servers that were to be explored; without it those recorded")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    tally = Tally()
    for store in options.store:
        with Recording(store) as recording:
            tally.add(recording)
    rows = tally.rows(list(load_servers(options.config)) if options.config else list(tally.servers))
    sessions = {str(kind): tally.kinds[kind] for kind in (SessionKind.EXPLORE, SessionKind.CONFIRM, SessionKind.PROBE)}
    sums = {
        "servers": len(rows),
        "servers_with_success": sum(row[2] > 0 for row in rows),
        "tools": sum(row[1] for row in rows),
        "tools_with_success": sum(row[2] for row in rows),
        "calls": sum(row[3] for row in rows),
        "successful_calls": sum(row[4] for row in rows),
        "sessions": sessions,
    }
    if options.json:
        print(json.dumps({**sums, "by_server": rows}))
        return
    print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in sums.items() if name != "sessions"))
    print("sessions: " + ", ".join(f"{kind} {count}" for kind, count in sessions.items()))
    print("\n| server | tools | with a successful call | calls | successful |\n| --- | --: | --: | --: | --: |")
    for name, *counts in rows:
        print(f"| {name} | {' | '.join(map(str, counts))} |")


if __name__ == "__main__":
    main()
