"""Where and when a benchmark's figures were taken."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from typing import Any


def machine() -> dict[str, Any]:
    """Its cores, its load now, and Python's version."""
    return {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1), "python": platform.python_version()}


def today() -> str:
    """The date, of UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%d")
