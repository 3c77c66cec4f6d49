"""Servers that draw the same random numbers and read the same time in every sandbox.

A server that makes up ids, or stamps what it keeps, never does the same thing twice: nothing that follows from such a call can
be observed a second time, and so nothing of it can be proven. Where the configuration says ``"firefly": {"deterministic":
true}``, its sandboxes replace what Python and Node take from outside: random numbers come of a stream that depends on the
server's name alone, and the clock stands at noon (UTC) of the day. The server itself runs as it is. Monotonic clocks go on, so
that timeouts do.

Programs in other languages, and random numbers that C code takes from the system by itself, are not reached.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SEED = "FIREFLY_DETERMINISTIC"
"""The variable that tells the two loaders which stream to take."""
_HERE = Path(__file__).parent


def wanted(settings: object) -> bool:
    """Whether a server's ``"firefly"`` key asks for it."""
    return isinstance(settings, Mapping) and settings.get("deterministic") is True


def variables(name: str, configured: Mapping[str, Any]) -> dict[str, str]:
    """What the environment of a server's child needs; ``configured`` variables of the same names are kept beside ours.

    Args:
        name: of the server: its stream of random numbers.
        configured: the environment that its configuration asks for.
    """
    path = [str(_HERE / "python"), *filter(None, [configured.get("PYTHONPATH")])]
    options = [*filter(None, [configured.get("NODE_OPTIONS")]), f'--require="{_HERE / "node" / "preload.cjs"}"']
    return {SEED: name, "PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(path), "NODE_OPTIONS": " ".join(options)}
