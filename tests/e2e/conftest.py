"""Real servers, recorded twice, and the tasks that the recording proves: made once for all tests here."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from firefly_agents.proving import Synthesis
from firefly_agents.synthesizer import synthesize
from firefly_mcp.redact import Redactor
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store.recording import Recording
from firefly_proxies.record import RecordFactory
from firefly_proxies.serve import running_http

SERVERS = Path(__file__).parents[1] / "servers"
SPECS = {
    name: ServerSpec(name=name, command=sys.executable, args=(str(SERVERS / f"{name}.py"),))
    for name in ("calc", "notes", "clock")
}


async def _walk(client: Client) -> None:
    """Calls whose results feed later arguments: a chain, a write that is read back, and a volatile value."""

    async def call(tool: str, **arguments: Any) -> Any:
        return (await client.call_tool(tool, arguments)).structured_content

    total = await call("calc_add", a=1234.5, b=77.25)
    share = await call("calc_divide", a=total["value"], b=3.5)
    await call("calc_divide", a=share["value"], b=1.5)
    note = await call("notes_add_note", title="winter rye", text="feed at noon")
    await call("notes_list_notes")
    await call("notes_get_note", note_id=note["id"])
    now = await call("clock_now")
    await call("calc_add", a=now["seconds"], b=10)


async def _record(path: Path) -> Synthesis:
    origins = {name: f"proven({name})" for name in SPECS}
    with Recording(path, create=True) as recording:
        for kind in ("explore", "confirm"):
            factory = RecordFactory(recording, SPECS, redactor=Redactor(), kind=kind, origins=origins)
            async with running_http(factory) as url, Client(url, mode="legacy") as client:
                await client.list_tools()
                await _walk(client)
        return await synthesize(recording)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Synthesis]:
    path = tmp_path_factory.mktemp("tasks") / "a.db"
    return path, anyio.run(_record, path)


@pytest.fixture
def store(made: tuple[Path, Synthesis], tmp_path: Path) -> Path:
    return Path(shutil.copy(made[0], tmp_path / "a.db"))
