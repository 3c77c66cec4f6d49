from __future__ import annotations

import asyncio

import pytest

from firefly_mcp.store.recording import Recording
from firefly_proxies.conversation import Conversation, Emit, Opening
from firefly_proxies.replay import ReplayFactory
from firefly_proxies.serve import running_http
from firefly_train import connection as module
from firefly_train.connection import Connections
from firefly_train.trajectory import Trajectory


class Counting(ReplayFactory):
    """Replay that remembers which sessions began and how many are open."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(recording, log=False)
        self.begun: list[str | None] = []

    async def open(self, opening: Opening, emit: Emit) -> Conversation:
        self.begun.append(opening.session_id)
        return await super().open(opening, emit)


async def test_trajectories_share_a_connection_and_keep_their_own_replay_sessions(recording: Recording) -> None:
    factory = Counting(recording)
    async with running_http(factory) as url:
        connections = Connections(url)

        async def one(email: str) -> str:
            trajectory = Trajectory()
            async with connections.trajectory() as connection:
                result = await connection.call("find_customer", {"email": email}, trajectory.session)
                trajectory.note(result["_meta"])
                assert trajectory.kinds == {"exact": 1}
                found: str = result["structuredContent"]["id"]
                await connection.call("list_orders", {"customer": found}, trajectory.session)
            return found

        found = await asyncio.gather(one("ada@example.org"), one("bo@example.org"), one("cleo@example.org"))
        await connections.close()
    assert list(found) == ["cus-7719", "cus-2086", "cus-5512"]
    # One connection of its own, and a session for each trajectory, whatever number of calls it made.
    assert len(factory.begun) == 4


async def test_misses_are_counted_by_their_cause(recording: Recording) -> None:
    trajectory = Trajectory()
    async with running_http(ReplayFactory(recording, log=False)) as url:
        connections = Connections(url)
        async with connections.trajectory() as connection:
            for name, arguments in (
                ("find_customer", {"email": "nobody@example.org"}),
                ("find_customer", {}),
                ("refund", {}),
                ("list_hours", {}),
            ):
                result = await connection.call(name, arguments, trajectory.session)
                trajectory.note(result["_meta"])
        await connections.close()
    assert trajectory.kinds == {"miss": 3, "exact": 1}
    assert trajectory.misses == {"never_recorded": 1, "invalid_arguments": 1, "unknown_tool": 1}


async def test_a_worn_connection_is_replaced_and_closed_with_its_last_trajectory(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRAJECTORIES", 1)
    async with running_http(ReplayFactory(recording, log=False)) as url:
        connections = Connections(url)
        async with connections.trajectory() as first:
            await first.call("list_hours", {}, "a")
            async with connections.trajectory() as second:
                assert second is not first
                await second.call("list_hours", {}, "b")
            await first.call("list_hours", {}, "a")
        assert first.closed
        assert second.closed


async def test_a_proxy_that_is_not_there_fails_the_call() -> None:
    connections = Connections("http://127.0.0.1:9/mcp")
    async with connections.trajectory() as connection:
        with pytest.raises(Exception, match=r"."):
            await connection.call("list_hours", {}, "a")
    assert not connection.usable
