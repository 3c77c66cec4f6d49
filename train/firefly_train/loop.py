"""The agent loop: verl's own tool loop, with one replay session for each trajectory, and an end when the answer is in."""

from __future__ import annotations

from typing import Any

from verl.experimental.agent_loop.agent_loop import AgentLoopOutput
from verl.experimental.agent_loop.tool_agent_loop import AgentData, AgentState, ToolAgentLoop

from firefly_mcp.tasks.answering import ANSWER_TOOL
from firefly_train.connection import Connections
from firefly_train.plugged import ATTEMPT, ROLLOUT
from firefly_train.reward import compute_score
from firefly_train.trajectory import Trajectory, append_line


class ReplayAgentLoop(ToolAgentLoop):  # type: ignore[misc]
    """Runs one trajectory; verl makes one for each."""

    def __init__(self, *args: Any, url: str, **kwargs: Any) -> None:
        """Take verl's arguments, and ``url``: where the replay proxy answers."""
        super().__init__(*args, **kwargs)
        self._url = url
        self._trajectory = Trajectory()

    async def run(self, sampling_params: dict[str, Any], **kwargs: Any) -> AgentLoopOutput:
        """Run the row, count what replay said, and append the trajectory to the run's log."""
        trajectory = self._trajectory
        if self.rollout_config.get("name") == ROLLOUT:
            sampling_params = {**sampling_params, ATTEMPT: kwargs.get("session_id")}
        async with Connections.to(self._url).trajectory() as connection:
            self._connection = connection
            output: AgentLoopOutput = await super().run(sampling_params, **kwargs)
        trajectory.conclude(self.tokenizer.decode(_last_spoken(output), skip_special_tokens=True))
        output.extra_fields.update(trajectory.extra_fields())
        info = kwargs.get("extra_info") or {}
        scored = compute_score("", "", kwargs["reward_model"]["ground_truth"], output.extra_fields)
        line = trajectory.line(
            step=int(kwargs.get("global_steps", -1)),
            task_id=str(info.get("task_id", "")),
            split=str(info.get("split", "")),
            score=scored["right"],
            tokens=len(output.response_ids),
            turns=output.num_turns,
        )
        append_line(line)
        return output

    async def _handle_pending_state(self, agent_data: AgentData, sampling_params: dict[str, Any]) -> AgentState:
        # The first state of every trajectory, and the first place where its data can be had.
        agent_data.trajectory = self._trajectory
        agent_data.connection = self._connection
        return await super()._handle_pending_state(agent_data, sampling_params)

    async def _handle_processing_tools_state(self, agent_data: AgentData) -> AgentState:
        wanted = agent_data.tool_calls[: self.max_parallel_calls]
        answered = any(call.name == ANSWER_TOOL for call in wanted)
        offered = agent_data._active_tools
        self._trajectory.refused += sum(call.name not in offered for call in wanted)
        state = await super()._handle_processing_tools_state(agent_data)
        return AgentState.TERMINATED if answered and self._trajectory.submitted else state


def _last_spoken(output: AgentLoopOutput) -> list[int]:
    """The tokens of the last turn of the model: those after the last one that it did not generate."""
    mask = output.response_mask
    begin = max((place for place, own in enumerate(mask) if not own), default=-1) + 1
    return list(output.response_ids[begin:])
