"""Who decides an episode's calls: a named model, or a planner that is guided by what was learnt, or not guided at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from agents import Model
from firefly_agents.episodes import Episode, tour_length
from firefly_agents.offline.arguments import ArgumentPlanner
from firefly_agents.offline.memory import ValueMemory
from firefly_agents.offline.model import OfflineModel
from firefly_agents.offline.planner import EpisodePlanner
from firefly_agents.offline.slots import ToolInfo
from firefly_agents.offline.wanderer import Wanderer
from firefly_agents.sandboxes import settings_of
from firefly_agents.settings import ExploreSettings
from firefly_agents.tours import party
from firefly_agents.workshop import Workshop
from firefly_mcp.state.effects import EffectRelation
from firefly_mcp.types import Tool, ToolKey

MakeModel = Callable[[Mapping[ToolKey, Tool], Mapping[ToolKey, str]], Model]


class Guide:
    """Makes the models of sessions."""

    def __init__(self, workshop: Workshop, settings: ExploreSettings, memory: ValueMemory, named: Model | None) -> None:
        """Plan with one memory; ``named`` is the model that decides instead, if any."""
        self._settings = settings
        self._memory = memory
        self._named = named
        self._dictionary = {name: settings_of(spec).get("values", {}) for name, spec in workshop.specs.items()}
        self._files = workshop.files()

    def server(self, names: list[str], number: int) -> str:
        """The server of an unguided episode."""
        if self._settings.guidance == "round-robin":
            return names[number % len(names)]
        return Random(f"{self._settings.seed}/{number}/server").choice(names)

    def model_maker(self, episode: Episode, relation: EffectRelation) -> MakeModel:
        """What makes the model of one episode once its tools are known."""

        def make(tools: Mapping[ToolKey, Tool], names: Mapping[ToolKey, str]) -> Model:
            if self._named is not None:
                return self._named
            touring = episode.kind == "tour"
            needed = [step.tool for step in episode.steps]
            memory = self._memory.for_episode()
            taking_part = party(tools, episode.focus or needed, memory)
            infos = {
                key: ToolInfo(key, names[key], tools[key].description, tools[key].input_schema, tools[key].annotations)
                for key in tools
            }
            self._memory.known.update({key: [slot.name for slot in info.slots] for key, info in infos.items()})
            rng = episode.rng(self._settings.seed)
            if episode.kind == "wander":
                blind = self._settings.guidance == "blind"
                arguments = ArgumentPlanner(
                    ValueMemory() if blind else memory, self._dictionary, curious=True, files=self._files
                )
                in_turn = self._settings.guidance == "round-robin"
                return OfflineModel(Wanderer(infos, arguments, rng, length=episode.length, in_turn=in_turn, blind=blind), names)
            length = episode.length
            if touring and not episode.focus:
                length = min(length, tour_length(len(taking_part), self._settings.budget.calls))
            planner = EpisodePlanner(
                infos,
                ArgumentPlanner(memory, self._dictionary, curious=touring, files=self._files),
                rng,
                steps=episode.steps,
                length=length,
                repeats=(4 if episode.focus else 2) if touring else 1 + episode.length // 12,
                writes={key: relation.writes(key) for key in infos if key in relation.tools},
                retries=2 if touring else 1,
                cover=touring,
                focus=episode.focus,
                weighed=frozenset(taking_part),
            )
            return OfflineModel(planner, names)

        return make
