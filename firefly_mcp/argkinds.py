"""Argument kinds and the identity hash, under their short name; see :mod:`firefly_mcp.match`."""

from firefly_mcp.match.kinds import ArgumentKind, argument_kind
from firefly_mcp.match.plan import identity_hash

__all__ = ["ArgumentKind", "argument_kind", "identity_hash"]
