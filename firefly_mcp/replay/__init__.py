"""Replay: answers from a recording by an explicit ladder, in the right state, with provenance, or a declared miss."""

from firefly_mcp.replay.engine import Answer, Hit, Replay, ReplaySession
from firefly_mcp.replay.index import ReplayIndex
from firefly_mcp.replay.policy import ReplayPolicy

__all__ = ["Answer", "Hit", "Replay", "ReplayIndex", "ReplayPolicy", "ReplaySession"]
