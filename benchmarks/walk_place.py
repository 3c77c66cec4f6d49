"""Where a server of the walks lives: folders made anew before each run, the server in them, behind a recorder, or replayed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.pool import caches
from benchmarks.stdio_wire import StdioSession, stdio_session
from firefly_mcp.servers.config import ServerSpec

_SERVER_SECONDS = 400.0


class Place:
    """One server with its folders, made anew before each run, always at the same place: paths in answers then agree."""

    def __init__(self, spec: ServerSpec, folder: Path, seed: Path | None, store: Path | None = None) -> None:
        self.spec, self.folder, self.seed = spec, folder, seed
        self.work, self.home = folder / "work", folder / "home"
        self.store = store or folder / "walk.db"
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
        self.env = {**os.environ, "WORKDIR": str(self.work), "HOME": str(self.home), "PATH": path, **caches()}
        self.config = folder / "servers.json"
        entry = {"command": spec.command, "args": list(spec.args), "env": dict(spec.env)}
        self.config.write_text(json.dumps({"mcpServers": {spec.name: entry}}))

    def clean(self) -> None:
        """Fresh folders."""
        for place in (self.work, self.home):
            shutil.rmtree(place, ignore_errors=True)
        if self.seed is None:
            self.work.mkdir()
        else:
            shutil.copytree(self.seed, self.work)
        self.home.mkdir()

    @asynccontextmanager
    async def live(self) -> AsyncIterator[StdioSession]:
        """The server itself, in fresh folders."""
        self.clean()
        full = self.spec.expanded(self.env)
        assert full.command is not None
        async with self._session([full.command, *full.args], {**self.env, **full.env}) as session:
            yield session

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[StdioSession]:
        """The server behind ``firefly record``, in fresh folders."""
        self.clean()
        argv = [sys.executable, "-m", "firefly_mcp", "record", "--store", str(self.store), "--config", str(self.config)]
        async with self._session(argv, self.env) as session:
            await session.listed("tools/list", "tools")
            yield session

    @asynccontextmanager
    async def replay(self) -> AsyncIterator[StdioSession]:
        """The recording, with the server gone."""
        argv = [sys.executable, "-m", "firefly_mcp", "replay", "--store", str(self.store)]
        async with self._session(argv, self.env) as session:
            yield session

    @asynccontextmanager
    async def _session(self, argv: list[str], env: dict[str, str]) -> AsyncIterator[StdioSession]:
        async with (
            asyncio.timeout(_SERVER_SECONDS),
            stdio_session(argv, env, self.work, self.folder / "errors.log") as session,
        ):
            await session.begin()
            yield session
