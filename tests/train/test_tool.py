from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("verl", reason="verl is not installed")

from firefly_mcp.jsonio import dumps
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http
from firefly_train.connection import Connections
from firefly_train.demonstrations import demonstrate, tool_entries
from firefly_train.tool import AnswerTool, ReplayTool
from firefly_train.trajectory import Trajectory


@pytest.fixture
def tools_json(tasks: list[Task], recording: Recording, tmp_path: Path) -> str:
    path = tmp_path / "tools.json"
    path.write_bytes(dumps(list(tool_entries(demonstrate(tasks, recording)).values())))
    return str(path)


async def test_verl_calls_the_recording_through_its_own_tool_interface(tools_json: str, recording: Recording) -> None:
    tool = ReplayTool({"type": "native", "tools": tools_json, "name": "find_customer"})
    assert tool.tool_schema.function.parameters["properties"]["hints"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    trajectory = Trajectory()
    async with running_http(ReplayFactory(recording, log=False)) as url:
        connections = Connections(url)
        async with connections.trajectory() as connection:
            data = SimpleNamespace(trajectory=trajectory, connection=connection)
            found, _, _ = await tool.execute("1", {"email": "ada@example.org"}, agent_data=data)
            missed, _, _ = await tool.execute("2", {"email": "nobody@example.org"}, agent_data=data)
            refused, _, _ = await tool.execute("3", ["ada@example.org"], agent_data=data)
        await connections.close()
    assert found.text == '{"id":"cus-7719","since":"2021"}'
    assert "firefly replay" in missed.text
    assert "must be a JSON object" in refused.text
    assert (trajectory.kinds, trajectory.refused, trajectory.failures) == ({"exact": 1, "miss": 1}, 1, [])


async def test_a_lost_proxy_is_an_infrastructure_error_and_not_an_answer(tools_json: str) -> None:
    tool = ReplayTool({"tools": tools_json, "name": "list_hours"})
    trajectory = Trajectory()
    async with Connections("http://127.0.0.1:9/mcp").trajectory() as connection:
        data = SimpleNamespace(trajectory=trajectory, connection=connection)
        with pytest.raises(Exception, match=r"."):
            await tool.execute("1", {}, agent_data=data)
    assert len(trajectory.failures) == 1
    assert trajectory.calls == 0


async def test_the_answer_channel_takes_the_answer(tools_json: str) -> None:
    tool = AnswerTool({"tools": tools_json, "name": "submit_answer"})
    trajectory = Trajectory()
    await tool.execute("1", {"answer": {"total": 41.5}}, agent_data=SimpleNamespace(trajectory=trajectory))
    assert trajectory.submitted
    assert trajectory.answer == {"total": 41.5}
