"""The servers that come with Firefly: small third-party packages that start in a second and work with no network.

``bundled.json`` is an ordinary ``mcpServers`` file. Each package is pinned; ``uvx`` and ``npx`` install it on its first start.
A server's ``"firefly"`` key, which clients ignore, says what exploring it needs: ``seed`` (files for its working folder),
``values`` (samples for arguments that nobody could guess: identifiers that live in the server's own data) and ``stateless``
(true where no tool changes what another answers, though the tools' names do not show it).
"""

from __future__ import annotations

from pathlib import Path

from firefly_mcp.servers.config import ServerSpec, load_servers

_HERE = Path(__file__).parent


def bundled_path() -> Path:
    """The ``mcpServers`` file of the bundled servers."""
    return _HERE / "bundled.json"


def bundled_servers() -> dict[str, ServerSpec]:
    """The bundled servers by name, ``${WORKDIR}`` not yet filled in."""
    return load_servers(bundled_path())


def seed_folder() -> Path:
    """The folder that a server's ``"firefly": {"seed": [...]}`` is relative to: files copied into each fresh sandbox."""
    return _HERE / "seed"
