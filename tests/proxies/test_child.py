"""The environment and the life of a server process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from firefly_mcp.errors import ServerError
from firefly_mcp.servers.config import ServerSpec
from firefly_proxies.child import Child, can_unshare, check_command, environment
from firefly_proxies.confine import landlock_version
from firefly_proxies.sandbox import Sandbox

PARENT = {
    "PATH": "/usr/bin",
    "HOME": "/home/user",
    "LANG": "C.UTF-8",
    "LC_ALL": "C",
    "EDITOR": "vi",
    "OPENAI_API_KEY": "k",
    "OPENAI_BASE_URL": "u",
    "ANTHROPIC_AUTH_TOKEN": "k",
    "HF_TOKEN": "k",
    "AWS_SECRET_ACCESS_KEY": "k",
    "UV_INDEX_URL": "https://index.example",
    "UV_PUBLISH_TOKEN": "k",
    "PIP_INDEX_URL": "https://index.example",
    "npm_config_registry": "https://npm.example",
    "npm_config__authToken": "k",
    "SSL_CERT_FILE": "/certs",
    "HTTPS_PROXY": "http://proxy",
}


def test_a_sandboxed_child_gets_a_private_home_the_real_caches_and_no_key(tmp_path: Path) -> None:
    sandbox = Sandbox.create(tmp_path, "notes")
    env = environment({"OWN_KEY": "v", "LANG": "de"}, sandbox=sandbox, parent=PARENT)
    assert (env["OWN_KEY"], env["LANG"], env["LC_ALL"]) == ("v", "de", "C")
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "TMPDIR"):
        assert Path(env[name]).is_relative_to(sandbox.root)
    assert env["UV_CACHE_DIR"] == "/home/user/.cache/uv"
    assert env["npm_config_cache"] == "/home/user/.npm"
    for name in ("UV_INDEX_URL", "PIP_INDEX_URL", "npm_config_registry", "SSL_CERT_FILE", "HTTPS_PROXY"):
        assert env[name] == PARENT[name]
    assert "k" not in env.values()
    assert not {"EDITOR", "OPENAI_BASE_URL"} & set(env)


def test_caches_that_are_set_stay_as_they_are(tmp_path: Path) -> None:
    parent = {**PARENT, "UV_CACHE_DIR": "/fast/uv", "npm_config_cache": "/fast/npm"}
    env = environment({}, sandbox=Sandbox.create(tmp_path, "x"), parent=parent)
    assert (env["UV_CACHE_DIR"], env["npm_config_cache"]) == ("/fast/uv", "/fast/npm")


def test_without_a_sandbox_only_the_keys_of_models_and_registries_are_missing() -> None:
    env = environment({"OPENAI_API_KEY": "configured"}, sandbox=None, parent=PARENT)
    gone = set(PARENT) - set(env)
    assert gone == {"OPENAI_BASE_URL", "ANTHROPIC_AUTH_TOKEN", "HF_TOKEN", "UV_PUBLISH_TOKEN", "npm_config__authToken"}
    assert env["OPENAI_API_KEY"] == "configured"
    assert env["HOME"] == "/home/user"


def test_offline_tells_the_package_runners() -> None:
    env = environment({}, sandbox=None, offline=True, parent=PARENT)
    assert (env["UV_OFFLINE"], env["npm_config_offline"]) == ("1", "true")


def test_the_programs_installed_beside_this_python_are_found_last() -> None:
    assert environment({}, sandbox=None, parent=PARENT)["PATH"] == f"/usr/bin:{Path(sys.executable).parent}"


def test_a_spec_that_cannot_be_started_is_found_out_beforehand(tmp_path: Path) -> None:
    check_command(ServerSpec(name="ok", command=sys.executable, cwd=str(tmp_path)))
    with pytest.raises(ServerError, match="server 'x' cannot be started: command not found: no-such"):
        check_command(ServerSpec(name="x", command="no-such"))
    with pytest.raises(ServerError, match="no such folder: /no/where"):
        check_command(ServerSpec(name="x", command=sys.executable, cwd="/no/where"))


async def read_all(child: Child) -> str:
    assert child.process.stdout is not None
    out = (await child.process.stdout.read()).decode()
    await child.stop()
    return out.strip()


@pytest.mark.skipif(not can_unshare(), reason="this system gives no network namespaces (unshare -rn)")
async def test_an_offline_child_has_loopback_and_no_other_network() -> None:
    code = (
        "import socket; a = socket.create_server(('127.0.0.1', 0)); socket.create_connection(a.getsockname(), 2).close();"
        "print([name for _, name in socket.if_nameindex()])"
    )
    child = await Child.start("x", [sys.executable, "-c", code], env=environment({}, sandbox=None), offline=True)
    assert await read_all(child) == "['lo']"


async def test_only_the_last_words_of_a_talkative_child_are_kept() -> None:
    code = "import sys; [print('line', n, 'x' * 1000, file=sys.stderr) for n in range(5000)]; print('the end', file=sys.stderr)"
    child = await Child.start("x", [sys.executable, "-c", code], env=environment({}, sandbox=None))
    await read_all(child)
    said = child.last_words()
    assert said.endswith("| the end")
    assert len(said) < 10_000


@pytest.mark.skipif(landlock_version() == 0, reason="this system has no Landlock")
async def test_a_sandboxed_child_writes_to_its_own_place_and_nowhere_else(tmp_path: Path) -> None:
    sandbox = Sandbox.create(tmp_path / "boxes", "x")
    (tmp_path / "mine").write_text("precious")
    code = f"""
import os, pathlib, subprocess, tempfile
def attempt(what):
    try:
        what()
        return "done"
    except OSError as error:
        return type(error).__name__
mine = pathlib.Path({str(tmp_path / "mine")!r})
home = pathlib.Path(os.environ["HOME"], "x")
print([
    attempt(lambda: home.write_text("a")), attempt(lambda: home.rename("moved")),
    attempt(lambda: tempfile.NamedTemporaryFile().write(b"a")), attempt(lambda: open(os.devnull, "w").write("a")),
    attempt(lambda: mine.write_text("gone")), attempt(lambda: mine.unlink()), attempt(lambda: os.truncate(mine, 0)),
    subprocess.run(["rm", mine], stderr=-3).returncode,
    mine.read_text(),
])
"""
    env = environment({}, sandbox=sandbox)
    child = await Child.start("x", [sys.executable, "-c", code], env=env, cwd=sandbox.work, sandbox=sandbox)
    done, refused = "done", "PermissionError"
    assert await read_all(child) == str([done] * 4 + [refused] * 3 + [1, "precious"])
    assert (tmp_path / "mine").read_text() == "precious"
