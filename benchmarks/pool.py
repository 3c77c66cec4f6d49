"""Drive many real servers directly and through the recording proxy, and compare all that they say.

    python -m benchmarks.pool --config servers.json            # the first 30 servers of the file
    python -m benchmarks.pool --config servers.json --only mcp-server-time --only csv-mcp

Each server is run three times in the same folder, freshly seeded: directly, through `firefly record`, and directly again. The
handshake, all lists and the results of the same calls are compared whole, unknown fields included. Values that differ between
the two direct runs (clocks, random ids) say nothing of the proxy: they are masked, and counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.arguments import arguments_for
from benchmarks.stdio_wire import StdioSession, stdio_session
from firefly_mcp.servers.config import ServerSpec, load_servers

LISTS = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}
_SERVER_SECONDS = 240.0


async def drive(session: StdioSession, calls: int) -> dict[str, Any]:
    """What the server says to the handshake, the lists, and the first ``calls`` tools and three resources and prompts."""
    said: dict[str, Any] = {"initialize": await session.begin()}
    for method, key in LISTS.items():
        said[method] = await session.listed(method, key)
    wanted: list[tuple[str, dict[str, Any]]] = []
    for tool in _items(said["tools/list"])[:calls]:
        wanted.append(("tools/call", {"name": tool["name"], "arguments": arguments_for(tool.get("inputSchema") or {})}))
    wanted += [("resources/read", {"uri": resource["uri"]}) for resource in _items(said["resources/list"])[:3]]
    for prompt in _items(said["prompts/list"])[:3]:
        given = {argument["name"]: "a" for argument in prompt.get("arguments") or [] if argument.get("required")}
        wanted.append(("prompts/get", {"name": prompt["name"], "arguments": given}))
    wanted.append(("tools/call", {"name": "no such tool", "arguments": {}}))
    for method, params in wanted:
        try:
            said[f"{method} {json.dumps(params)[:100]}"] = await session.request(method, params)
        except TimeoutError:
            said[f"{method} {json.dumps(params)[:100]}"] = "no answer in time"
    return said


def _items(listed: Any) -> list[dict[str, Any]]:
    return listed if isinstance(listed, list) else []


def differences(one: Any, two: Any, path: str = "") -> Iterator[str]:
    """The places where two values differ; a difference of shape counts once, at its top."""
    if isinstance(one, dict) and isinstance(two, dict):
        for key in sorted({*one, *two}):
            if key not in one or key not in two:
                yield f"{path}/{key}"
            else:
                yield from differences(one[key], two[key], f"{path}/{key}")
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for position, (left, right) in enumerate(zip(one, two, strict=True)):
            yield from differences(left, right, f"{path}/{position}")
    elif type(one) is not type(two) or one != two:
        yield path


def at(value: Any, path: str) -> str:
    """What is at a place, shortened for printing."""
    for step in path.split("/")[1:]:
        if isinstance(value, dict):
            value = value.get(step, "(absent)")
        elif isinstance(value, list):
            value = value[int(step)]
    return json.dumps(value)[:160]


async def compare(spec: ServerSpec, folder: Path, seed: Path | None, calls: int) -> tuple[int, int, list[str]]:
    """Run one server three times.

    Returns:
        How many answers were compared, how many places were masked, and what differs, one line each.

    Raises:
        EOFError, TimeoutError, OSError: the server does not even work directly.
    """
    work = folder / "work"
    env = {**os.environ, "WORKDIR": str(work), "HOME": str(folder / "home"), **caches()}
    full = spec.expanded(env)
    assert full.command is not None
    config = folder / "servers.json"
    entry = {"command": spec.command, "args": list(spec.args), "env": dict(spec.env)}
    config.write_text(json.dumps({"mcpServers": {spec.name: entry}}))
    proxy = [sys.executable, "-m", "firefly_mcp", "record", "--store", str(folder / "f.db"), "--config", str(config)]

    async def run(argv: list[str], variables: dict[str, str]) -> dict[str, Any]:
        for name in ("work", "home"):
            shutil.rmtree(folder / name, ignore_errors=True)
        if seed is None:
            work.mkdir()
        else:
            shutil.copytree(seed, work)
        (folder / "home").mkdir()
        async with asyncio.timeout(_SERVER_SECONDS), stdio_session(argv, variables, work, folder / "errors.log") as session:
            return await drive(session, calls)

    command = [full.command, *full.args]
    direct = await run(command, {**env, **full.env})
    try:
        through = await run(proxy, env)
    except (EOFError, TimeoutError, OSError) as trouble:
        return len(direct), 0, [f"the proxy: {type(trouble).__name__} {trouble}; {(folder / 'errors.log').read_text()[-300:]}"]
    again = await run(command, {**env, **full.env})
    masked = list(differences(direct, again))
    found = [
        f"{path}: directly {at(direct, path)}, through the proxy {at(through, path)}"
        for path in differences(direct, through)
        if not any(path == mask or path.startswith(f"{mask}/") for mask in masked)
    ]
    return len(direct), len(masked), found


def caches() -> dict[str, str]:
    """The real caches of uvx and npx, for servers whose HOME is another."""
    home = Path.home()
    return {
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(home / ".cache" / "uv"),
        "npm_config_cache": os.environ.get("npm_config_cache", str(home / ".npm")),  # noqa: SIM112 - its name
        "PYENV_ROOT": os.environ.get("PYENV_ROOT") or str(home / ".pyenv"),
        "UV_OFFLINE": "1",
        "npm_config_offline": "true",
    }


async def compare_all(specs: list[ServerSpec], seed: Path | None, calls: int, wanted: int) -> bool:
    """In turn, until so many servers were compared; one that does not start directly counts for neither side."""
    same, differ, left_out, masked_values = 0, 0, 0, 0
    for spec in specs:
        if same + differ == wanted:
            break
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="firefly-pool-", ignore_cleanup_errors=True) as folder:
            try:
                answers, masked, found = await compare(spec, Path(folder), seed, calls)
            except (EOFError, TimeoutError, OSError) as trouble:
                left_out += 1
                print(f"{spec.name}: left out, {type(trouble).__name__} {trouble}", flush=True)
                continue
        masked_values += masked
        same, differ = (same, differ + 1) if found else (same + 1, differ)
        verdict = f"{len(found)} differences" if found else "identical"
        print(f"{spec.name}: {answers} answers, {verdict}, {masked} masked, {time.monotonic() - begun:.0f} s", flush=True)
        for line in found[:8]:
            print(f"  {line}", flush=True)
    print(f"{same} of {same + differ} servers identical, {masked_values} values masked, {left_out} servers left out")
    return differ == 0


def main() -> int:
    """Compare; 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="the servers (mcpServers)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this server; may be repeated")
    parser.add_argument("--servers", type=int, default=30, help="how many (30)")
    parser.add_argument("--calls", type=int, default=6, help="tools called of each (6)")
    parser.add_argument("--seed", type=Path, help="a folder with files that each run finds in its working folder")
    options = parser.parse_args()
    specs = [spec for spec in load_servers(options.config, options.only).values() if spec.command is not None]
    return 0 if asyncio.run(compare_all(specs, options.seed, options.calls, options.servers)) else 1


if __name__ == "__main__":
    sys.exit(main())
