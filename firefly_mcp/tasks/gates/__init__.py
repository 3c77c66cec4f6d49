"""The gates: each says of a task whether it is admitted, and why. Pure; the execution gate is in ``firefly_proxies``."""

from firefly_mcp.tasks.gates.bindings import binding_gate, evidence_gate
from firefly_mcp.tasks.gates.determinacy import determinacy_gate
from firefly_mcp.tasks.gates.grounds import Grounds
from firefly_mcp.tasks.gates.guesser import guessable
from firefly_mcp.tasks.gates.necessity import necessity_gate
from firefly_mcp.tasks.gates.observed import Observed, PlanBrokenError, observe
from firefly_mcp.tasks.gates.repeats import Repeats
from firefly_mcp.tasks.gates.shortcut import shortcut_gate
from firefly_mcp.tasks.gates.stability import stability_gate
from firefly_mcp.tasks.gates.wording import completeness_gate, leakage_gate

__all__ = [
    "Grounds",
    "Observed",
    "PlanBrokenError",
    "Repeats",
    "binding_gate",
    "completeness_gate",
    "determinacy_gate",
    "evidence_gate",
    "guessable",
    "leakage_gate",
    "necessity_gate",
    "observe",
    "shortcut_gate",
    "stability_gate",
]
