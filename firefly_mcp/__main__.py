"""``python -m firefly_mcp``: the same as the ``firefly`` command."""

from __future__ import annotations

import sys

from firefly_mcp.cli import main

if __name__ == "__main__":
    sys.exit(main())
