"""Everything that is to be told of a data set, looked up once: for its card, its page and ``firefly tasks figures``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from firefly_mcp.dataset.contamination import Contamination, contamination
from firefly_mcp.dataset.division import families_of
from firefly_mcp.dataset.families import Families
from firefly_mcp.dataset.figures import Figures, figures_of
from firefly_mcp.dataset.sources import ServerSource, sources_of
from firefly_mcp.dataset.traits import traits_of
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.replay import ReplayPolicy
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task
from firefly_mcp.tasks.neighbours import off_plan
from firefly_mcp.tasks.proof import strict_replay
from firefly_mcp.tasks.sameness import frame_shares

FRAMES = 10
OFF_PLAN_SEED = 1
"""Another one than that by which neighbours are recorded: what is measured was not drawn before."""


@dataclass(frozen=True)
class Survey:
    """What a data set is like.

    Attributes:
        figures: counts and shares.
        servers: where it comes from.
        contamination: what its splits share.
        families: of its servers.
        frames: the most frequent wordings, with the share of the tasks that have them.
        off_plan: how often replay has no answer for a call beside a plan.
    """

    figures: Figures
    servers: list[ServerSource]
    contamination: Contamination
    families: Families
    frames: list[tuple[str, float]]
    off_plan: JsonObject

    def to_json(self) -> JsonObject:
        """The shape of ``firefly tasks figures --json``."""
        return {
            **self.figures.to_json(),
            **self.off_plan,
            "contamination": self.contamination.to_json(),
            "frames": [{"frame": frame, "share": round(share, 4)} for frame, share in self.frames],
            "sources": [{name: getattr(one, name) for name in ServerSource.__slots__} for one in self.servers],
        }


def survey(tasks: Sequence[Task], recording: Recording, *, briefly: bool = False) -> Survey:
    """Look a data set over; ``briefly`` leaves wording and calls beside plans out, which take most of the time.

    Raises:
        TaskError: a task does not belong to the recording.
    """
    replay, families = strict_replay(recording), families_of(recording)
    found = contamination(traits_of(tasks, replay, families), {task.id: task.split for task in tasks})
    beside: JsonObject = {}
    frames: list[tuple[str, float]] = []
    if not briefly:
        beside = off_plan(tasks, recording, seed=OFF_PLAN_SEED, strict=replay, policy=ReplayPolicy()).to_json()
        frames = frame_shares(tasks, replay.index.tools)[:FRAMES]
    return Survey(figures_of(tasks, replay), sources_of(tasks, recording), found, families, frames, beside)
