"""What drafting needs to know of a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from firefly_mcp.servers.names import ExposedNames
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.tasks.asked import Asked
from firefly_mcp.tasks.distractors import Distractors
from firefly_mcp.tasks.fields import Offers
from firefly_mcp.types import Tool, ToolKey


@dataclass(frozen=True)
class Setting:
    """What drafting needs to know of the recording."""

    recording_id: str
    tools: Mapping[ToolKey, Tool]
    names: ExposedNames
    relation: EffectRelation
    offers: Offers
    distractors: Distractors
    asked: Asked = field(default_factory=Asked)


def names_of(tools: Mapping[ToolKey, Tool]) -> ExposedNames:
    """How replay of the whole recording exposes its tools."""
    return ExposedNames(tools, single=len({key.server for key in tools}) == 1)
