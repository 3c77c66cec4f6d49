"""Normalization of arguments, under its short name; see :mod:`firefly_mcp.match`."""

from firefly_mcp.match.comparers import RULE_NAMES as RULES
from firefly_mcp.match.plan import match_hashes, normalize, normalized_hash

__all__ = ["RULES", "match_hashes", "normalize", "normalized_hash"]
